//! Documents of one or two facts: version, server, a fresh manifest.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Document, Header};

/// `koan version`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct VersionReport {
    #[serde(flatten)]
    header: Header,
    version: String,
    /// Kinds that the API server serves.
    serves: Vec<String>,
}

impl VersionReport {
    /// Report of this program.
    pub(crate) fn of_this_program() -> Self {
        let serves = ["devstacks.koan.dev/v1alpha1", "servicespecs.koan.dev/v1alpha1"].map(str::to_owned).to_vec();
        Self { header: Header::of("VersionReport"), version: env!("CARGO_PKG_VERSION").to_owned(), serves }
    }
}

impl Document for VersionReport {
    fn human(&self, _: bool) -> String {
        format!("koan {}\n", self.version)
    }

    fn names(&self) -> Vec<String> {
        vec![self.version.clone()]
    }
}

/// Who serves a home.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerProcess {
    pub(crate) pid: i32,
    pub(crate) version: String,
    pub(crate) kubeconfig: String,
}

/// `koan serve status`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerStatus {
    #[serde(flatten)]
    header: Header,
    running: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<ServerProcess>,
}

impl ServerStatus {
    /// Status of a home that this process serves, or nobody.
    pub(crate) fn of(process: Option<ServerProcess>) -> Self {
        Self { header: Header::of("ServerStatus"), running: process.is_some(), process }
    }
}

impl Document for ServerStatus {
    fn human(&self, _: bool) -> String {
        match &self.process {
            Some(ServerProcess { pid, version, kubeconfig }) => {
                format!("running: pid {pid}, Koan {version}, kubeconfig {kubeconfig}\n")
            }
            None => "not running\n".to_owned(),
        }
    }

    fn names(&self) -> Vec<String> {
        self.process.iter().map(|process| process.pid.to_string()).collect()
    }
}

/// `koan init`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitReport {
    #[serde(flatten)]
    header: Header,
    /// Name of the stack.
    name: String,
    /// The file that was written.
    manifest: String,
}

impl InitReport {
    /// Report of a fresh manifest.
    pub(crate) fn of(name: String, manifest: String) -> Self {
        Self { header: Header::of("InitReport"), name, manifest }
    }
}

impl Document for InitReport {
    fn human(&self, _: bool) -> String {
        format!("{}\n", self.manifest)
    }

    fn names(&self) -> Vec<String> {
        vec![self.manifest.clone()]
    }
}
