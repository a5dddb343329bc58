//! One file per verb: decode → prune → default → managed fields → validate → commit → answer.
//!
//! A handler takes a `Call` and gives a response; it holds nothing between calls, and nobody sees a version before
//! the store has made it durable.

mod admit;
mod answer;
mod call;
mod create;
mod decode;
mod delete;
mod dispatch;
mod internal;
mod meta;
mod options;
mod patch;
mod read;
mod scale;
mod update;
mod watch;

pub(crate) use delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
pub(crate) use dispatch::dispatch;
pub(crate) use internal::Internal;
