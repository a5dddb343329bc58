//! `ServiceSpec`: one service, with everything that its controller needs.

use kube::{CustomResource, KubeSchema};
use serde::{Deserialize, Serialize};

use super::environment::EnvVar;
use super::health::HealthCheck;
use super::inference::Inference;
use super::network::{DependsOn, Endpoint, Port, PortPolicy};
use super::provisioning::{Credentials, Detection, EngineChoice, Profile, Provisioning, VolumeReclaim};
use super::scalar::GoDuration;
use super::status::ServiceSpecStatus;
use super::storage::{FileMount, Persistence, Volume};
use super::workload::{Container, External, Process, Resources, RestartPolicy};

/// The fields that a stack's entry and a `ServiceSpec` share.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFields {
    /// Adapter by id or alias: its recipe, probe and outputs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub adapter: Option<String>,
    /// Image instead of the recipe's, beside adapter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 512))]
    pub image: Option<String>,
    /// An OCI container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Container>,
    /// A program of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<Process>,
    /// A model server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inference: Option<Inference>,
    /// Somebody else's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<External>,
    /// Environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub env: Option<Vec<EnvVar>>,
    /// Ports that the workload listens on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub ports: Option<Vec<Port>>,
    /// Mounts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["target".into()]))]
    pub volumes: Option<Vec<Volume>>,
    /// Files mounted read-only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["path".into()]))]
    pub files: Option<Vec<FileMount>>,
    /// Networks of the stack; one private network for all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub networks: Option<Vec<String>>,
    /// Time between TERM and KILL; 10s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_grace_period: Option<GoDuration>,
    /// Where data lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistence: Option<Persistence>,
    /// How readiness is proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// Gates that open before this service starts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub depends_on: Option<Vec<DependsOn>>,
    /// Tie-break among services that are free to start; lower first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub startup_priority: Option<u32>,
    /// Use a host service, provision, require one, or leave it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provisioning: Option<Provisioning>,
    /// Where to look for a host service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection: Option<Detection>,
    /// Credentials of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Database, virtual host or key space; the stack's name with - as _.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database: Option<String>,
    /// How the URL is built.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Limits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Number of equal workloads; 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub replicas: Option<u32>,
    /// What happens when the workload ends; Always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<RestartPolicy>,
    /// Budget from the workload's start to Ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_timeout: Option<GoDuration>,
}

/// Specification of one service.
#[derive(CustomResource, KubeSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "koan.dev",
    version = "v1alpha1",
    kind = "ServiceSpec",
    namespaced,
    status = "ServiceSpecStatus",
    derive = "PartialEq",
    cel,
    shortname = "svcspec",
    category = "koan",
    category = "all",
    doc = "One service that a program needs: found on the host or provisioned, and kept ready.",
    printcolumn(name = "Stack", type_ = "string", json_path = ".metadata.labels.koan\\.dev/stack"),
    printcolumn(name = "Adapter", type_ = "string", json_path = ".spec.adapter"),
    printcolumn(name = "Decision", type_ = "string", json_path = ".status.decision.action"),
    printcolumn(name = "Endpoint", type_ = "string", json_path = ".status.decision.endpoint"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type==\"Ready\")].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Image", type_ = "string", json_path = ".status.workload.image", priority = 1),
    printcolumn(name = "Object", type_ = "string", json_path = ".status.workload.id", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("((has(self.container) ? 1 : 0) + (has(self.process) ? 1 : 0) + (has(self.inference) ? 1 : 0) + (has(self.external) ? 1 : 0)) + (has(self.adapter) && !has(self.container) && !has(self.external) ? 1 : 0) == 1").message("spec: exactly one workload of container, process, inference, external, or adapter alone"))]
pub struct ServiceSpecSpec {
    /// The fields shared with a stack's entry.
    #[serde(flatten)]
    pub service: ServiceFields,
    /// Profile in force; written by the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<Profile>,
    /// Engine; written by the stack.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<EngineChoice>,
    /// Port policy; the stack's ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port_policy: Option<PortPolicy>,
    /// Publish every port on loopback; the stack's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expose_internals: Option<bool>,
    /// Retain or Delete the volumes when this object is deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_reclaim: Option<VolumeReclaim>,
    /// Stop the workload, keep its data and allocations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspend: Option<bool>,
}
