//! Runs reconciles: an ordered, bounded, seeded work queue, one timer queue, and watches that cannot go quiet unseen.
//!
//! Given the same seed, the same changes and one thread, two runs schedule alike (REL-8). It knows keys and never objects;
//! it does not read, decide or write anything.

mod echo;
mod interest;
mod key;
mod queue;
mod runner;
mod source;
mod wake;

#[cfg(test)]
mod tests;

pub use key::{Key, Kind};
pub use runner::RunError;
pub use source::{ApiSource, Change, Changes, Source, WatchedKind};

pub(crate) use interest::{Interests, Target};
pub(crate) use queue::Next;
pub(crate) use runner::{Reconcile, Runner};
pub(crate) use wake::Wake;
