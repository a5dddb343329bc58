//! `Healthy`: what the workload or host service is, from its state and its probes (S-5, K-7, K-8).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use koan_crds::v1alpha1::{Action, Profile, RestartPolicy};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::conditions::{Judged, Truth, old, was};
use super::service::{ServiceInput, failure};
use crate::decide::Decision;
use crate::inventory::{WorkloadRecord, WorkloadState};
use crate::validate::{ValidHealth, ValidService};

/// Window in which restarts count towards `CrashLooping`.
pub const CRASH_WINDOW: Duration = Duration::from_secs(600);
/// Longest pause before a workload that ended is started again.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(300);

/// Restarts within [`CRASH_WINDOW`] that make a crash loop (cli.md section 4).
pub fn crash_limit(profile: Profile) -> u32 {
    match profile {
        Profile::Ci => 2,
        Profile::Local | Profile::Staging | Profile::Prod => 5,
    }
}

/// Pause before the next start of a workload that ended `recent` times within [`CRASH_WINDOW`]: none at first, then 1 s doubling to 5 min.
pub fn restart_delay(recent: u32) -> Duration {
    match recent.checked_sub(1) {
        None => Duration::ZERO,
        Some(doublings) => Duration::from_secs(1).saturating_mul(1u32 << doublings.min(9)).min(MAX_RESTART_DELAY),
    }
}

/// What a service's health says, and whether it ran to its end.
pub(super) struct Health {
    pub(super) judged: Judged,
    pub(super) completed: bool,
    /// When the readiness budget ends; `None` where none runs.
    pub(super) budget_ends: Option<Timestamp>,
}

impl Health {
    fn plain(judged: Judged) -> Self {
        Self { judged, completed: false, budget_ends: None }
    }

    /// The budget is used up (K-8).
    pub(super) fn timed_out(&self, now: Timestamp) -> bool {
        self.budget_ends.is_some_and(|end| now >= end)
    }
}

/// The record of the first workload of a service.
pub(super) fn record<'a>(input: &ServiceInput<'a>) -> Option<&'a WorkloadRecord> {
    let wanted = input.desired.and_then(|desired| desired.workloads.first())?;
    let inventory = input.inventory?;
    inventory.workloads.iter().find(|record| record.name == wanted.object && record.owner.uid == wanted.owner.uid)
}

/// What is probed: the workload's id, or the address of a host service.
pub(super) fn subject(input: &ServiceInput, decision: &Decision) -> Option<String> {
    match decision.action {
        Action::ProvisionContainer => record(input).map(|record| record.id.0.clone()),
        Action::UseHostService | Action::NoAction => decision.endpoint.as_ref().map(ToString::to_string),
    }
}

pub(super) fn healthy(input: &ServiceInput, service: &ValidService) -> Health {
    let Some(decision) = input.decision else { return Health::plain(Judged::pending("the decision does not stand yet")) };
    if service.suspend {
        return Health::plain(Judged::pending("the service is suspended"));
    }
    match (decision.action, decision.reason) {
        (Action::NoAction, Reason::Disabled) => Health::plain(Judged::pending("the service is left out")),
        (Action::NoAction, Reason::HostServiceRequired) => Health::plain(Judged::pending("there is nothing to check")),
        (Action::NoAction | Action::UseHostService, _) => Health::plain(host(input, service, decision)),
        (Action::ProvisionContainer, _) => workload(input, service, decision),
    }
}

/// A service that Koan did not start. A decision made just now was itself the authorised check.
fn host(input: &ServiceInput, service: &ValidService, decision: &Decision) -> Judged {
    let fresh = decision.reason == Reason::HostValidated && !decision.sticky;
    match probed(input, service.health.as_ref(), decision) {
        Some(judged) => judged,
        None if fresh => Judged::yes(Reason::ProbePassed, "the authorised check passed"),
        None => kept(input, decision).unwrap_or_else(|| Judged::no(Reason::Starting, "no probe has passed yet")),
    }
}

/// The verdict of the probes of this subject and generation; `None` where there were none (S-5).
fn probed(input: &ServiceInput, health: Option<&ValidHealth>, decision: &Decision) -> Option<Judged> {
    let record = &input.facts.health;
    let subject = subject(input, decision)?;
    if record.subject.as_ref() != Some(&subject) || record.generation != input.generation {
        return None;
    }
    let last = record.last.as_ref().map(|last| format!("{}: {}", last.probe, last.message));
    match record.first_passed {
        Some(_) if record.failures < health.map_or(1, |health| health.retries) => {
            Some(Judged::yes(Reason::ProbePassed, "the probe passes"))
        }
        Some(_) => Some(Judged::no(Reason::ProbeFailed, last.unwrap_or_else(|| "the probe fails".to_owned()))),
        None => None,
    }
}

