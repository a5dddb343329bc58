//! Koan's pure core: `validate → questions → decide → plan → conclude`, and the values that travel between rooms.
//!
//! No async, clock, environment, files, network, randomness or logging; time and seeds are arguments.

pub mod activation;
pub mod candidate;
pub mod conclude;
pub mod decide;
pub mod desired;
pub mod facts;
pub mod gates;
pub mod identity;
pub mod inventory;
pub mod lint;
pub mod nearest;
pub mod order;
pub mod outcome;
pub mod outputs;
pub mod plan;
pub mod probe;
pub mod quantity;
pub mod questions;
pub mod recipe;
pub mod redact;
pub mod render;
pub mod secret;
pub mod step;
pub mod text;
pub mod validate;
pub mod violation;
pub mod workload;
