//! The verdict about one `ServiceSpec`.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_crds::v1alpha1::{ProvisioningMode, ServiceSpecStatus};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::conditions::{self, Judged, condition};
use super::health::{self, Health};
use super::verdict::{StepOutcome, Verdict};
use super::{describe, events, requeue};
use crate::decide::{Decision, PortAllocation, PortFailure};
use crate::desired::Desired;
use crate::facts::Facts;
use crate::inventory::Inventory;
use crate::outcome::{Failure, Outcome};
use crate::recipe::Recipes;
use crate::step::Step;
use crate::validate::ValidService;
use crate::violation::Violations;

/// Everything that a verdict about a service rests on.
#[derive(Clone, Copy)]
pub struct ServiceInput<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// The valid service, or what is wrong with it (of `validate`, or of [`crate::facts::admit`]).
    pub valid: Result<&'a ValidService, &'a Violations>,
    /// The facts.
    pub facts: &'a Facts,
    /// The decision, once it stands.
    pub decision: Option<&'a Decision>,
    /// The ports, once they were asked for.
    pub ports: Option<Result<&'a PortAllocation, &'a PortFailure>>,
    /// What is wanted of the engine.
    pub desired: Option<&'a Desired>,
    /// What the engine holds; `None` where it did not answer.
    pub inventory: Option<&'a Inventory>,
    /// What became of the steps of this visit.
    pub outcomes: &'a [StepOutcome],
    /// Deletion in progress.
    pub deletion: Option<&'a Deletion>,
    /// A panic in this reconcile: its text, redacted (REL-2).
    pub panic: Option<&'a str>,
    /// The catalogue.
    pub recipes: &'a dyn Recipes,
    /// The status as it stands.
    pub old: &'a ServiceSpecStatus,
    /// The status as it stood when the visit began: its promise is not yet in it.
    pub began: &'a ServiceSpecStatus,
    /// Now.
    pub now: Timestamp,
}

/// How far a deletion is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// Steps are being run.
    Running,
    /// It cannot go on (L-6).
    Blocked {
        /// `EngineUnreachable` or `ForeignResource`.
        reason: Reason,
        /// The exact ids and the way out.
        message: String,
    },
}

/// The first step that failed.
pub(super) fn failure(outcomes: &[StepOutcome]) -> Option<(&Step, &Failure)> {
    outcomes.iter().find_map(|outcome| match &outcome.outcome {
        Outcome::Failed(failure) => Some((&outcome.step, failure)),
        Outcome::Done(_) | Outcome::Waiting { .. } => None,
    })
}

/// Every condition as it was judged.
pub(super) struct Judgement {
    pub(super) ready: Judged,
    pub(super) accepted: Judged,
    pub(super) engine: Judged,
    pub(super) ports: Judged,
    pub(super) activated: Judged,
    pub(super) provisioned: Judged,
    pub(super) dependencies: Judged,
    pub(super) health: Health,
    pub(super) blocked: Option<Judged>,
}

impl Judgement {
    fn conditions(&self, input: &ServiceInput) -> Vec<Condition> {
        let all = ConditionType::of_service().chain([ConditionType::CleanupBlocked]);
        let wire = |kind, judged: &Judged| condition(kind, judged.clone(), &input.old.conditions, input.generation, input.now);
        all.filter_map(|kind| match kind {
            ConditionType::Ready => Some(wire(kind, &self.ready)),
            ConditionType::Accepted => Some(wire(kind, &self.accepted)),
            ConditionType::EngineSelected => Some(wire(kind, &self.engine)),
            ConditionType::PortsAllocated => Some(wire(kind, &self.ports)),
            ConditionType::Activated => Some(wire(kind, &self.activated)),
            ConditionType::Provisioned => Some(wire(kind, &self.provisioned)),
            ConditionType::DependenciesReady => Some(wire(kind, &self.dependencies)),
            ConditionType::Healthy => Some(wire(kind, &self.health.judged)),
            ConditionType::CleanupBlocked => self.blocked.as_ref().map(|judged| wire(kind, judged)),
            ConditionType::Planned => None,
        })
        .collect()
    }
}

/// Concludes about one service. Every condition is there from the first visit (K-5); an unchanged status is not written (B-6).
pub fn conclude_service(input: &ServiceInput) -> Verdict<ServiceSpecStatus> {
    if matches!(input.deletion, Some(Deletion::Running)) {
        let requeue = requeue::deletion(false);
        return Verdict { status: input.old.clone(), changed: false, events: events::of_deletion(input), requeue };
    }
    let judgement = judge(input);
    let mut status = match input.valid {
        Ok(service) => describe::status(input, service, &judgement),
        Err(_) => ServiceSpecStatus { last_failure: None, ..input.old.clone() },
    };
    status.observed_generation = Some(input.generation.max(input.old.observed_generation.unwrap_or_default()));
    status.conditions = judgement.conditions(input);
    check(input, &judgement, &status);
    let changed = status != *input.old;
    let events = events::of_service(input, &judgement, &status);
    let requeue = requeue::of_service(input, &judgement);
    Verdict { status, changed, events, requeue }
}

