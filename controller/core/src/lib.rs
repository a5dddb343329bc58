//! Koan's pure core: `validate → questions → decide → plan → conclude`, and the values that travel between rooms.
//!
//! No async, clock, environment, files, network, randomness or logging; time and seeds are arguments.

pub mod identity;
pub mod inventory;
pub mod outcome;
pub mod probe;
pub mod recipe;
pub mod secret;
pub mod step;
pub mod text;
pub mod workload;
