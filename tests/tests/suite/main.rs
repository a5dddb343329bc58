//! One binary for every suite that crosses rooms.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod crds;
mod shop;
