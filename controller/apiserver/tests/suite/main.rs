//! The server as its clients meet it: one binary, one module for each topic.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::unwrap_in_result, reason = "a test fails by panicking")]

mod client;
mod definitions;
mod deletion;
mod durability;
mod extended;
mod fuzz;
mod goldens;
mod kubectl;
mod limits;
mod packed;
mod pods;
mod relays;
mod semantics;
mod sockets;
mod support;
mod traps;
mod watches;
mod wire;
