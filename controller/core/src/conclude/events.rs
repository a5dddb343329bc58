//! Events of a service: only on change, in the past tense, naming the object and the new value.

use koan_crds::events::Event;
use koan_crds::v1alpha1::{Action, ConflictPolicy, DecisionStatus, EvidenceCode, PortSource, ServiceSpecStatus};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::conditions::{Truth, old_reason, was};
use super::service::{Judgement, ServiceInput};
use super::verdict::{EventRecord, StepOutcome};
use crate::desired::own_volumes;
use crate::outcome::Outcome;
use crate::step::{Step, StepAction};
use crate::validate::ValidService;

/// Events of one visit, in order.
pub(super) fn of_service(input: &ServiceInput, judgement: &Judgement, status: &ServiceSpecStatus) -> Vec<EventRecord> {
    let mut events = Vec::new();
    if let Some(text) = input.panic.filter(|_| old_reason(&input.old.conditions, ConditionType::Ready) != Some(Reason::Panic)) {
        events.push(EventRecord::new(Event::ReconcilePanic, format!("A reconcile met a bug: {text}")));
    }
    if let (Some(blocked), false) = (&judgement.blocked, was(&input.old.conditions, ConditionType::CleanupBlocked, Truth::Yes)) {
        events.push(EventRecord::new(Event::CleanupBlocked, blocked.message.clone()));
    }
    if let Ok(service) = input.valid {
        decisions(input, service, status, &mut events);
        volumes(input, service, &mut events);
        engines(input, service, judgement, &mut events);
        ports(service, input, status, &mut events);
        steps(input, &mut events);
        health(input, judgement, &mut events);
    }
    events
}

/// Events of a deletion that goes on: volumes that went, and those that stay.
pub(super) fn of_deletion(input: &ServiceInput) -> Vec<EventRecord> {
    let mut events = Vec::new();
    steps(input, &mut events);
    let gone = |name: &str| {
        input
            .outcomes
            .iter()
            .any(|outcome| matches!(outcome.step.action, StepAction::RemoveVolume { .. }) && outcome.step.object == name)
    };
    let removed = input.outcomes.iter().filter_map(changed).any(|step| matches!(step.action, StepAction::Remove(_)));
    for volume in input.facts.retained.iter().filter(|volume| removed && !gone(&volume.name)) {
        events.push(EventRecord::new(
            Event::VolumeRetained,
            format!("Volume {} was retained; it holds {}", volume.name, volume.path),
        ));
    }
    events
}

/// K-11: a volume of another product stays where the adapter was changed.
fn volumes(input: &ServiceInput, service: &ValidService, events: &mut Vec<EventRecord>) {
    let changed = input.old.observed_generation.is_some_and(|before| before != input.generation);
    let own: Vec<&str> = own_volumes(service, input.facts).map(|volume| volume.name.as_str()).collect();
    let foreign = input.facts.retained.iter().filter(|volume| !own.contains(&volume.name.as_str()));
    let wanted = |name: &str| input.desired.is_some_and(|desired| desired.volumes.iter().any(|volume| volume.name == name));
    for volume in foreign.filter(|volume| changed && !wanted(&volume.name)) {
        events.push(EventRecord::new(
            Event::VolumeRetained,
            format!("Volume {} was retained: nothing uses it any more", volume.name),
        ));
    }
}

fn decisions(input: &ServiceInput, service: &ValidService, status: &ServiceSpecStatus, events: &mut Vec<EventRecord>) {
    let Some(now) = &status.decision else { return };
    let before = input.old.decision.as_ref();
    let key = |decision: &DecisionStatus| (decision.action, decision.reason.clone(), decision.generation);
    if before.map(key) == Some(key(now)) {
        return;
    }
    let place = now.endpoint.clone().unwrap_or_else(|| "no endpoint".to_owned());
    let name = &service.service;
    let was_lost =
        before.is_some_and(|before| before.reason == Reason::HostLost.as_str() && before.action == Action::UseHostService);
    let event = match (now.action, Reason::parse(&now.reason)) {
        (Action::UseHostService, Some(Reason::HostLost)) | (Action::ProvisionContainer, Some(Reason::HostLost)) => {
            Some((Event::HostServiceLost, format!("The host service of {name} was lost")))
        }
        (Action::UseHostService, _) if was_lost => {
            Some((Event::HostServiceBack, format!("The host service of {name} came back at {place}")))
        }
        (Action::UseHostService, _) => Some((Event::HostServiceUsed, format!("{name} used the host service at {place}"))),
        (_, Some(Reason::HostRejected)) => {
            Some((Event::HostServiceRejected, format!("The host service for {name} was rejected")))
        }
        (_, Some(Reason::HostImpostor)) => {
            Some((Event::HostServiceImpostor, format!("Another product answered where {name} was looked for")))
        }
        (_, Some(Reason::HostServiceRequired)) => {
            Some((Event::HostServiceRequired, format!("{name} required a host service, and none was usable")))
        }
        (Action::NoAction | Action::ProvisionContainer, _) => None,
    };
    events.extend(event.map(|(event, message)| EventRecord::new(event, message)));
    if now.evidence.iter().any(|line| line.code == EvidenceCode::CredentialSkipped) {
        events.push(EventRecord::new(
            Event::CredentialSkipped,
            format!("A credential for {name} was not sent: its listener is not trusted with it"),
        ));
    }
}

