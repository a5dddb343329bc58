//! Gates: whether a service may start, judged from the statuses of the services it waits for (S-10).

use std::collections::BTreeMap;

use koan_crds::v1alpha1::{DependencyCondition, ServiceSpec, ServiceSpecStatus};
use koan_crds::vocabulary::{ConditionType, Reason};

use crate::facts::{GateState, GateVerdict};
use crate::validate::{Gate, ValidService};

/// State of each gate of `service`; `others` are the `ServiceSpec`s of its namespace by name, `status` is the service's own.
///
/// Gates that were all open once in this generation stay open: they rule the first start, not the life of a service.
pub fn gate_states(
    service: &ValidService,
    status: Option<&ServiceSpecStatus>,
    others: &BTreeMap<String, ServiceSpec>,
) -> Vec<GateState> {
    let met = status.is_some_and(|status| met(service, status));
    let judge = |gate: &Gate| match others.get(&gate.object) {
        _ if met => GateVerdict::Open,
        Some(other) => verdict(gate, other),
        None => GateVerdict::Absent,
    };
    service
        .gates
        .iter()
        .map(|gate| GateState { object: gate.object.clone(), condition: gate.condition, state: judge(gate) })
        .collect()
}

/// The status says that the gates were open in this generation.
fn met(service: &ValidService, status: &ServiceSpecStatus) -> bool {
    let conditions = &status.conditions;
    let found = conditions.iter().find(|condition| condition.type_ == ConditionType::DependenciesReady.as_str());
    found.is_some_and(|found| found.status == "True" && found.observed_generation == Some(service.generation))
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
