//! One binary for every suite that crosses rooms.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod adoption;
mod bad_input;
mod canary;
mod comeback;
mod crash;
mod crds;
mod drift;
mod durability;
mod full_disk;
mod host;
mod initialisation;
mod kubectl;
mod loss;
mod own;
mod pods;
mod quickstart;
mod relay;
mod restart;
mod server;
mod shop;
mod traps;
