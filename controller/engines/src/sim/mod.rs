//! A simulated engine: a deterministic world in memory on tokio's (paused) time, with faults at every call. Tests only.
//!
//! [`SimWorld`] is the handle: it scripts programs, injects faults, drifts the world and shows what was called. [`SimEngine`] is
//! what the controllers get. It spawns nothing and asks no clock but tokio's, so a run is repeated byte for byte.

mod drift;
mod engine;
mod fault;
mod program;
mod state;
mod steps;
#[cfg(test)]
mod tests;
mod world;

pub use engine::SimEngine;
pub use fault::{CallRecord, Effect, Fault};
pub use program::{Answer, End, Program};
pub use state::{SimNetwork, SimVolume, SimWorkload};
pub use world::SimWorld;
