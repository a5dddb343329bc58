//! The controllers over the embedded API server in process: the same client code as in use, no socket, a simulated engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unwrap_in_result, reason = "helpers of tests")]

mod detection;
mod drift;
mod happenings;
mod harness;
mod lifecycle;
mod patterns;
mod ports;
mod record;
mod rows;
mod service;
