//! Faults of a call by phase, and the records of what was called and what was really changed.

use std::time::Duration;

use koan_core::outcome::{Failure, Outcome};

/// What goes wrong with one call of `apply` (reliability.md section 2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The engine is never reached.
    BeforeSend,
    /// It is done, but the caller does not hear of it.
    ReplyLost,
    /// It is done twice; the caller hears of the first time.
    Twice,
    /// The caller hears of a lost connection; it is done so much later, when the caller may be gone.
    LandsLate(Duration),
    /// The engine hangs for so long, then the connection is lost; nothing is done.
    Hangs(Duration),
    /// The engine answers with this failure; nothing is done.
    Refused(Failure),
}

/// One call of `apply`, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// Number of the call, from 0; what faults are aimed at.
    pub index: usize,
    /// Time since the world began.
    pub at: Duration,
    /// Verb of the step.
    pub verb: &'static str,
    /// Object of the step.
    pub object: String,
    /// Fault that hit it.
    pub fault: Option<Fault>,
    /// What the caller was told.
    pub outcome: Outcome,
}

/// One change of the world that a call made; drift is none. Equal counts per (verb, object) are an oracle (REL-14).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Effect {
    /// Time since the world began.
    pub at: Duration,
    /// Verb of the step.
    pub verb: &'static str,
    /// Object that was changed.
    pub object: String,
}
