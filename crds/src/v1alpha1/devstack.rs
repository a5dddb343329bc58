//! `DevStack`: the services that a program needs, as one object.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::network::{PortPolicy, PortSource};
use super::provisioning::{EngineChoice, EngineName, Profile, Provisioning, VolumeReclaim};
use super::scalar::GoDuration;
use super::servicespec::ServiceFields;
use super::status::Action;

/// A `ServiceSpec` of the same namespace that somebody else owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceReference {
    /// Name of the ServiceSpec.
    #[schemars(length(min = 1, max = 63))]
    pub name: String,
}

/// One service of a stack: inline, or a reference.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.serviceRef) || ((has(self.container) ? 1 : 0) + (has(self.process) ? 1 : 0) + (has(self.inference) ? 1 : 0) + (has(self.external) ? 1 : 0)) + (has(self.adapter) && !has(self.container) && !has(self.external) ? 1 : 0) == 1").message("services: exactly one workload of container, process, inference, external, or adapter alone"))]
#[x_kube(validation = Rule::new("!has(self.serviceRef) || !(has(self.adapter) || has(self.image) || has(self.container) || has(self.process) || has(self.inference) || has(self.external) || has(self.env) || has(self.ports) || has(self.volumes) || has(self.files) || has(self.networks) || has(self.stopGracePeriod) || has(self.persistence) || has(self.health) || has(self.dependsOn) || has(self.startupPriority) || has(self.provisioning) || has(self.detection) || has(self.credentials) || has(self.database) || has(self.endpoint) || has(self.resources) || has(self.replicas) || has(self.restart) || has(self.readinessTimeout))").message("services: serviceRef stands beside nothing but name"))]
#[x_kube(validation = Rule::new("!has(self.dependsOn) || self.dependsOn.all(d, d.name != self.name)").message("services: dependsOn names the service itself"))]
pub struct StackService {
    /// Name of the service in the stack.
    #[schemars(length(min = 2, max = 32), regex(pattern = "^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Somebody else's ServiceSpec instead of an inline service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_ref: Option<ServiceReference>,
    /// The service itself.
    #[serde(flatten)]
    pub service: ServiceFields,
}

/// Specification of a stack.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "koan.dev",
    version = "v1alpha1",
    kind = "DevStack",
    namespaced,
    status = "DevStackStatus",
    derive = "PartialEq",
    cel,
    shortname = "stack",
    shortname = "dst",
    category = "koan",
    category = "all",
    doc = "A set of services that a program needs.",
    printcolumn(name = "Profile", type_ = "string", json_path = ".status.profile"),
    printcolumn(name = "Engine", type_ = "string", json_path = ".status.engine.name"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Services", type_ = "string", json_path = ".status.ready"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    validation = Rule::new("!has(self.spec.services) || self.spec.services.all(s, size(self.metadata.name) + size(s.name) <= 62)").message("spec.services: the stack's name and a service's name together exceed 62 characters")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DevStackSpec {
    /// Profile: local, ci, staging or prod; --profile and KOAN_ENV override it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Engine that runs the workloads.
    #[serde(default)]
    pub engine: EngineChoice,
    /// How services are found or provisioned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Provisioning>,
    /// Budget from a workload's start to Ready, per service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_timeout: Option<GoDuration>,
    /// How host ports are chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<PortPolicy>,
    /// Publish every port on loopback.
    #[serde(default)]
    pub expose_internals: bool,
    /// Retain or Delete the volumes when the stack is deleted.
    #[serde(default)]
    pub volume_reclaim: VolumeReclaim,
    /// The stack deletes itself this long after its last spec change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[x_kube(validation = Rule::new("self.contains(':') || duration(self) >= duration('1m')").message("ttl: at least 1m"))]
    pub ttl: Option<GoDuration>,
    /// Stop the workloads, keep data and allocations.
    #[serde(default)]
    pub suspend: bool,
    /// The services.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<StackService>,
}

/// The engine in use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineStatus {
    /// Engine by name.
    pub name: EngineName,
    /// Version that it reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub version: Option<String>,
    /// Address of the engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
}

/// One line per service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ServiceSummary {
    /// Name of the service.
    #[schemars(length(max = 63))]
    pub name: String,
    /// What was decided.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Action>,
    /// Status of the service's Ready condition: True, False or Unknown.
    #[schemars(length(max = 7))]
    pub ready: String,
    /// Endpoint from the host, without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub endpoint: Option<String>,
    /// Reason of the decision, or of Ready where that is not True.
    #[schemars(length(max = 63))]
    pub reason: String,
}

/// A host port that was allocated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StackPort {
    /// Name of the service.
    #[schemars(length(max = 63))]
    pub service: String,
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

/// The last start, for the critical path.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Timeline {
    /// When reconciling of this generation began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Time>,
    /// When the last service became ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_at: Option<Time>,
    /// Services on the longest path, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1000), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub critical_path: Option<Vec<String>>,
}

/// Observed state of a stack.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DevStackStatus {
    /// Generation that this status describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Profile in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Engine in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineStatus>,
    /// Ready services of all, such as 5/6.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub ready: Option<String>,
    /// One line per service.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub services: Vec<ServiceSummary>,
    /// Host ports in use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32000))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["service".into(), "name".into()]))]
    pub ports: Vec<StackPort>,
    /// Secret with every injected variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub env_secret: Option<String>,
    /// The last start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeline: Option<Timeline>,
    /// When the stack deletes itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// Conditions by type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "crate::schema::conditions")]
    pub conditions: Vec<Condition>,
}
