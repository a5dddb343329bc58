//! One file per verb: decode → prune → default → managed fields → validate → commit → answer.
//!
//! A handler takes a `Call` and gives a response; it holds nothing between calls, and nobody sees a version before
//! the store has made it durable.

pub(crate) mod account;
mod action;
mod admit;
mod answer;
mod apply;
mod call;
mod create;
mod decode;
mod delete;
mod dispatch;
mod exec;
mod forward;
mod internal;
mod log;
mod meta;
pub(crate) mod mirror;
mod options;
mod patch;
mod pod;
mod push;
mod read;
mod review;
mod scale;
mod update;
mod watch;

pub(crate) use admit::timestamp;
pub(crate) use delete::{DeleteOptions, FOREGROUND, ORPHAN, Propagation};
pub(crate) use dispatch::dispatch;
pub(crate) use internal::Internal;
