//! Containers as both engines write them, read leniently: null fields and unknown states are no error (P6).
//!
//! `bollard`'s own types refuse a state that they do not list, and Podman has some.

use std::collections::HashMap;
use std::time::Duration;

use bollard::errors::Error;
use http_body_util::{BodyExt, Limited};
use koan_core::inventory::WorkloadState;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer};

use super::transport::Transport;

/// Longest answer that is read.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Budget of a read.
const READ_TIMEOUT: Duration = Duration::from_secs(30);

/// A container of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Listed {
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) names: Vec<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) image: String,
    #[serde(rename = "ImageID", deserialize_with = "or_default")]
    pub(crate) image_id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) state: State,
    #[serde(deserialize_with = "or_default")]
    pub(crate) labels: HashMap<String, String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) ports: Vec<Port>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_settings: NetworkSettings,
}

/// A container by itself.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Inspected {
    #[serde(deserialize_with = "or_default")]
    pub(crate) id: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) state: RunState,
    #[serde(deserialize_with = "or_default")]
    pub(crate) restart_count: u32,
    #[serde(deserialize_with = "or_default")]
    pub(crate) config: Config,
    #[serde(deserialize_with = "or_default")]
    pub(crate) mounts: Vec<Mounted>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) network_settings: NetworkSettings,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct RunState {
    #[serde(deserialize_with = "or_default")]
    pub(crate) status: State,
    #[serde(rename = "OOMKilled", deserialize_with = "or_default")]
    pub(crate) oom_killed: bool,
    pub(crate) pid: Option<u32>,
    pub(crate) exit_code: Option<i64>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) started_at: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) finished_at: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Config {
    pub(crate) image: Option<String>,
    #[serde(deserialize_with = "or_default")]
    pub(crate) labels: HashMap<String, String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Mounted {
    #[serde(deserialize_with = "or_default")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) source: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct NetworkSettings {
    #[serde(deserialize_with = "or_default")]
    pub(crate) networks: HashMap<String, Endpoint>,
    /// Published ports of an inspect, by `port/protocol`.
    #[serde(deserialize_with = "or_default")]
    pub(crate) ports: HashMap<String, Option<Vec<Binding>>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Endpoint {
    #[serde(rename = "NetworkID", deserialize_with = "or_default")]
    pub(crate) network_id: String,
    #[serde(rename = "EndpointID", deserialize_with = "or_default")]
    pub(crate) endpoint_id: String,
    #[serde(rename = "IPAddress", deserialize_with = "or_default")]
    pub(crate) ip_address: String,
    #[serde(rename = "Gateway", deserialize_with = "or_default")]
    pub(crate) gateway: String,
    #[serde(rename = "GlobalIPv6Address", deserialize_with = "or_default")]
    pub(crate) global_ipv6_address: String,
    #[serde(rename = "IPv6Gateway", deserialize_with = "or_default")]
    pub(crate) ipv6_gateway: String,
    #[serde(rename = "Aliases", deserialize_with = "or_default")]
    pub(crate) aliases: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Binding {
    #[serde(rename = "HostPort", deserialize_with = "or_default")]
    pub(crate) host_port: String,
}

/// A published or exposed port of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Port {
    #[serde(rename = "IP", deserialize_with = "or_default")]
    pub(crate) ip: String,
    #[serde(deserialize_with = "or_default")]
    pub(crate) private_port: u16,
    pub(crate) public_port: Option<u16>,
    #[serde(rename = "Type", deserialize_with = "or_default")]
    pub(crate) kind: String,
}

/// A state by its word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) known: WorkloadState,
    /// On its way to another state.
    pub(crate) changing: bool,
}

impl Default for State {
    fn default() -> Self {
        Self { known: WorkloadState::Created, changing: false }
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let word = String::deserialize(deserializer)?;
        let known = match word.as_str() {
            "running" | "stopping" => WorkloadState::Running,
            "paused" => WorkloadState::Paused,
            "restarting" => WorkloadState::Restarting,
            "removing" => WorkloadState::Removing,
            // Podman's word until it has cleaned up behind an ended container.
            "exited" | "stopped" => WorkloadState::Exited,
            "dead" => WorkloadState::Dead,
            // `configured` and `initialized` are Podman's; a word that is not known can at least be started.
            _ => WorkloadState::Created,
        };
        Ok(Self { known, changing: matches!(word.as_str(), "stopping" | "restarting" | "removing") })
    }
}

/// Null and absent alike are the default.
fn or_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(deserializer: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

impl Transport {
    /// Every container, ended ones included.
    pub(crate) async fn list_containers(&self) -> Result<Vec<Listed>, Error> {
        self.read("/containers/json?all=true").await
    }

    /// One container by id or name.
    pub(crate) async fn inspect_container(&self, key: &str) -> Result<Inspected, Error> {
        self.read(&format!("/containers/{key}/json")).await
    }

    async fn read<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        let answer = async {
            let response = self.get(path).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
            let bytes = body.map_err(|error| Error::IOError { err: std::io::Error::other(error) })?.to_bytes();
            if status.is_success() {
                return serde_json::from_slice(&bytes).map_err(Error::from);
            }
            #[derive(Deserialize)]
            struct Message {
                message: String,
            }
            let message = serde_json::from_slice::<Message>(&bytes).map(|body| body.message);
            let message = message.unwrap_or_else(|_| String::from_utf8_lossy(&bytes).into_owned());
            Err(Error::DockerResponseServerError { status_code: status.as_u16(), message })
        };
        tokio::time::timeout(READ_TIMEOUT, answer).await.unwrap_or(Err(Error::RequestTimeoutError))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P6: null everywhere and states that only one engine has are read.
    #[test]
    fn p6_null_fields_and_unknown_states_are_read() {
        let text = r#"{"Id":"a","Names":null,"State":"stopped","Labels":null,"Ports":null,"NetworkSettings":null,"X":1}"#;
        let listed: Listed = serde_json::from_str(text).unwrap();
        assert_eq!((listed.id.as_str(), listed.state.known), ("a", WorkloadState::Exited));
        let text = r#"{"Id":"a","State":{"Status":"configured","Health":null,"Pid":0},"Config":null,"Mounts":null}"#;
        let inspected: Inspected = serde_json::from_str(text).unwrap();
        assert_eq!(inspected.state.status.known, WorkloadState::Created);
        let stopping: State = serde_json::from_str("\"stopping\"").unwrap();
        assert_eq!((stopping.known, stopping.changing), (WorkloadState::Running, true));
    }
}
