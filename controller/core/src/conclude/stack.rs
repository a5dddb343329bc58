//! The verdict about a stack: a summary of its services' statuses.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use koan_crds::events::Event;
use koan_crds::names;
use koan_crds::v1alpha1::{DevStackStatus, EngineStatus, ServiceSpec, ServiceSummary, StackPort, Timeline};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::conditions::{Judged, condition, old, old_reason, was};
use super::service::Deletion;
use super::stack_conditions::{self, Member};
use super::verdict::{EventRecord, Requeue, RequeueClass, Verdict};
use super::{conditions::Truth, critical, requeue};
use crate::decide::EngineVerdict;
use crate::validate::{StackEntry, ValidStack};
use crate::violation::Violations;

/// Everything that a verdict about a stack rests on.
#[derive(Clone, Copy)]
pub struct StackInput<'a> {
    /// `metadata.generation`.
    pub generation: i64,
    /// The valid stack, or what is wrong with it.
    pub valid: Result<&'a ValidStack, &'a Violations>,
    /// `ServiceSpec`s of the namespace by name: the stack's own and those it refers to.
    pub objects: &'a BTreeMap<String, ServiceSpec>,
    /// The engine that was chosen for the stack.
    pub engine: &'a EngineVerdict,
    /// The Secret with the variables was written for the present decisions.
    pub env_written: bool,
    /// Why the services could not be rendered or applied.
    pub plan_failure: Option<&'a str>,
    /// Deletion in progress.
    pub deletion: Option<&'a Deletion>,
    /// A panic in this reconcile: its text, redacted (REL-2).
    pub panic: Option<&'a str>,
    /// The status as it stands.
    pub old: &'a DevStackStatus,
    /// Now.
    pub now: Timestamp,
}

/// When a stack deletes itself: its time to live after its last spec change, which `status.timeline.startedAt` marks.
pub fn expires_at(stack: &ValidStack, started: Timestamp) -> Option<Timestamp> {
    let life = SignedDuration::try_from(stack.ttl?).ok()?;
    started.checked_add(life).ok()
}

/// Concludes about a stack. Every condition is there from the first visit (K-5); an unchanged status is not written (B-6).
pub fn conclude_stack(input: &StackInput) -> Verdict<DevStackStatus> {
    let members = input.valid.map(|stack| members(stack, input.objects)).unwrap_or_default();
    let started = started_at(input);
    let expires = input.valid.ok().and_then(|stack| expires_at(stack, started));
    let expired = expires.is_some_and(|end| input.now >= end);
    let judged = stack_conditions::judge(input, &members, expired);
    let mut status = describe(input, &members, started, &judged.ready);
    status.expires_at = expires.map(Time);
    status.conditions = wire(input, &judged);
    check(input, &judged, &members, &status);
    let changed = status != *input.old;
    let events = events(input, &judged, &members);
    let requeue = next(input, &judged, expires);
    Verdict { status, changed, events, requeue }
}

/// What holds of every status of a stack (REL-7).
fn check(input: &StackInput, judged: &StackJudgement, members: &[Member], status: &DevStackStatus) {
    super::conditions::check(&status.conditions, &input.old.conditions, input.generation);
    let ready = judged.ready.is_true();
    assert!(!ready || input.valid.is_ok(), "the stack is ready, and its specification was refused");
    assert!(!ready || input.deletion.is_none(), "the stack is ready, and it is going");
    let behind = ready.then(|| members.iter().find(|member| member.status().is_none())).flatten();
    assert!(
        behind.is_none(),
        "the stack is ready, and {:?} has said nothing of its generation",
        behind.map(|member| member.name)
    );
    let refused = input.valid.is_err();
    assert!(refused || status.services.len() == members.len(), "a service of the stack is missing from its status");
}

/// Conditions of a stack as judged.
pub(super) struct StackJudgement {
    pub(super) ready: Judged,
    pub(super) accepted: Judged,
    pub(super) planned: Judged,
    pub(super) engine: Judged,
    pub(super) ports: Judged,
    pub(super) blocked: Option<Judged>,
}

fn wire(input: &StackInput, judged: &StackJudgement) -> Vec<Condition> {
    let all = ConditionType::of_stack().chain([ConditionType::CleanupBlocked]);
    let wire = |kind, judged: &Judged| condition(kind, judged.clone(), &input.old.conditions, input.generation, input.now);
    all.filter_map(|kind| match kind {
        ConditionType::Ready => Some(wire(kind, &judged.ready)),
        ConditionType::Accepted => Some(wire(kind, &judged.accepted)),
        ConditionType::Planned => Some(wire(kind, &judged.planned)),
        ConditionType::EngineSelected => Some(wire(kind, &judged.engine)),
        ConditionType::PortsAllocated => Some(wire(kind, &judged.ports)),
        ConditionType::CleanupBlocked => judged.blocked.as_ref().map(|judged| wire(kind, judged)),
        ConditionType::Activated | ConditionType::Provisioned | ConditionType::DependenciesReady | ConditionType::Healthy => None,
    })
    .collect()
}

