//! The controllers over the embedded API server in process: the same client code as in use, no socket, a simulated engine.

mod happenings;
mod harness;
mod lifecycle;
mod patterns;
mod record;
mod rows;
mod service;
