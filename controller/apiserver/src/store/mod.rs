//! The truth: every object in memory, in order, with the recent past of each resource. A version is visible only after
//! the journal has it.
//!
//! It does not know schemas or requests; it hands out versions, refuses writes that are not based on the latest one,
//! and lets watchers read on from any revision that it still remembers.

mod commit;
mod object;
mod pipeline;
mod reads;
mod ring;
mod state;
#[cfg(test)]
mod tests;

pub(crate) use commit::{CommitError, Company, Expected, Observer, Store, Write};
pub(crate) use object::{Key, Meta, Object, Owner};
pub(crate) use ring::{Event, EventKind, Portion, watch_line};
pub(crate) use state::{Layout, Page, Query, Scope};
