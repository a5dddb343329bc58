//! The `inference` workload: a model server. `validate` refuses it until its room exists (ModeUnsupported).

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::environment::LocalReference;
use super::scalar::GoDuration;

/// Whether a GPU is preferred, required or left alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum GpuPolicy {
    Prefer,
    Require,
    Disabled,
}

/// An engine that somebody else runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceExternal {
    /// URL of the engine.
    #[schemars(length(min = 1, max = 2048))]
    pub url: String,
}

/// Options of a source build.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceBuild {
    /// Flags for cmake, one per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 1024)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub cmake_flags: Option<Vec<String>>,
    /// Generator of cmake.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub generator: Option<String>,
    /// Parallel jobs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1024))]
    pub jobs: Option<u32>,
}

/// An engine built from source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceSource {
    /// Repository; upstream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub repo: Option<String>,
    /// Branch, tag or commit.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "^[^-]"))]
    pub r#ref: String,
    /// Fetch submodules; false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub submodules: Option<bool>,
    /// Options of the build.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<InferenceBuild>,
}

/// An engine from an image.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceContainer {
    /// Image reference; the engine's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub image: Option<String>,
}

/// An engine from a package of the operating system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferencePackage {
    /// Name of the package.
    #[schemars(length(min = 1, max = 1024))]
    pub name: String,
    /// Version of the package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub version: Option<String>,
}

/// An engine downloaded as a binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceBinary {
    /// URL of the file or archive.
    #[schemars(length(min = 1, max = 2048), regex(pattern = "^https://"))]
    pub url: String,
    /// SHA-256 of what the URL gives.
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"), length(max = 64))]
    pub sha256: String,
    /// Entry of the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub path: Option<String>,
}

/// The model to load.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceModel {
    /// Reference of the model.
    #[schemars(length(min = 1, max = 2048))]
    pub r#ref: String,
    /// SHA-256 of the model file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"), length(max = 64))]
    pub sha256: Option<String>,
    /// Quantisation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub quant: Option<String>,
    /// Secret for the download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalReference>,
}

/// A model server; exactly one of external, source, container, package, binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.external) ? 1 : 0) + (has(self.source) ? 1 : 0) + (has(self.container) ? 1 : 0) + (has(self.package) ? 1 : 0) + (has(self.binary) ? 1 : 0) == 1").message("inference: exactly one of external, source, container, package, binary"))]
pub struct Inference {
    /// Engine: LlamaCpp, Vllm, Tgi or Triton; LlamaCpp.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub engine: Option<String>,
    /// Somebody else's engine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external: Option<InferenceExternal>,
    /// Built from source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<InferenceSource>,
    /// From an image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<InferenceContainer>,
    /// From a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<InferencePackage>,
    /// From a download.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<InferenceBinary>,
    /// GPU policy; Prefer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu: Option<GpuPolicy>,
    /// GPUs by index or UUID; all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub devices: Option<Vec<String>>,
    /// Shares of the model per GPU.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), inner(length(max = 32)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub tensor_split: Option<Vec<String>>,
    /// The model.
    pub model: InferenceModel,
    /// Context length in tokens.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 256, max = 1048576))]
    pub context: Option<u32>,
    /// Parallel requests; 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub parallel: Option<u32>,
    /// Further flags, one word per item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), inner(length(max = 32768)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub flags: Option<Vec<String>>,
    /// Accept flags that Koan does not know; false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_unknown_flags: Option<bool>,
    /// Secret with the engine's API key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_key_secret_ref: Option<LocalReference>,
    /// Allow the installation of packages; false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_package_installs: Option<bool>,
    /// Time for the model to load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load_timeout: Option<GoDuration>,
    /// One request after the start; true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub self_test: Option<bool>,
}

/// What the provisioner reported.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct InferenceStatus {
    /// Engine and its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub engine_version: Option<String>,
    /// Backend: cuda, metal or cpu.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub backend: Option<String>,
    /// Hash of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub plan_hash: Option<String>,
}
