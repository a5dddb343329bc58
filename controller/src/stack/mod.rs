//! x.
use crate::context::Context;
use crate::runtime::{Key, Next};
pub(crate) async fn reconcile(_: &Context, _: &Key) -> Next { Next::Rest }
pub(crate) async fn panicked(_: &Context, _: &Key, _: &str) {}
