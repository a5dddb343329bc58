//! Health checks: exactly one form, with its cadence (K-7).

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::scalar::{GoDuration, PortRef};

/// An HTTP GET that must answer 2xx or 3xx.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HttpCheck {
    /// Path of the request.
    #[schemars(length(max = 1024), regex(pattern = "^/"))]
    pub path: String,
    /// Port by name or number.
    #[schemars(schema_with = "crate::schema::port_ref")]
    pub port: PortRef,
}

/// A TCP connection that must be accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TcpCheck {
    /// Port by name or number.
    #[schemars(schema_with = "crate::schema::port_ref")]
    pub port: PortRef,
}

/// A command inside the workload that must end with 0.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExecCheck {
    /// Command and arguments, no shell.
    #[schemars(length(min = 1, max = 64), inner(length(max = 32768)))]
    #[x_kube(merge_strategy = ListMerge::Atomic)]
    pub command: Vec<String>,
}

/// The adapter's own protocol check.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdapterCheck {}

/// A line of the log that must appear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LogCheck {
    /// Text that a line must contain.
    #[schemars(length(min = 1, max = 1024))]
    pub pattern: String,
}

/// How Koan learns that a service is ready; exactly one form.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.http) ? 1 : 0) + (has(self.tcp) ? 1 : 0) + (has(self.exec) ? 1 : 0) + (has(self.adapter) ? 1 : 0) + (has(self.log) ? 1 : 0) == 1").message("health: exactly one of http, tcp, exec, adapter, log"))]
pub struct HealthCheck {
    /// HTTP GET.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http: Option<HttpCheck>,
    /// TCP connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tcp: Option<TcpCheck>,
    /// Command inside the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exec: Option<ExecCheck>,
    /// The adapter's protocol check.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adapter: Option<AdapterCheck>,
    /// A line of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogCheck>,
    /// Time between checks once the service was ready; 5s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<GoDuration>,
    /// Budget of one check; 2s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<GoDuration>,
    /// Failures in a row that end Ready; 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100))]
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count; 0s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_period: Option<GoDuration>,
}
