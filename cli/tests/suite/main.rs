//! The built program on the process engine alone: commands, flags, bad input. Needs no container engine.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a harness: its failure is the failure of a test")]

mod bad_input;
mod catalog;
mod cold;
mod documented;
mod flags;
mod foreground;
mod home;
mod inspect;
mod logging;
mod overrides;
mod program;
mod reading;
mod snapshots;
mod table;