/// A service of a stack leaves the choice of its engine to the stack's own events.
fn engines(input: &ServiceInput, service: &ValidService, judgement: &Judgement, events: &mut Vec<EventRecord>) {
    let before = old_reason(&input.old.conditions, ConditionType::EngineSelected);
    if before == Some(judgement.engine.reason) {
        return;
    }
    let message = judgement.engine.message.clone();
    match judgement.engine.reason {
        Reason::EngineUnreachable => events.push(EventRecord::new(Event::EngineLost, message)),
        Reason::Selected if before == Some(Reason::EngineUnreachable) => {
            events.push(EventRecord::new(Event::EngineBack, message))
        }
        Reason::Selected if service.stack.is_none() => events.push(EventRecord::new(Event::ProviderSelected, message)),
        Reason::NoneAvailable | Reason::ForcedUnavailable if service.stack.is_none() => {
            events.push(EventRecord::new(Event::ProviderUnavailable, message));
        }
        _ => {}
    }
}

fn ports(service: &ValidService, input: &ServiceInput, status: &ServiceSpecStatus, events: &mut Vec<EventRecord>) {
    let moved = status.ports.iter().filter(|port| port.source == PortSource::Repicked && !input.old.ports.contains(port));
    for port in moved {
        let holder =
            input.ports.and_then(Result::ok).and_then(|allocation| allocation.moved.iter().find(|moved| moved.name == port.name));
        let why = holder.map(|moved| format!(": {} was held by {}", moved.wanted, moved.holder)).unwrap_or_default();
        let mut event = EventRecord::new(Event::PortRepicked, format!("Port {} moved to {}{why}", port.name, port.host));
        event.warning = service.port_policy.conflicts == ConflictPolicy::Warn;
        events.push(event);
    }
    if service.stack.is_none() && input.old.ports.is_empty() && !status.ports.is_empty() {
        events.push(EventRecord::new(Event::PortsAllocated, format!("Ports were allocated for {}", service.service)));
    }
}

fn steps(input: &ServiceInput, events: &mut Vec<EventRecord>) {
    let done: Vec<&Step> = input.outcomes.iter().filter_map(changed).collect();
    let before = input.began;
    let was_ready =
        was(&before.conditions, ConditionType::Ready, Truth::Yes) && before.observed_generation == Some(input.generation);
    // The workload may have been seen to be gone by an earlier visit, which could not repair it yet.
    let was_lost = before.workload.as_ref().is_some_and(|workload| workload.ready_at.is_some());
    let removed = |name: &str| done.iter().any(|step| matches!(step.action, StepAction::Remove(_)) && step.object == name);
    for step in &done {
        let event = match &step.action {
            StepAction::Create(spec) if removed(&spec.object) && !step.repair => Some((Event::ContainerReplaced, "was replaced")),
            StepAction::Create(_) if step.repair || was_ready || was_lost => Some((Event::DriftRepaired, "was made anew")),
            StepAction::Create(_) => Some((Event::ContainerCreated, "was created")),
            StepAction::Start(_) if was_ready && !done.iter().any(|other| other.object == step.object && other.id < step.id) => {
                Some((Event::DriftRepaired, "was started again"))
            }
            StepAction::RemoveVolume { .. } => Some((Event::VolumeDeleted, "was deleted")),
            StepAction::EnsureNetwork(_)
            | StepAction::EnsureVolume(_)
            | StepAction::EnsureImage(_)
            | StepAction::Start(_)
            | StepAction::Stop { .. }
            | StepAction::Remove(_)
            | StepAction::RemoveNetwork(_) => None,
        };
        events.extend(event.map(|(event, verb)| EventRecord::new(event, format!("{} {verb}: {}", step.object, step.cause))));
    }
}

fn changed(outcome: &StepOutcome) -> Option<&Step> {
    match &outcome.outcome {
        Outcome::Done(done) if done.changed => Some(&outcome.step),
        Outcome::Done(_) | Outcome::Waiting { .. } | Outcome::Failed(_) => None,
    }
}

fn health(input: &ServiceInput, judgement: &Judgement, events: &mut Vec<EventRecord>) {
    let before = old_reason(&input.old.conditions, ConditionType::Healthy);
    let judged = &judgement.health.judged;
    if before != Some(judged.reason) {
        match judged.reason {
            Reason::CrashLooping => events.push(EventRecord::new(Event::CrashLooping, judged.message.clone())),
            Reason::ImagePullFailed => events.push(EventRecord::new(Event::ImagePullFailed, judged.message.clone())),
            _ => {}
        }
    }
    let timed_out = judgement.ready.reason == Reason::ReadinessTimeout;
    if timed_out && old_reason(&input.old.conditions, ConditionType::Ready) != Some(Reason::ReadinessTimeout) {
        events.push(EventRecord::new(Event::ReadinessTimeout, judgement.ready.message.clone()));
    }
}
