//! One function per condition of a `ServiceSpec` (style rule 22), and the rule by which a transition time moves (S-6).

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use koan_crds::v1alpha1::{Action, EngineName, Evidence, EvidenceCode, EvidenceStep, ProvisioningMode};
use koan_crds::vocabulary::{ConditionType, Reason};

use super::service::{ServiceInput, failure};
use crate::decide::{CredentialNeed, Decision, EngineNeed, EngineVerdict, credential_need};
use crate::desired::{engine_need, own_volumes};
use crate::facts::{GateState, GateVerdict};
use crate::validate::{ValidService, Workload};
use crate::violation::UNBOUNDED;
use crate::workload::Limits;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    Yes,
    No,
    Unknown,
}

impl Truth {
    fn word(self) -> &'static str {
        match self {
            Self::Yes => "True",
            Self::No => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// A judged condition, before its time is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Judged {
    pub(super) truth: Truth,
    pub(super) reason: Reason,
    pub(super) message: String,
}

impl Judged {
    pub(super) fn yes(reason: Reason, message: impl Into<String>) -> Self {
        Self { truth: Truth::Yes, reason, message: message.into() }
    }

    pub(super) fn no(reason: Reason, message: impl Into<String>) -> Self {
        Self { truth: Truth::No, reason, message: message.into() }
    }

    /// Not judged yet (K-5).
    pub(super) fn pending(message: impl Into<String>) -> Self {
        Self { truth: Truth::Unknown, reason: Reason::Pending, message: message.into() }
    }

    pub(super) fn is_true(&self) -> bool {
        self.truth == Truth::Yes
    }
}

/// Longest message that a condition may have.
const MAX_MESSAGE: usize = 32_768;

/// The condition on the wire; its transition time moves only with its status (S-6).
pub(super) fn condition(kind: ConditionType, judged: Judged, old: &[Condition], generation: i64, now: Timestamp) -> Condition {
    let before = old.iter().find(|condition| condition.type_ == kind.as_str());
    let moved = before.filter(|before| before.status == judged.truth.word()).map(|before| before.last_transition_time.clone());
    Condition {
        type_: kind.as_str().to_owned(),
        status: judged.truth.word().to_owned(),
        reason: judged.reason.as_str().to_owned(),
        message: judged.message.chars().take(MAX_MESSAGE).collect(),
        last_transition_time: moved.unwrap_or(Time(now)),
        observed_generation: Some(generation),
    }
}

/// What holds of the conditions of every status (REL-7): each type once, with a reason; a transition time moves only with its
/// status (S-6); nothing is ready that is not accepted.
pub(super) fn check(new: &[Condition], old: &[Condition], generation: i64) {
    for (index, condition) in new.iter().enumerate() {
        let kind = &condition.type_;
        assert!(new.iter().skip(index + 1).all(|other| other.type_ != *kind), "{kind} stands twice");
        assert!(!condition.reason.is_empty() && Reason::parse(&condition.reason).is_some(), "{kind} has no reason that is known");
        assert!(condition.observed_generation == Some(generation), "{kind} is about another generation (S-6)");
        let before = old.iter().find(|before| before.type_ == *kind && before.status == condition.status);
        let moved = before.is_some_and(|before| before.last_transition_time != condition.last_transition_time);
        assert!(!moved, "{kind}: its time moved and its status did not (S-6)");
    }
    let is_true =
        |kind: ConditionType| new.iter().any(|condition| condition.type_ == kind.as_str() && condition.status == "True");
    assert!(!is_true(ConditionType::Ready) || is_true(ConditionType::Accepted), "ready, and its specification was refused");
}

/// The old condition of a type.
pub(super) fn old(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == kind.as_str())
}

/// True where the old condition had that status.
pub(super) fn was(conditions: &[Condition], kind: ConditionType, truth: Truth) -> bool {
    old(conditions, kind).is_some_and(|condition| condition.status == truth.word())
}

/// The old reason of a type.
pub(super) fn old_reason(conditions: &[Condition], kind: ConditionType) -> Option<Reason> {
    old(conditions, kind).and_then(|condition| Reason::parse(&condition.reason))
}

pub(super) fn accepted(input: &ServiceInput) -> Judged {
    match input.valid {
        Ok(_) => Judged::yes(Reason::Valid, "the specification is valid"),
        Err(violations) => Judged::no(violations.reason(), violations.sentence()),
    }
}