/// What holds of every status of a service (REL-7).
fn check(input: &ServiceInput, judgement: &Judgement, status: &ServiceSpecStatus) {
    conditions::check(&status.conditions, &input.old.conditions, input.generation);
    let (before, now) = (input.old.observed_generation, status.observed_generation);
    assert!(before <= now, "the observed generation fell from {before:?} to {now:?} (S-6)");
    let ready = judgement.ready.is_true();
    assert!(!ready || judgement.health.judged.is_true(), "ready, and its health was not proved (S-5, B-1)");
    assert!(!ready || judgement.provisioned.is_true(), "ready, and nothing provides it");
    assert!(!ready || (input.deletion.is_none() && input.panic.is_none()), "ready, and it is going or broken");
    let used = |service: &ValidService| service.mode != ProvisioningMode::Disabled && !service.suspend;
    assert!(!ready || input.valid.is_ok_and(used), "ready, and it was refused, left out or suspended");
}

fn judge(input: &ServiceInput) -> Judgement {
    let accepted = conditions::accepted(input);
    let blocked = match input.deletion {
        Some(Deletion::Blocked { reason, message }) => Some(Judged::yes(*reason, message.clone())),
        Some(Deletion::Running) | None => None,
    };
    let Ok(service) = input.valid else {
        let pending = || Judged::pending("the specification is not accepted");
        let ready = special(input).unwrap_or_else(|| Judged::no(Reason::NotReady, format!("not accepted: {}", accepted.message)));
        return Judgement {
            ready,
            accepted,
            engine: pending(),
            ports: pending(),
            activated: pending(),
            provisioned: pending(),
            dependencies: pending(),
            health: Health { judged: pending(), completed: false, budget_ends: None },
            blocked,
        };
    };
    let mut judgement = Judgement {
        ready: Judged::pending("not judged yet"),
        accepted,
        engine: conditions::engine_selected(input, service),
        ports: conditions::ports_allocated(input),
        activated: conditions::activated(service),
        provisioned: conditions::provisioned(input, service),
        dependencies: conditions::dependencies(input),
        health: health::healthy(input, service),
        blocked,
    };
    judgement.ready = special(input).unwrap_or_else(|| ready(input, service, &judgement));
    judgement
}

/// What outweighs every detail: a bug, or a deletion.
fn special(input: &ServiceInput) -> Option<Judged> {
    match (input.panic, input.deletion) {
        (Some(text), _) => Some(Judged::no(Reason::Panic, format!("Koan met a bug of its own: {text}"))),
        (None, Some(_)) => Some(Judged::no(Reason::Terminating, "the service is being deleted")),
        (None, None) => None,
    }
}

fn ready(input: &ServiceInput, service: &ValidService, judgement: &Judgement) -> Judged {
    if service.mode == ProvisioningMode::Disabled {
        return Judged::no(Reason::Disabled, "provisioning.mode is Disabled");
    }
    if service.suspend {
        return Judged::no(Reason::Suspended, "the service is suspended; its data and ports are kept");
    }
    let health = &judgement.health;
    let lost = judgement.provisioned.reason == Reason::HostLost;
    if health.judged.is_true() && judgement.provisioned.is_true() && !lost_while_host(input, lost) {
        return if health.completed {
            Judged::yes(Reason::Completed, "it ran to its end")
        } else {
            Judged::yes(Reason::Ready, "its probe passes")
        };
    }
    if health.timed_out(input.now) || timed_out_before(input) {
        let budget = crate::validate::spell_duration(service.readiness);
        return Judged::no(
            Reason::ReadinessTimeout,
            format!("not ready within {budget} of its start: {}", health.judged.message),
        );
    }
    let order = [&judgement.engine, &judgement.provisioned, &judgement.ports, &judgement.dependencies, &health.judged];
    let first = order.into_iter().find(|judged| !judged.is_true()).map_or("not judged yet", |judged| &judged.message);
    Judged::no(Reason::NotReady, first)
}

/// The budget of this workload ran out before and it was not ready since: a start by its restart policy gives it no new one,
/// or what waits would see the end for a moment only (K-8, CLI-18).
fn timed_out_before(input: &ServiceInput) -> bool {
    let same = health::record(input).is_some_and(|record| {
        let before = input.old.workload.as_ref().and_then(|workload| workload.id.as_deref());
        before == Some(record.id.0.as_str())
    });
    same && conditions::old(&input.old.conditions, ConditionType::Ready).is_some_and(|before| {
        before.reason == Reason::ReadinessTimeout.as_str() && before.observed_generation == Some(input.generation)
    })
}

/// A host service that is lost is not ready, whatever its last probe said.
fn lost_while_host(input: &ServiceInput, lost: bool) -> bool {
    lost && input.decision.is_some_and(|decision| !decision.provisions())
}
