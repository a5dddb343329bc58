//! Every refusal of the server as the `Status` object that the reference would send: code, reason, message, details.

mod build;
mod failure;

pub(crate) use build::Refused;
pub(crate) use failure::{Cause, Details};
pub use failure::{Class, Failure};
