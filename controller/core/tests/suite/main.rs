//! The pure stages, told from manifests that a user could apply.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "builders of a test fail like the test itself")]

mod catalogue;
mod concluding;
mod concluding_stack;
mod deciding;
mod engine_choice;
mod planning;
mod ports;
mod properties;
mod rendering;
mod repairing;
mod small_parts;
mod validating;
mod world;
