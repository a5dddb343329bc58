//! The server of a home: embedded API server, controllers, engines, until a signal or idleness ends it.

mod memory;
mod pods;
mod reader;
mod run;

pub(crate) use run::{Options, serve};