/// The verdict that stands in the status, where it was about the same subject and generation: a restart of Koan changes nothing.
fn kept(input: &ServiceInput, decision: &Decision) -> Option<Judged> {
    let before = old(&input.old.conditions, ConditionType::Healthy)?;
    let same = match decision.action {
        Action::ProvisionContainer => {
            input.old.workload.as_ref().and_then(|workload| workload.id.clone()) == subject(input, decision)
        }
        Action::UseHostService | Action::NoAction => decision.sticky || decision.reason == Reason::ManagedExternally,
    };
    let known =
        before.observed_generation == Some(input.generation) && was(&input.old.conditions, ConditionType::Healthy, Truth::Yes);
    (same && known).then(|| Judged::yes(Reason::ProbePassed, before.message.clone()))
}

fn workload(input: &ServiceInput, service: &ValidService, decision: &Decision) -> Health {
    if let Some((_, failure)) = failure(input.outcomes).filter(|(_, failure)| failure.reason == Reason::ImagePullFailed) {
        let remedy = failure.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Health::plain(Judged::no(Reason::ImagePullFailed, format!("{}{remedy}", failure.message)));
    }
    let ended_well = |record: &WorkloadRecord| record.state == WorkloadState::Exited && record.exit_code == Some(0);
    let record = record(input).filter(|record| current(input, record));
    let ends = service.restart != RestartPolicy::Always;
    if ends && (input.facts.completed || record.is_some_and(ended_well)) {
        let judged = Judged::yes(Reason::Exited, "it ended with code 0");
        return Health { judged, completed: true, budget_ends: None };
    }
    let Some(record) = record else {
        let judged = if crate::gates::open(&input.facts.gates) {
            Judged::no(Reason::Starting, "the workload starts")
        } else {
            Judged::pending("the workload waits for its gates")
        };
        return Health::plain(judged);
    };
    match record.state {
        WorkloadState::Created | WorkloadState::Removing if !crate::gates::open(&input.facts.gates) => {
            Health::plain(Judged::pending("the workload waits for its gates"))
        }
        WorkloadState::Created | WorkloadState::Removing => Health::plain(Judged::no(Reason::Starting, "the workload starts")),
        WorkloadState::Exited | WorkloadState::Dead | WorkloadState::Restarting => Health::plain(ended(input, service, record)),
        WorkloadState::Running | WorkloadState::Paused => running(input, service, decision, record),
    }
}

/// The record is the workload that the plan wants; one with another hash is about to be replaced.
fn current(input: &ServiceInput, record: &WorkloadRecord) -> bool {
    let wanted = input.desired.and_then(|desired| desired.workloads.first());
    wanted.is_some_and(|wanted| wanted.hash == record.hash)
}

fn ended(input: &ServiceInput, service: &ValidService, record: &WorkloadRecord) -> Judged {
    let code = record.exit_code.map_or_else(|| "an unknown code".to_owned(), |code| format!("code {code}"));
    if input.facts.restarts.recent >= crash_limit(service.profile) {
        Judged::no(Reason::CrashLooping, format!("it ends again and again, last with {code}; `koan logs` shows why"))
    } else if record.oom_killed {
        Judged::no(Reason::OOMKilled, "the kernel ended it for lack of memory; raise resources.memory")
    } else {
        Judged::no(Reason::Exited, format!("it ended with {code}"))
    }
}

fn running(input: &ServiceInput, service: &ValidService, decision: &Decision, record: &WorkloadRecord) -> Health {
    if let Some(judged) = probed(input, service.health.as_ref(), decision).or_else(|| kept(input, decision)) {
        return Health::plain(judged);
    }
    if service.health.is_none() {
        return Health::plain(Judged::no(Reason::Starting, "it runs to its end"));
    }
    if input.facts.restarts.recent >= crash_limit(service.profile) {
        return Health::plain(ended(input, service, record));
    }
    let budget = SignedDuration::try_from(service.readiness).unwrap_or(SignedDuration::MAX);
    let ends = record.started_at.and_then(|started| started.checked_add(budget).ok());
    let judged = match (&input.facts.health.last, ends) {
        (Some(last), Some(end)) if input.now >= end => {
            Judged::no(Reason::ProbeFailed, format!("{}: {}", last.probe, last.message))
        }
        _ => Judged::no(Reason::Starting, "no probe has passed yet"),
    };
    Health { judged, completed: false, budget_ends: ends }
}
