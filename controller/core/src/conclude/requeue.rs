//! When to come back (style rule 17): the class follows from what stands in the way.

use std::time::Duration;

use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

use super::health::restart_delay;
use super::service::{Judgement, ServiceInput};
use super::verdict::{Requeue, RequeueClass, StepOutcome};
use crate::outcome::Outcome;

/// How often a lost or required host service is looked for again (DET-28).
const LOOK_AGAIN: Duration = Duration::from_secs(30);
/// Shortest known delay.
const LEAST: Duration = Duration::from_millis(20);

fn plain(class: RequeueClass) -> Requeue {
    Requeue { class, after: None }
}

fn waiting(after: Duration) -> Requeue {
    Requeue { class: RequeueClass::Waiting, after: Some(after.max(LEAST)) }
}

/// While an object is being deleted.
pub(super) fn deletion(blocked: bool) -> Requeue {
    plain(if blocked { RequeueClass::Backoff } else { RequeueClass::Healthy })
}

/// The next visit of a service.
pub(super) fn of_service(input: &ServiceInput, judgement: &Judgement) -> Requeue {
    if input.panic.is_some() {
        return plain(RequeueClass::Backoff);
    }
    if input.deletion.is_some() {
        return deletion(true);
    }
    let Ok(service) = input.valid else { return plain(RequeueClass::Change) };
    if let Some(requeue) = of_outcomes(input.outcomes) {
        return requeue;
    }
    match judgement.provisioned.reason {
        Reason::HostServiceRequired => return Requeue { class: RequeueClass::Slow, after: Some(LOOK_AGAIN) },
        Reason::HostLost if !judgement.provisioned.is_true() => return waiting(LOOK_AGAIN),
        _ => {}
    }
    match judgement.engine.reason {
        Reason::EngineUnreachable => return plain(RequeueClass::Backoff),
        Reason::NoneAvailable | Reason::ForcedUnavailable => {
            return Requeue { class: RequeueClass::Slow, after: Some(LOOK_AGAIN) };
        }
        _ => {}
    }
    match judgement.ports.reason {
        Reason::Conflict | Reason::Exhausted => return Requeue { class: RequeueClass::Slow, after: Some(LOOK_AGAIN) },
        _ => {}
    }
    if input.facts.restarts.held && !service.suspend {
        return waiting(restart_delay(input.facts.restarts.recent));
    }
    match judgement.health.budget_ends {
        Some(end) if end > input.now => waiting(end.duration_since(input.now).unsigned_abs()),
        Some(_) | None => plain(RequeueClass::Healthy),
    }
}

/// What the steps ask for: the first failure decides, then the shortest wait.
fn of_outcomes(outcomes: &[StepOutcome]) -> Option<Requeue> {
    let mut delay: Option<Duration> = None;
    for outcome in outcomes {
        match &outcome.outcome {
            Outcome::Failed(failure) => {
                return Some(match failure.class {
                    FailureClass::Invalid => plain(RequeueClass::Change),
                    FailureClass::Denied => Requeue { class: RequeueClass::Slow, after: Some(LOOK_AGAIN) },
                    FailureClass::Transient | FailureClass::Bug => plain(RequeueClass::Backoff),
                });
            }
            Outcome::Waiting { delay: wanted, .. } => delay = Some(delay.map_or(*wanted, |known| known.min(*wanted))),
            Outcome::Done(_) => {}
        }
    }
    delay.map(waiting)
}
