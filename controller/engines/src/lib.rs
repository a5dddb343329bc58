//! Engines: they run what a plan says, and report what they hold.
//!
//! One trait, one contract suite. No engine decides anything; values of secrets reach them only inside `apply`.

mod contract;
pub mod moby;
pub mod process;

pub use contract::{
    DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hint, Hints, LogLine, LogOptions, LogStream, Scope, Stream, Tunnel,
};
