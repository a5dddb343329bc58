//! Engines: they run what a plan says, and report what they hold.
//!
//! One trait, one contract suite. No engine decides anything; values of secrets reach them only inside `apply`.

mod contract;
mod declared;
pub mod exchange;
mod interactive;
mod missing;
pub mod moby;
pub mod process;
mod refusals;
pub mod registry;
#[cfg(feature = "sim")]
pub mod sim;

pub use contract::{
    DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hint, Hints, LogLine, LogOptions, LogStream, Scope, Stream, Tunnel,
};
pub use interactive::{Chunk, Interactive, OpenRequest, Opened, Size};
