//! The controllers over the embedded API server in process: the same client code as in use, no socket, no engine of the machine.

mod harness;
mod service;
mod trivial;