/// The entries of a stack with the objects behind them.
fn members<'a>(stack: &'a ValidStack, objects: &'a BTreeMap<String, ServiceSpec>) -> Vec<Member<'a>> {
    let member = |entry: &'a StackEntry| {
        let (name, object) = match entry {
            StackEntry::Inline(member) => (member.name.as_str(), member.object.metadata.name.as_deref().unwrap_or_default()),
            StackEntry::Reference { name, target } => (name.as_str(), target.as_str()),
        };
        Member { name, object: objects.get(object) }
    };
    stack.entries.iter().map(member).collect()
}

/// When reconciling of this generation began.
fn started_at(input: &StackInput) -> Timestamp {
    let before = input.old.timeline.as_ref().and_then(|timeline| timeline.started_at.as_ref());
    match before {
        Some(before) if input.old.observed_generation == Some(input.generation) => before.0,
        Some(_) | None => input.now,
    }
}

fn describe(input: &StackInput, members: &[Member], started: Timestamp, ready: &Judged) -> DevStackStatus {
    let Ok(stack) = input.valid else {
        return DevStackStatus { observed_generation: Some(input.generation), ..input.old.clone() };
    };
    DevStackStatus {
        observed_generation: Some(input.generation.max(input.old.observed_generation.unwrap_or_default())),
        profile: Some(stack.profile),
        engine: engine(input),
        ready: Some(stack_conditions::count(members)),
        services: members.iter().map(summary).collect(),
        ports: members.iter().flat_map(ports).collect(),
        env_secret: input.env_written.then(|| names::env_secret(&stack.name)),
        timeline: Some(timeline(input, stack, members, started, ready)),
        expires_at: None,
        conditions: Vec::new(),
    }
}

fn engine(input: &StackInput) -> Option<EngineStatus> {
    match input.engine {
        EngineVerdict::Selected { engine, version, endpoint, .. } => {
            Some(EngineStatus { name: *engine, version: version.clone(), endpoint: endpoint.clone() })
        }
        EngineVerdict::Unreachable { .. } => input.old.engine.clone(),
        EngineVerdict::NotNeeded | EngineVerdict::ForcedUnavailable { .. } | EngineVerdict::NoneAvailable { .. } => None,
    }
}

fn summary(member: &Member) -> ServiceSummary {
    let status = member.status();
    let decision = status.and_then(|status| status.decision.as_ref());
    let ready = member.condition(ConditionType::Ready);
    let reason = match (ready, decision) {
        (Some(ready), Some(decision)) if ready.status == "True" => decision.reason.clone(),
        (Some(ready), _) => ready.reason.clone(),
        (None, _) => Reason::Pending.as_str().to_owned(),
    };
    ServiceSummary {
        name: member.name.to_owned(),
        decision: decision.map(|decision| decision.action),
        ready: ready.map_or_else(|| "Unknown".to_owned(), |ready| ready.status.clone()),
        endpoint: decision.and_then(|decision| decision.endpoint.clone()),
        reason,
    }
}

fn ports(member: &Member) -> Vec<StackPort> {
    let ports = member.status().map(|status| status.ports.as_slice()).unwrap_or_default();
    let port = |port: &koan_crds::v1alpha1::ServicePort| StackPort {
        service: member.name.to_owned(),
        name: port.name.clone(),
        container: port.container,
        host: port.host,
        source: port.source,
    };
    ports.iter().map(port).collect()
}

fn timeline(input: &StackInput, stack: &ValidStack, members: &[Member], started: Timestamp, ready: &Judged) -> Timeline {
    let before = input.old.timeline.clone().filter(|_| input.old.observed_generation == Some(input.generation));
    let stands = before.as_ref().is_some_and(|before| before.ready_at.is_some());
    if stands || !ready.is_true() {
        let known = before.unwrap_or_default();
        return Timeline { started_at: Some(Time(started)), ..known };
    }
    let moment = |member: &Member| {
        let ready = member.condition(ConditionType::Ready).filter(|ready| ready.status == "True")?;
        Some((member.object?.metadata.name.clone()?, ready.last_transition_time.0))
    };
    let moments: BTreeMap<String, Timestamp> = members.iter().filter_map(moment).collect();
    let path = critical::path(stack, &moments);
    Timeline {
        started_at: Some(Time(started)),
        ready_at: Some(Time(moments.values().max().copied().unwrap_or(input.now))),
        critical_path: (!path.is_empty()).then_some(path),
    }
}

