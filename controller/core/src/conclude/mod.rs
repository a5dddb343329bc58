//! `conclude`: from everything that is known to a status, events and the next visit; it has no clock of its own.

mod verdict;

pub use verdict::{EventRecord, Requeue, RequeueClass, StepOutcome, Verdict};
