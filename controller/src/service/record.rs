//! The log record of a decision (DET-46): one where it is made or changes, with the event's id and the proof; no value of a login.

use koan_core::decide::Decision;
use koan_core::validate::ValidService;
use koan_crds::events::Event;
use koan_crds::v1alpha1::{Action, Evidence};
use koan_crds::vocabulary::Reason;

use super::visit::Visit;

/// Logs a decision that does not stand in the status yet: that a mode wants nothing is a detail, a fault in judging an error.
pub(super) fn decision(visit: &Visit<'_>, service: &ValidService, decision: &Decision) {
    let stands = visit.status.decision.as_ref().is_some_and(|known| {
        known.action == decision.action
            && known.reason == decision.reason.as_str()
            && known.generation == Some(service.generation)
    });
    if stands {
        return;
    }
    let (name, action, reason) = (&service.service, decision.action, decision.reason.as_str());
    let (event_id, object) = (event(decision).id(), &service.key);
    let proof = proof(&decision.evidence);
    let fault = visit.facts.probe.as_ref().and_then(|report| report.fault.as_deref());
    match (fault, by_mode(decision.reason)) {
        (Some(fault), _) => {
            tracing::error!(event_id, %object, evidence = proof, fault, "[{name}] {action:?}: {reason}");
        }
        (None, true) => tracing::debug!(event_id, %object, evidence = proof, "[{name}] {action:?}: {reason}"),
        (None, false) => tracing::info!(event_id, %object, evidence = proof, "[{name}] {action:?}: {reason}"),
    }
}

/// The event that a decision is.
fn event(decision: &Decision) -> Event {
    match (decision.action, decision.reason) {
        (_, Reason::HostRejected) => Event::HostServiceRejected,
        (_, Reason::HostImpostor) => Event::HostServiceImpostor,
        (_, Reason::HostLost) => Event::HostServiceLost,
        (_, Reason::HostServiceRequired) => Event::HostServiceRequired,
        (Action::UseHostService, _) => Event::HostServiceUsed,
        (Action::ProvisionContainer, _) => Event::ProviderSelectStart,
        (Action::NoAction, _) => Event::DetectStart,
    }
}

/// Nothing is done since the manifest says so.
fn by_mode(reason: Reason) -> bool {
    matches!(reason, Reason::Disabled | Reason::ManagedExternally)
}

/// `Code@endpoint` of each line, in order; details stay in the status.
fn proof(evidence: &[Evidence]) -> String {
    let line = |line: &Evidence| match &line.endpoint {
        Some(endpoint) => format!("{:?}@{endpoint}", line.code),
        None => format!("{:?}", line.code),
    };
    evidence.iter().map(line).collect::<Vec<_>>().join(" ")
}
