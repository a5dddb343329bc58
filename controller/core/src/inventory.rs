//! What an engine holds, as it reports it; the input of `plan`, and what restarts adopt from.

use std::net::IpAddr;

use jiff::Timestamp;
use koan_crds::v1alpha1::{EngineName, Protocol};
use serde::{Deserialize, Serialize};

use crate::identity::{ObjectId, Owner, SpecHash};

/// Everything that an engine holds with our instance label, and every port that anything on it publishes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Inventory {
    /// The engine.
    pub engine: EngineName,
    /// Containers or processes, sorted by name.
    pub workloads: Vec<WorkloadRecord>,
    /// Networks, sorted by creation time, then id.
    pub networks: Vec<NetworkRecord>,
    /// Volumes or data folders, sorted by name.
    pub volumes: Vec<VolumeRecord>,
    /// Ports that any object of the engine publishes, foreign ones included.
    pub ports: Vec<LivePort>,
}

/// A container or process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadRecord {
    /// Full id.
    pub id: ObjectId,
    /// Name.
    pub name: String,
    /// Owner by its labels.
    pub owner: Owner,
    /// Hash by its label.
    pub hash: SpecHash,
    /// State.
    pub state: WorkloadState,
    /// Image reference.
    pub image: Option<String>,
    /// Digest of the image, `sha256:…`.
    pub image_digest: Option<String>,
    /// Platform, such as `linux/amd64`.
    pub platform: Option<String>,
    /// When it started last.
    pub started_at: Option<Timestamp>,
    /// When it ended last.
    pub finished_at: Option<Timestamp>,
    /// Exit code of the last run; `None` while it runs.
    pub exit_code: Option<i64>,
    /// The kernel ended it for lack of memory.
    pub oom_killed: bool,
    /// How often the engine restarted it.
    pub restarts: u32,
    /// It runs, and a network that it was started in is gone or does not hold it any more.
    pub cut_off: bool,
    /// Addresses inside the engine's networks that the host can dial.
    pub addresses: Vec<NetworkAddress>,
    /// Published ports.
    pub ports: Vec<LivePort>,
    /// Process id on the host, where the engine knows it.
    pub pid: Option<u32>,
    /// Volumes that are mounted, by name.
    pub volumes: Vec<String>,
}

/// Address in one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkAddress {
    /// Name of the network.
    pub network: String,
    /// Address of the workload.
    pub address: IpAddr,
    /// Gateway of the network, where known.
    pub gateway: Option<IpAddr>,
}

/// State of a workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum WorkloadState {
    /// Created, never started.
    Created,
    /// Runs.
    Running,
    /// Paused by somebody.
    Paused,
    /// The engine restarts it.
    Restarting,
    /// Ended.
    Exited,
    /// Is being removed.
    Removing,
    /// Cannot be used any more.
    Dead,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkRecord {
    /// Full id.
    pub id: ObjectId,
    /// Name; not unique (P13).
    pub name: String,
    /// Owner by its labels.
    pub owner: Owner,
    /// Creation time as the engine prints it.
    pub created_at: String,
    /// Gateway address of the network on the host.
    pub gateway: Option<IpAddr>,
    /// Number of attached endpoints, where known.
    pub endpoints: Option<u32>,
}

/// A volume or data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeRecord {
    /// Full name, which is its id.
    pub name: String,
    /// Owner by its labels; its UID names only the creator.
    pub owner: Owner,
    /// Path that it serves.
    pub path: String,
    /// Creation time as the engine prints it.
    pub created_at: String,
}

/// A port that somebody publishes on the host (CLI-39).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LivePort {
    /// Name of the object that publishes it.
    pub service: String,
    /// Port of the host.
    pub host: u16,
    /// Port inside.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Address on the host; unspecified addresses mean all.
    pub address: IpAddr,
    /// Koan's owner labels, where the object carries them.
    pub owner: Option<Owner>,
    /// Process id, where the listener is a process that the engine supervises.
    pub pid: Option<u32>,
}

/// What an engine says of itself; never an error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineInfo {
    /// The engine.
    pub engine: EngineName,
    /// It can be used.
    pub available: bool,
    /// Why not, as one sentence.
    pub reason: Option<String>,
    /// What to do about it.
    pub remedy: Option<String>,
    /// Version.
    pub version: Option<String>,
    /// Address, such as `unix:///var/run/docker.sock`.
    pub endpoint: Option<String>,
    /// API version.
    pub api_version: Option<String>,
    /// It runs without root.
    pub rootless: bool,
    /// What it can do.
    pub capabilities: Capabilities,
    /// What it says of the machine that it runs on.
    pub machine: EngineMachine,
}

/// What an engine says of its machine, where it says it; for people who look for a fault (CLI-33).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EngineMachine {
    /// Version of the control groups and who manages them, such as `v2 (systemd)`.
    pub cgroup: Option<String>,
    /// Driver that stores images and containers.
    pub storage: Option<String>,
    /// It has a runtime that gives GPUs to containers.
    pub gpu_runtime: bool,
    /// Whole seconds by which its clock is ahead of ours, negative where it is behind; `None` up to [`EngineMachine::CLOCK_SECONDS`].
    pub clock_ahead: Option<i64>,
}

impl EngineMachine {
    /// Difference of two clocks that does no harm, in seconds.
    pub const CLOCK_SECONDS: i64 = 2;
}

/// What an engine can do (ENG-2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Containers.
    pub containers: bool,
    /// Programs of the host.
    pub processes: bool,
    /// Image builds.
    pub build: bool,
    /// Private networks.
    pub networks: bool,
    /// GPUs.
    pub gpu: bool,
    /// Commands inside a workload.
    pub exec: bool,
}
