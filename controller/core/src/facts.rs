//! `Facts`: what `gather` found out about one service, as plain data; nothing here is judged.

use std::collections::BTreeMap;

use jiff::Timestamp;
use koan_crds::v1alpha1::{DecisionStatus, DependencyCondition, FailureClass, ServicePort, ServiceSpecStatus};
use koan_crds::vocabulary::{ConditionType, Reason};

use crate::decide::{BusyPort, EngineVerdict, PortPromise};
use crate::identity::InstanceId;
use crate::inventory::VolumeRecord;
use crate::probe::{Candidate, ProbeReport};
use crate::text::ValueRef;
use crate::validate::ValidService;
use crate::violation::{Violation, Violations};

/// Everything that the pure stages need beside the manifest.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The Koan instance.
    pub instance: InstanceId,
    /// Candidates of the person's environment and of the container gateway, in order (slots 1, 3, 4).
    pub environment: Vec<Candidate>,
    /// Answer to the questions; `None` where nothing was asked.
    pub probe: Option<ProbeReport>,
    /// Labelled volumes of this stack and service, in whatever engine and of whatever product.
    pub retained: Vec<VolumeRecord>,
    /// Decision of an earlier reconcile, as the status holds it.
    pub previous: Option<DecisionStatus>,
    /// The host service in use is lost (DET-28).
    pub lost: bool,
    /// The credential that the manifest names.
    pub manifest_credential: CredentialFact,
    /// The credential that Koan generated earlier.
    pub generated_credential: CredentialFact,
    /// What was chosen for the stack.
    pub engine: EngineVerdict,
    /// Ports that cannot be had, and those that this service already has.
    pub ports: PortFacts,
    /// State of each gate, in the order of the manifest.
    pub gates: Vec<GateState>,
    /// Version of each referenced value that is there; enters the spec hash. Never a value or an unkeyed digest of one.
    pub versions: BTreeMap<ValueRef, String>,
    /// References to Secrets and ConfigMaps that do not exist.
    pub missing: Vec<MissingReference>,
    /// What probing found.
    pub health: HealthRecord,
    /// Restarts of the workload.
    pub restarts: RestartRecord,
    /// A workload that ends did so with success in this generation; see [`completed`].
    pub completed: bool,
    /// Last lines of the log, redacted; read only after a failure.
    pub log_tail: Vec<String>,
    /// Restart request that was served last, as the status holds it.
    pub restarted_for: Option<String>,
    /// Names of the service's volumes that were asked to be deleted with it (`down --volumes`).
    pub delete_volumes: bool,
    /// Another service gates on this one having started: its start is published at once.
    pub publish_start: bool,
    /// Endpoints by vantage that were proved (DET-30), without credentials.
    pub reach: ReachFacts,
}

/// Endpoints by vantage, proved by a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReachFacts {
    /// What a container of the stack must dial, where it differs from the alias of the workload.
    pub stack: Option<crate::probe::Address>,
    /// A container of the stack refers to the service, and no way to reach it was found (DET-31).
    pub unreachable_from_stack: bool,
}

/// What is known of a credential; never a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum CredentialFact {
    /// Nobody asks for it.
    #[default]
    None,
    /// It is there.
    Present {
        /// Keys that are set.
        keys: Vec<String>,
    },
    /// It is named, and not there.
    Missing,
}

/// A reference to an object or key that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MissingReference {
    /// Path of the field that refers to it.
    pub path: String,
    /// `Secret` or `ConfigMap`.
    pub kind: &'static str,
    /// Name of the object.
    pub name: String,
    /// Key inside it; `None` where the whole object is missing.
    pub key: Option<String>,
}

/// Ports that matter to this service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PortFacts {
    /// Ports that somebody else holds, each with its holder.
    pub busy: Vec<BusyPort>,
    /// Ports that this instance promised to other services.
    pub promised: Vec<PortPromise>,
    /// Ports of the last start, from the launch state.
    pub launch: BTreeMap<String, u16>,
    /// Ports that this service was promised before; kept while they can be had.
    pub current: Vec<ServicePort>,
    /// Ports named by `--port`, by port name.
    pub flags: BTreeMap<String, u16>,
    /// An engine refused a port that was free, and another one is taken at the next visit (CLI-31).
    pub another_follows: bool,
}

/// State of one gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateState {
    /// Name of the other `ServiceSpec`.
    pub object: String,
    /// State that opens it.
    pub condition: DependencyCondition,
    /// What the other service is.
    pub state: GateVerdict,
}

/// What a gate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GateVerdict {
    /// Open.
    Open,
    /// Closed; it may open.
    Closed,
    /// The other service failed for good.
    Failed,
    /// There is no such `ServiceSpec`.
    Absent,
}

/// What probing found about the present workload or host service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct HealthRecord {
    /// What was probed: the workload's id, or the endpoint of a host service. A record about another subject counts as empty (S-5).
    pub subject: Option<String>,
    /// Generation for which it was probed.
    pub generation: i64,
    /// When the first probe passed.
    pub first_passed: Option<Timestamp>,
    /// Failures in a row since then, outside `startPeriod`.
    pub failures: u32,
    /// The last failure.
    pub last: Option<ProbeFailure>,
}

/// A probe that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProbeFailure {
    /// Form of the probe: `http`, `tcp`, `exec`, `adapter`, `log`.
    pub probe: String,
    /// Class.
    pub class: FailureClass,
    /// What happened, without time, count or secret.
    pub message: String,
}

/// Restarts of the workload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RestartRecord {
    /// Since it was created.
    pub total: i64,
    /// Inside [`crate::conclude::CRASH_WINDOW`].
    pub recent: u32,
    /// The back-off after the last end is not over yet.
    pub held: bool,
}

/// True where a workload that ends did so with success in this generation, and nobody asked for that run to be repeated.
///
/// Read from the status, so that a finished job whose container is gone is not run again.
pub fn completed(service: &ValidService, status: &ServiceSpecStatus) -> bool {
    let ready = status.conditions.iter().find(|condition| condition.type_ == ConditionType::Ready.as_str());
    let done = ready.is_some_and(|ready| {
        ready.status == "True"
            && ready.reason == Reason::Completed.as_str()
            && ready.observed_generation == Some(service.generation)
    });
    let id = status.workload.as_ref().and_then(|workload| workload.id.as_deref());
    let repeated = service.restart_request.is_some() && service.restart_request.as_deref() == id;
    done && !repeated
}

/// What the world says against a valid service: references that are not there (detection.md section 10).
///
/// # Errors
/// Every missing reference with its path; judged again when the object appears.
pub fn admit(service: &ValidService, facts: &Facts) -> Result<(), Violations> {
    let missing = facts.missing.iter().map(|reference| missing_violation(service, reference)).collect();
    Violations::new(missing).map_or(Ok(()), Err)
}

fn missing_violation(service: &ValidService, reference: &MissingReference) -> Violation {
    let namespace = &service.key.namespace;
    let MissingReference { path, kind, name, key } = reference;
    match key {
        Some(key) => Violation::invalid(path, format!("{kind} {namespace}/{name} has no key `{key}`"))
            .hint(format!("add the key `{key}` to the {kind} {name}; the service is judged again when it appears")),
        None => Violation::invalid(path, format!("{kind} {namespace}/{name} does not exist"))
            .hint(format!("create the {kind} {name}; the service is judged again when it appears")),
    }
}
