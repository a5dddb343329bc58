//! Decisions that stand: sticky per generation and UID (DET-26, S-11), and what a lost host service does (DET-28, DET-29).

use koan_crds::v1alpha1::{Action, DecisionStatus, Evidence, EvidenceCode, EvidenceStep, OnLoss};
use koan_crds::vocabulary::Reason;

use super::table::{Decision, provision, use_host};
use crate::candidate::{self, ParsedCandidate};
use crate::facts::Facts;
use crate::probe::{Address, CandidateVerdict, CredentialRef};
use crate::recipe::Recipes;
use crate::validate::ValidService;

/// The earlier decision of this generation, where it still stands; it may have turned because of a loss.
pub(super) fn kept(service: &ValidService, facts: &Facts, recipes: &dyn Recipes) -> Option<Decision> {
    let previous = standing(service, facts)?;
    let mut decision = restore(service, facts, previous, recipes)?;
    if decision.action == Action::UseHostService {
        if facts.lost {
            return Some(lost(service, facts, recipes, decision));
        }
        if decision.reason == Reason::HostLost {
            decision.reason = Reason::HostValidated;
            decision.evidence.retain(|line| line.code != EvidenceCode::HostLost);
        }
    }
    Some(decision)
}

/// The status' decision where it is one that sticks: made for this generation, and one that needs no second look.
pub fn standing<'a>(service: &ValidService, facts: &'a Facts) -> Option<&'a DecisionStatus> {
    let previous = facts.previous.as_ref()?;
    let served = match (service.redetect, &previous.observed_at) {
        (None, _) => true,
        (Some(asked), Some(observed)) => observed.0.as_second() >= asked.as_second(),
        (Some(_), None) => false,
    };
    let firm = match previous.action {
        Action::NoAction => false,
        Action::UseHostService | Action::ProvisionContainer => true,
    };
    (firm && served && previous.generation == Some(service.generation)).then_some(previous)
}

fn restore(service: &ValidService, facts: &Facts, previous: &DecisionStatus, recipes: &dyn Recipes) -> Option<Decision> {
    let reason = Reason::parse(&previous.reason)?;
    let (endpoint, tls) = match &previous.endpoint {
        Some(text) => {
            let parsed = parsed(text, service, recipes)?;
            (Some(parsed.address), parsed.tls)
        }
        None => (None, None),
    };
    let credential = match &previous.credential {
        Some(name) => Some(credential(name, endpoint.as_ref(), service)?),
        None => None,
    };
    if previous.action == Action::ProvisionContainer {
        let mut decision = provision(service, facts, recipes, reason);
        decision.evidence.clone_from(&previous.evidence);
        decision.sticky = true;
        return Some(decision);
    }
    Some(Decision {
        action: previous.action,
        reason,
        endpoint: Some(endpoint?),
        tls,
        detection_method: previous.detection_method,
        credential,
        server_id: previous.server_id.clone(),
        evidence: previous.evidence.clone(),
        sticky: true,
    })
}

fn parsed(text: &str, service: &ValidService, recipes: &dyn Recipes) -> Option<ParsedCandidate> {
    let default = service.adapter.as_deref().and_then(|id| recipes.recipe(id)).and_then(|recipe| recipe.ports.first());
    candidate::parse(text, default.map(|port| port.port)).ok()
}

/// The credential that a name of DET-4 stands for. `manifest` is the candidate's own login where its URL carries one.
fn credential(name: &str, endpoint: Option<&Address>, service: &ValidService) -> Option<CredentialRef> {
    match name {
        "manifest" => {
            let own = service
                .detection
                .candidates
                .iter()
                .position(|candidate| candidate.login.is_some() && Some(&candidate.address) == endpoint);
            Some(own.map_or(CredentialRef::Manifest, CredentialRef::Candidate))
        }
        "anonymous" => Some(CredentialRef::Anonymous),
        "generated" => Some(CredentialRef::Generated),
        other => other.strip_prefix("default:")?.parse().ok().map(CredentialRef::Default),
    }
}

/// DET-28: the same server elsewhere is a switch; else the policy decides. No identity, no switch.
fn lost(service: &ValidService, facts: &Facts, recipes: &dyn Recipes, held: Decision) -> Decision {
    let line = lost_evidence(&held);
    let same = facts.probe.iter().flat_map(|report| &report.candidates).find_map(|candidate| match &candidate.verdict {
        CandidateVerdict::Usable(usable) if usable.server_id.is_some() && usable.server_id == held.server_id => {
            let evidence = std::iter::once(line.clone()).chain(candidate.evidence.clone()).collect();
            Some(use_host(candidate.candidate.method, usable, evidence))
        }
        CandidateVerdict::Usable(_)
        | CandidateVerdict::Absent
        | CandidateVerdict::KoanOwned
        | CandidateVerdict::Rejected
        | CandidateVerdict::Impostor => None,
    });
    if let Some(switched) = same {
        return switched;
    }
    match service.detection.on_loss {
        OnLoss::Reprovision => {
            let mut decision = provision(service, facts, recipes, Reason::HostLost);
            decision.evidence = vec![line];
            decision
        }
        OnLoss::Hold => {
            let mut decision = Decision { reason: Reason::HostLost, ..held };
            decision.evidence.retain(|known| known.code != EvidenceCode::HostLost);
            decision.evidence.insert(0, line);
            decision
        }
    }
}

fn lost_evidence(held: &Decision) -> Evidence {
    Evidence {
        step: EvidenceStep::Reach,
        code: EvidenceCode::HostLost,
        endpoint: held.endpoint.as_ref().map(ToString::to_string),
        detail: Some("the host service in use no longer answers".to_owned()),
    }
}
