//! `Verdict`: a status, events and the class of the next visit.

use std::time::Duration;

use koan_crds::events::Event;

use crate::outcome::Outcome;
use crate::step::Step;

/// What `conclude` says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict<S> {
    /// The whole status.
    pub status: S,
    /// It differs from the old one: it is to be written. False writes nothing (B-6).
    pub changed: bool,
    /// Events, only on change.
    pub events: Vec<EventRecord>,
    /// The next visit.
    pub requeue: Requeue,
}

impl<S> Verdict<S> {
    /// The verdict where its status can wait for the next write and `old` stands: what was done is told now, and the rest
    /// with the status from which it differs, so that nothing is told twice.
    pub fn without_status(self, old: S) -> Self {
        let done = |record: &EventRecord| {
            matches!(
                record.event,
                Event::ContainerCreated | Event::ContainerReplaced | Event::DriftRepaired | Event::VolumeDeleted
            )
        };
        let events = self.events.into_iter().filter(done).collect();
        Self { status: old, changed: false, events, requeue: self.requeue }
    }
}

/// An event to record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRecord {
    /// Reason and id.
    pub event: Event,
    /// Of type Warning.
    pub warning: bool,
    /// One sentence in the past tense.
    pub message: String,
}

impl EventRecord {
    /// An event of its usual type.
    pub fn new(event: Event, message: impl Into<String>) -> Self {
        Self { event, warning: event.is_warning(), message: message.into() }
    }
}

/// When to come back (style rule 17).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Requeue {
    /// Why.
    pub class: RequeueClass,
    /// Known delay; `None` leaves it to the class.
    pub after: Option<Duration>,
}

/// Class of a requeue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequeueClass {
    /// Invalid: only a change of the object or of what it refers to helps.
    Change,
    /// Healthy: watches and the long resync.
    Healthy,
    /// Denied: a slow poll.
    Slow,
    /// Waiting: a known delay.
    Waiting,
    /// Transient: jittered back-off with a cap.
    Backoff,
}

/// A step of the plan with its outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepOutcome {
    /// The step.
    pub step: Step,
    /// What became of it.
    pub outcome: Outcome,
}