fn events(input: &StackInput, judged: &StackJudgement, members: &[Member]) -> Vec<EventRecord> {
    let before = |kind| old_reason(&input.old.conditions, kind);
    let mut happened: Vec<(bool, Event, String)> = vec![(
        input.panic.is_some() && before(ConditionType::Ready) != Some(Reason::Panic),
        Event::ReconcilePanic,
        judged.ready.message.clone(),
    )];
    if let Some(blocked) = &judged.blocked {
        let new = !was(&input.old.conditions, ConditionType::CleanupBlocked, Truth::Yes);
        happened.push((new, Event::CleanupBlocked, blocked.message.clone()));
    }
    // What is being deleted is not planned, chosen or ready anew.
    if input.deletion.is_none() {
        happened.extend(planning(input, judged, members));
        happened.extend(choices(input, judged, members));
        happened.extend(readiness(input, judged, members));
    }
    happened.into_iter().filter(|(new, _, _)| *new).map(|(_, event, message)| EventRecord::new(event, message)).collect()
}

/// Whether the stack could be planned: each with whether it is new.
fn planning(input: &StackInput, judged: &StackJudgement, members: &[Member]) -> [(bool, Event, String); 4] {
    let before = |kind| old(&input.old.conditions, kind);
    let new_generation = input.old.observed_generation != Some(input.generation);
    let told = before(ConditionType::Accepted).is_some_and(|condition| condition.message == judged.accepted.message);
    let refused = !judged.accepted.is_true() && !told;
    let failed = judged.planned.reason == Reason::PlanFailed
        && old_reason(&input.old.conditions, ConditionType::Planned) != Some(Reason::PlanFailed);
    let planned = judged.planned.is_true() && (new_generation || !was(&input.old.conditions, ConditionType::Planned, Truth::Yes));
    let warnings = input.valid.map(|stack| stack.warnings.len()).unwrap_or_default();
    let count = members.len();
    [
        (refused, Event::PlanBuildError, format!("The stack was refused: {}", judged.accepted.message)),
        (failed, Event::PlanBuildError, judged.planned.message.clone()),
        (planned && warnings == 0, Event::PlanBuildOk, format!("{count} services were planned")),
        (planned && warnings > 0, Event::PlanBuildWarn, format!("{count} services were planned with {warnings} warnings")),
    ]
}

/// Engine and ports: each with whether it is new.
fn choices(input: &StackInput, judged: &StackJudgement, members: &[Member]) -> [(bool, Event, String); 3] {
    let before = |kind| old_reason(&input.old.conditions, kind);
    let name = |status: &EngineStatus| status.name;
    let chosen = engine(input).as_ref().map(name).filter(|_| judged.engine.reason == Reason::Selected);
    let selected = chosen.is_some() && chosen != input.old.engine.as_ref().map(name);
    let none = matches!(judged.engine.reason, Reason::NoneAvailable | Reason::ForcedUnavailable)
        && before(ConditionType::EngineSelected) != Some(judged.engine.reason);
    let published = members.iter().any(|member| member.status().is_some_and(|status| !status.ports.is_empty()));
    let allocated = published && judged.ports.is_true() && !was(&input.old.conditions, ConditionType::PortsAllocated, Truth::Yes);
    [
        (selected, Event::ProviderSelected, format!("An engine was selected, {}", judged.engine.message)),
        (none, Event::ProviderUnavailable, judged.engine.message.clone()),
        (allocated, Event::PortsAllocated, format!("Host ports were allocated: {}", host_ports(members))),
    ]
}

fn host_ports(members: &[Member]) -> String {
    let ports = members.iter().flat_map(ports).map(|port| format!("{}/{} → {}", port.service, port.name, port.host));
    ports.collect::<Vec<_>>().join(", ")
}

/// Ready, late, over: each with whether it is new.
fn readiness(input: &StackInput, judged: &StackJudgement, members: &[Member]) -> [(bool, Event, String); 3] {
    let before = old_reason(&input.old.conditions, ConditionType::Ready);
    let now = judged.ready.reason;
    let turned = |reason| now == reason && before != Some(reason);
    let ready = judged.ready.is_true() && !was(&input.old.conditions, ConditionType::Ready, Truth::Yes);
    [
        (ready, Event::UpReady, format!("The stack was ready: {}", stack_conditions::count(members))),
        (turned(Reason::ReadinessTimeout), Event::ReadinessTimeout, judged.ready.message.clone()),
        (turned(Reason::Expired), Event::StackExpired, "The stack reached the end of its time to live".to_owned()),
    ]
}

fn next(input: &StackInput, judged: &StackJudgement, expires: Option<Timestamp>) -> Requeue {
    if input.panic.is_some() || judged.planned.reason == Reason::PlanFailed {
        return Requeue { class: RequeueClass::Backoff, after: None };
    }
    match (input.deletion, input.valid) {
        (Some(deletion), _) => requeue::deletion(matches!(deletion, Deletion::Blocked { .. })),
        (None, Err(_)) => Requeue { class: RequeueClass::Change, after: None },
        (None, Ok(_)) => match expires {
            Some(end) if end > input.now => {
                Requeue { class: RequeueClass::Healthy, after: Some(end.duration_since(input.now).unsigned_abs()) }
            }
            Some(_) | None => Requeue { class: RequeueClass::Healthy, after: None },
        },
    }
}
