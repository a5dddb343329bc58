//! `conclude`: from everything that is known to a status, events and the next visit; it has no clock of its own.

mod conditions;
mod critical;
mod describe;
mod events;
mod health;
mod requeue;
mod service;
mod stack;
mod stack_conditions;
mod verdict;

pub use health::{CRASH_WINDOW, crash_limit, restart_delay};
pub use service::{Deletion, ServiceInput, conclude_service};
pub use stack::{StackInput, conclude_stack, expires_at};
pub use verdict::{EventRecord, Requeue, RequeueClass, StepOutcome, Verdict};
