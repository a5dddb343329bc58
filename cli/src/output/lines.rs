//! Documents that come one a line: log lines and changes of state (CLI-2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Header;

/// One line of `koan logs -o json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogEntry {
    #[serde(flatten)]
    header: Header,
    service: String,
    /// When it was written, where the engine knows it.
    at: Option<String>,
    /// stdout, stderr, or gap where lines were lost.
    stream: String,
    /// The line, secrets hidden.
    text: String,
}

impl LogEntry {
    /// A line of a service.
    pub(crate) fn of(service: &str, at: Option<String>, stream: String, text: String) -> Self {
        Self { header: Header::of("LogLine"), service: service.to_owned(), at, stream, text }
    }
}

/// One line of `--progress json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProgressEvent {
    #[serde(flatten)]
    header: Header,
    service: String,
    /// Ready, Completed, or the reason that Ready is not True for.
    state: String,
    /// healthy, or the reason of Healthy.
    health: String,
}

impl ProgressEvent {
    /// A change of a service.
    pub(crate) fn of(service: &super::ServiceView) -> Self {
        Self {
            header: Header::of("ProgressEvent"),
            service: service.name.clone(),
            state: service.state.clone(),
            health: service.health.clone(),
        }
    }
}
