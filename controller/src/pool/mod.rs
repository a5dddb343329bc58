//! The engines of this process: what each says of itself, and one cached inventory per engine.
//!
//! An engine is asked only once somebody needs it (ENG-3). Its inventory is fed by the replies to our own steps (PERF-80), by
//! one watcher whose events are hints, and by a full list on each hint and every 30 s (REL-5). It decides nothing.

mod ahead;
mod cache;
mod overlay;
mod watcher;

#[cfg(test)]
mod tests;

pub(crate) use ahead::{Ahead, Room};
pub(crate) use cache::Pool;
pub(crate) use watcher::RELIST;
