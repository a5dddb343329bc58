//! Harness of the suites that cross rooms: what is there to test against, and the `koan` program under test.
//!
//! Components come from `hack/test` through `KOAN_TEST_*`. A missing one prints `SKIPPED <suite>: <what is missing>`;
//! one that `KOAN_TEST_REQUIRE` names is a failure instead (REL-11).

#![allow(clippy::expect_used, clippy::panic, reason = "a harness: its failure is the failure of a test")]

mod answers;
mod canary;
mod components;
mod engine;
mod expected;
pub mod history;
mod kubectl;
mod place;
mod program;
mod until;

pub use answers::{answers, database_answers};
pub use canary::Canary;
pub use components::{Component, component};
pub use engine::Engine;
pub use expected::{Exceptions, Tally};
pub use kubectl::Kubectl;
pub use place::Place;
pub use program::{Koan, Output};
pub use until::{PATIENCE, until};
