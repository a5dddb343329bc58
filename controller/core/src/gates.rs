//! Gates: whether a service may start, judged from the statuses of the services it waits for (S-10).

use std::collections::BTreeMap;

use koan_crds::v1alpha1::{DependencyCondition, ServiceSpec};
use koan_crds::vocabulary::{ConditionType, Reason};

use crate::facts::{GateState, GateVerdict};
use crate::validate::{Gate, ValidService};

/// State of each gate of `service`; `others` are the `ServiceSpec`s of its namespace by name.
pub fn gate_states(service: &ValidService, others: &BTreeMap<String, ServiceSpec>) -> Vec<GateState> {
    service
        .gates
        .iter()
        .map(|gate| GateState {
            object: gate.object.clone(),
            condition: gate.condition,
            state: others.get(&gate.object).map_or(GateVerdict::Absent, |other| verdict(gate, other)),
        })
        .collect()
}

/// True when everything may start.
pub fn open(gates: &[GateState]) -> bool {
    gates.iter().all(|gate| gate.state == GateVerdict::Open)
}

fn verdict(gate: &Gate, other: &ServiceSpec) -> GateVerdict {
    let Some(status) = &other.status else { return GateVerdict::Closed };
    let current = status.observed_generation.is_some() && status.observed_generation == other.metadata.generation;
    if !current || other.metadata.deletion_timestamp.is_some() {
        return GateVerdict::Closed;
    }
    let condition = |wanted: ConditionType| status.conditions.iter().find(|condition| condition.type_ == wanted.as_str());
    let reason = |wanted: ConditionType| condition(wanted).and_then(|found| Reason::parse(&found.reason));
    let ready = condition(ConditionType::Ready).is_some_and(|found| found.status == "True");
    let ready_reason = reason(ConditionType::Ready);
    if ready_reason == Some(Reason::Disabled) {
        return GateVerdict::Open;
    }
    let completed = ready && ready_reason == Some(Reason::Completed);
    let opens = match gate.condition {
        DependencyCondition::Ready => ready,
        DependencyCondition::Completed => completed,
        DependencyCondition::Started => ready || status.workload.as_ref().is_some_and(|workload| workload.started_at.is_some()),
    };
    if opens {
        GateVerdict::Open
    } else if failed_for_good(ready_reason, reason(ConditionType::Accepted), reason(ConditionType::Healthy), other) {
        GateVerdict::Failed
    } else {
        GateVerdict::Closed
    }
}

/// A dependency that will not get ready without a change by somebody.
fn failed_for_good(ready: Option<Reason>, accepted: Option<Reason>, healthy: Option<Reason>, other: &ServiceSpec) -> bool {
    let refused = accepted.is_some_and(|reason| !matches!(reason, Reason::Valid | Reason::Pending));
    let ends = other.spec.service.restart == Some(koan_crds::v1alpha1::RestartPolicy::Never);
    let ended = ends && matches!(healthy, Some(Reason::Exited | Reason::OOMKilled));
    refused || ended || matches!(healthy, Some(Reason::ImagePullFailed)) || ready == Some(Reason::ReadinessTimeout)
}
