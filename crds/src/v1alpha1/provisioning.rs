//! Profile, engine choice, provisioning mode, detection and credentials.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::LocalReference;
use super::scalar::GoDuration;

/// What a stack is for; decides defaults of data, ports, detection and TTL (cli.md section 4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    #[default]
    Local,
    Ci,
    Staging,
    Prod,
}

/// Name of an engine, or `Auto` for the first that answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum EngineName {
    #[default]
    Auto,
    Docker,
    Podman,
    Process,
    Kubernetes,
}

/// Which engine runs the workloads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EngineChoice {
    /// Engine by name; `Auto` takes the first available one.
    #[serde(default)]
    pub name: EngineName,
    /// Order in which `Auto` asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub preferred: Option<Vec<EngineName>>,
}

/// Whether a host service may be used, must be used, or is never looked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum ProvisioningMode {
    #[default]
    Auto,
    Always,
    Never,
    Disabled,
}

/// How services are found or provisioned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provisioning {
    /// Use a host service, provision, require one, or leave the service out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ProvisioningMode>,
    /// Budget of one service for everything that detection does; 5s, in `ci` 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detection_timeout: Option<GoDuration>,
    /// Budget of one authenticated attempt; 1s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt_timeout: Option<GoDuration>,
}

/// What happens when a host service that was in use vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OnLoss {
    Hold,
    Reprovision,
}

/// Where to look for a host service.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Detection {
    /// Ports on loopback instead of the adapter's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(range(min = 1, max = 65535)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub ports: Option<Vec<u16>>,
    /// Explicit candidates: a URL, `host:port` or a `unix://` path, in order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 8), inner(length(max = 2048)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub candidates: Option<Vec<String>>,
    /// Environment names that may point anywhere, read from the person's environment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 128)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub env: Option<Vec<String>>,
    /// Hold stays NotReady when the host service vanishes; Reprovision starts one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_loss: Option<OnLoss>,
}

/// Credentials for a service: the manifest's own come first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Credentials {
    /// Secret with the keys username, password, token or url.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
    /// Values in clear text; refused in staging and prod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::literals")]
    pub literals: Option<BTreeMap<String, String>>,
    /// False forbids the adapter's well-known default credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub defaults: Option<bool>,
}

/// What happens to data volumes when their object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum VolumeReclaim {
    #[default]
    Retain,
    Delete,
}
