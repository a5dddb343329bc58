//! Status of a `ServiceSpec`: the decision with its evidence, endpoints, the workload, the last failure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::inference::InferenceStatus;
use super::network::PortSource;
use super::provisioning::EngineName;

/// What was decided for a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    NoAction,
    UseHostService,
    ProvisionContainer,
}

/// Which slot the winning candidate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum DetectionMethod {
    Explicit,
    Environment,
    Automatic,
    HostGateway,
    ContainerLoopback,
}

/// Name of the credential in use: `manifest`, `anonymous`, `default:<n>` or `generated`; never a value.
pub type CredentialName = String;

/// Step of the proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EvidenceStep {
    Locate,
    Identify,
    Own,
    Authenticate,
    Authorise,
    Reach,
}

/// What a step found; a closed list (DET-5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EvidenceCode {
    Refused,
    Timeout,
    Unreachable,
    Silent,
    WrongProtocol,
    TlsRequired,
    Identified,
    OwnerUser,
    OwnerEngine,
    OwnerSystem,
    OwnerOther,
    OwnerUnknown,
    Forwarder,
    KoanOwned,
    CredentialAccepted,
    CredentialRejected,
    CredentialSkipped,
    AttemptBudget,
    NotAuthorised,
    DatabaseMissing,
    CapabilityMissing,
    VersionUnsupported,
    Sealed,
    ReadOnly,
    RemoteNotAllowed,
    UnreachableFromStack,
    RetainedData,
    HostLost,
}

/// One line of the proof.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Evidence {
    /// Step of the proof.
    pub step: EvidenceStep,
    /// What the step found.
    pub code: EvidenceCode,
    /// Address that was asked, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
    /// Detail: a version, an owner, a product; no time, no count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub detail: Option<String>,
}

/// The decision and its proof.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecisionStatus {
    /// What was decided.
    pub action: Action,
    /// Why, as a reason of Provisioned or Activated.
    #[schemars(length(max = 63))]
    pub reason: String,
    /// Endpoint from the host, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
    /// Where the winning candidate came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_method: Option<DetectionMethod>,
    /// Name of the credential in use, never a value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub credential: Option<CredentialName>,
    /// Identity of the host server, where the product has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub server_id: Option<String>,
    /// The proof, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub evidence: Vec<Evidence>,
    /// When the decision was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_at: Option<Time>,
    /// Generation that the decision was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// What to dial from where.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Endpoints {
    /// From a process of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub host: Option<String>,
    /// From a container of the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub stack: Option<String>,
    /// From a pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub cluster: Option<String>,
}

/// A host port of this service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServicePort {
    /// Name of the port.
    #[schemars(length(max = 15))]
    pub name: String,
    /// Port inside the container.
    #[schemars(range(min = 1, max = 65535))]
    pub container: u16,
    /// Port of the host.
    #[schemars(range(min = 1, max = 65535))]
    pub host: u16,
    /// How it was chosen.
    pub source: PortSource,
}

/// The workload that runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkloadStatus {
    /// Engine that runs it.
    pub engine: EngineName,
    /// Id of the container, process or object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub id: Option<String>,
    /// Image reference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
    /// Digest of the image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub image_digest: Option<String>,
    /// Platform of the image, such as linux/amd64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub platform: Option<String>,
    /// When it started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When its first probe passed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Time>,
    /// How often it was restarted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<i64>,
    /// Exit code of the last run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// UID of the restart request that was served last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub restarted_for: Option<String>,
}

/// Class of a failure; decides requeue and event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum FailureClass {
    Invalid,
    Transient,
    Denied,
    Bug,
}

/// The last failed probe or step.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LastFailure {
    /// Probe or step that failed.
    #[schemars(length(max = 63))]
    pub probe: String,
    /// Class of the failure.
    pub class: FailureClass,
    /// What happened, without secrets.
    #[schemars(length(max = 1024))]
    pub message: String,
    /// Last lines of the log, redacted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub log_tail: Vec<String>,
}

/// Observed state of a service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSpecStatus {
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The decision and its proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<DecisionStatus>,
    /// What to dial from where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoints: Option<Endpoints>,
    /// The workload that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<WorkloadStatus>,
    /// Host ports in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ports: Vec<ServicePort>,
    /// Names of the outputs that other services may refer to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub outputs: Vec<String>,
    /// The last failed probe or step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<LastFailure>,
    /// What the inference provisioner reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<InferenceStatus>,
    /// Conditions by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}