pub(super) fn activated(service: &ValidService) -> Judged {
    match service.mode {
        ProvisioningMode::Disabled => Judged::no(Reason::Disabled, "provisioning.mode is Disabled"),
        ProvisioningMode::Auto | ProvisioningMode::Always | ProvisioningMode::Never => {
            Judged::yes(Reason::ExplicitConfig, "the manifest lists it")
        }
    }
}

pub(super) fn engine_selected(input: &ServiceInput, service: &ValidService) -> Judged {
    let Some(decision) = input.decision else { return Judged::pending("the decision does not stand yet") };
    let need = engine_need(service, decision);
    match (&need, &input.facts.engine) {
        (EngineNeed::Nothing, _) => Judged::yes(Reason::NotNeeded, "no engine is needed"),
        (EngineNeed::Process, _) => Judged::yes(Reason::Selected, "Process runs programs of the host"),
        (EngineNeed::Container | EngineNeed::Recipe { .. }, EngineVerdict::NotNeeded) => {
            Judged::pending("the engine is not chosen yet")
        }
        (EngineNeed::Container | EngineNeed::Recipe { .. }, verdict) => {
            let judged = engine(verdict, input.inventory.is_some());
            let bounds_nothing = verdict.engine_for(&need) == Some(EngineName::Process) && service.limits != Limits::default();
            let addition = if bounds_nothing { format!("; resources {UNBOUNDED}") } else { String::new() };
            Judged { message: judged.message + &addition, ..judged }
        }
    }
}

/// The engine of a stack as a condition; `answers` is false where its inventory could not be read.
pub(super) fn engine(verdict: &EngineVerdict, answers: bool) -> Judged {
    match verdict {
        EngineVerdict::NotNeeded => Judged::yes(Reason::NotNeeded, "no engine is needed"),
        EngineVerdict::Selected { engine, evidence, .. } if answers => {
            Judged::yes(Reason::Selected, format!("{engine:?}: {}", evidence.join("; ")))
        }
        EngineVerdict::Selected { engine, endpoint, .. } => {
            let place = endpoint.as_ref().map(|endpoint| format!(" at {endpoint}")).unwrap_or_default();
            Judged::no(Reason::EngineUnreachable, format!("{engine:?} does not answer{place}"))
        }
        EngineVerdict::ForcedUnavailable { message, remedy, .. } => {
            Judged::no(Reason::ForcedUnavailable, format!("{message}; {remedy}"))
        }
        EngineVerdict::NoneAvailable { message, remedy } => Judged::no(Reason::NoneAvailable, format!("{message}; {remedy}")),
        EngineVerdict::Unreachable { message, remedy, .. } => {
            Judged::no(Reason::EngineUnreachable, format!("{message}; {remedy}"))
        }
    }
}

pub(super) fn ports_allocated(input: &ServiceInput) -> Judged {
    let failed = failure(input.outcomes).filter(|(_, failure)| matches!(failure.reason, Reason::Conflict | Reason::Exhausted));
    if let Some((_, failure)) = failed {
        return if input.facts.ports.another_follows {
            Judged::pending(format!("{}; another port is tried", failure.message))
        } else {
            Judged::no(failure.reason, failure.message.clone())
        };
    }
    let elsewhere = |decision: &Decision| !decision.provisions() && decision.reason != Reason::Disabled;
    match input.ports {
        None if input.decision.is_some_and(elsewhere) => Judged::yes(Reason::Allocated, "it needs no port of this machine"),
        None => Judged::pending("the ports are not allocated yet"),
        Some(Err(failure)) => Judged::no(failure.reason, format!("{}; {}", failure.message, failure.remedy)),
        Some(Ok(allocation)) => {
            let published: Vec<String> = allocation
                .ports
                .iter()
                .filter_map(|port| port.host.map(|(host, source)| format!("{} → {host} ({source:?})", port.name)))
                .collect();
            let text = if published.is_empty() { "no port is published".to_owned() } else { published.join(", ") };
            Judged::yes(Reason::Allocated, text)
        }
    }
}

pub(super) fn provisioned(input: &ServiceInput, service: &ValidService) -> Judged {
    let Some(decision) = input.decision else { return Judged::pending("the decision does not stand yet") };
    if let Some(message) = credential_lost(input, service, decision) {
        return Judged::no(Reason::ProvisionFailed, message);
    }
    let failed = failure(input.outcomes);
    let failed = failed.filter(|(_, failure)| matches!(failure.reason, Reason::ProvisionFailed | Reason::ForeignResource));
    if let Some((step, failure)) = failed {
        let remedy = failure.remedy.as_ref().map(|remedy| format!("; {remedy}")).unwrap_or_default();
        return Judged::no(failure.reason, format!("{} {}: {}{remedy}", step.action.verb(), step.object, failure.message));
    }
    let proof = decision.evidence.first().map(proof).unwrap_or_default();
    match (decision.action, decision.reason) {
        (Action::NoAction, Reason::Disabled) => Judged::pending("the service is left out"),
        (Action::NoAction, Reason::HostServiceRequired) => Judged::no(
            Reason::HostServiceRequired,
            format!(
                "mode Never demands a host service, and none is usable{}; start it, correct its credential, or set mode: Auto",
                candidates(&decision.evidence)
            ),
        ),
        (Action::NoAction, reason) => Judged::yes(reason, "somebody else runs it; Koan only checks it"),
        (Action::UseHostService, Reason::HostLost) => Judged::no(
            Reason::HostLost,
            format!("the host service no longer answers{proof}; start it again, or `koan apply --redetect` for a new decision"),
        ),
        (Action::UseHostService, reason) => Judged::yes(reason, format!("a host service is used{proof}")),
        (Action::ProvisionContainer, reason) => {
            Judged::yes(reason, format!("a workload of Koan's own is used{proof}{}", volatile(input, service)))
        }
    }
}

/// What a container of this product loses with each restart.
fn volatile(input: &ServiceInput, service: &ValidService) -> String {
    let recipe = match &service.workload {
        Workload::Recipe { .. } => service.adapter.as_deref().and_then(|id| input.recipes.recipe(id)),
        Workload::Container(_) | Workload::Process(_) | Workload::External(_) => None,
    };
    recipe.and_then(|recipe| recipe.volatile).map(|text| format!("; {text}")).unwrap_or_default()
}

fn proof(line: &Evidence) -> String {
    let place = line.endpoint.as_ref().map(|endpoint| format!("{endpoint} ")).unwrap_or_default();
    let detail = line.detail.as_ref().map(|detail| format!(", {detail}")).unwrap_or_default();
    format!(": {place}{:?}{detail}", line.code)
}

/// Each candidate with the code that decided about it, in their order.
fn candidates(evidence: &[Evidence]) -> String {
    // Whose the listener is decides only where it is our own.
    let decides = |line: &&Evidence| line.step != EvidenceStep::Own || line.code == EvidenceCode::KoanOwned;
    let mut codes: Vec<(&str, EvidenceCode)> = Vec::new();
    for line in evidence.iter().filter(decides) {
        let place = line.endpoint.as_deref().unwrap_or("the check");
        match codes.iter_mut().find(|(known, _)| *known == place) {
            Some((_, code)) => *code = line.code,
            None => codes.push((place, line.code)),
        }
    }
    let words: Vec<String> = codes.iter().map(|(place, code)| format!("{place} {code:?}")).collect();
    if words.is_empty() { String::new() } else { format!(": {}", words.join(", ")) }
}

/// DET-23: the data live, the generated credential for them is gone.
fn credential_lost(input: &ServiceInput, service: &ValidService, decision: &Decision) -> Option<String> {
    let volume = own_volumes(service, input.facts).next()?;
    let secret = koan_crds::names::credentials_secret(&service.key.name);
    match credential_need(service, decision, input.facts) {
        CredentialNeed::Nothing | CredentialNeed::Generate => None,
        CredentialNeed::Lost => Some(format!(
            "Secret {secret} is gone, and volume {} holds data that need it; restore the Secret, or delete the volume by name",
            volume.name
        )),
    }
}

pub(super) fn dependencies(input: &ServiceInput) -> Judged {
    let gates = &input.facts.gates;
    let named = |wanted: &[GateVerdict]| -> Vec<String> {
        let matching = gates.iter().filter(|gate| wanted.contains(&gate.state));
        matching.map(|gate: &GateState| format!("{}/{:?}", gate.object, gate.condition)).collect()
    };
    let failed = named(&[GateVerdict::Failed]);
    let closed = named(&[GateVerdict::Closed, GateVerdict::Absent]);
    if !failed.is_empty() {
        Judged::no(Reason::DependencyFailed, format!("failed: {}", failed.join(", ")))
    } else if !closed.is_empty() {
        Judged::no(Reason::Waiting, format!("waits for {}", closed.join(", ")))
    } else if gates.is_empty() {
        Judged::yes(Reason::Met, "it waits for nothing")
    } else {
        Judged::yes(Reason::Met, format!("open: {}", named(&[GateVerdict::Open]).join(", ")))
    }
}
