//! The desired workload of one service, as an engine takes it: whole, free of secret values, comparable by hash.

use std::time::Duration;

use koan_crds::v1alpha1::{Protocol, PullPolicy, RestartPolicy};
use serde::{Deserialize, Serialize};

use crate::identity::{Owner, SpecHash};
use crate::text::Text;

/// One workload: a container or a program of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadSpec {
    /// Who owns it.
    pub owner: Owner,
    /// Name of the engine's object (SEC-21).
    pub object: String,
    /// Number of this replica, from 0.
    pub replica: u32,
    /// Name under which other containers of the stack reach it.
    pub alias: String,
    /// What runs.
    pub run: Run,
    /// Environment, in order, names unique.
    pub env: Vec<EnvEntry>,
    /// Files mounted read-only.
    pub files: Vec<FileEntry>,
    /// Ports; a port with a host number is published on loopback.
    pub ports: Vec<PortEntry>,
    /// Mounts; for a process, data folders.
    pub mounts: Vec<Mount>,
    /// Names of the engine's networks, created before; empty for a process.
    pub networks: Vec<String>,
    /// Limits.
    pub limits: Limits,
    /// Time between TERM and KILL.
    #[serde(with = "crate::text::millis")]
    pub stop_grace: Duration,
    /// What happens when it ends by itself.
    pub restart: RestartPolicy,
    /// Hash over all of the above that has an effect, and over the versions of referenced Secrets.
    pub hash: SpecHash,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Run {
    /// An OCI container.
    Container(ContainerRun),
    /// A program of the host.
    Process(ProcessRun),
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerRun {
    /// Image reference.
    pub image: String,
    /// Command instead of the image's entry point.
    pub command: Option<Vec<String>>,
    /// Arguments instead of the image's; may name mounted files.
    pub args: Option<Vec<String>>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// User.
    pub user: Option<String>,
    /// A small init as PID 1, for a program that ignores TERM (PERF-85).
    pub init: bool,
    /// Keep the image's own HEALTHCHECK; false where Koan probes itself (PERF-83).
    pub image_health: bool,
}

/// A supervised program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProcessRun {
    /// Program and arguments. A bare program name is looked up on `PATH`, a `ProgramFolder` part where the recipe says.
    pub command: Vec<Text>,
    /// Working directory, absolute.
    pub working_dir: Option<String>,
    /// Account to run as; `None` is the caller's. A recipe's server never runs as root.
    pub user: Option<String>,
    /// Steps run once before the first start, each skipped when its mark exists.
    pub prepare: Vec<Prepare>,
    /// What asks it to end.
    #[serde(default)]
    pub stop_signal: StopSignal,
}

/// The signal that asks a program to end, before KILL.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum StopSignal {
    /// Of every program that says nothing else.
    #[default]
    Term,
    /// Where TERM waits for clients to leave, as PostgreSQL does.
    Int,
}

impl ProcessRun {
    /// System account of recipes' servers under root; whoever is not root runs them as themselves (ENG-17).
    pub const SYSTEM_ACCOUNT: &'static str = "koan";
}

/// A step that prepares a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prepare {
    /// File whose existence says that the step is done.
    pub done_when: Text,
    /// Program and arguments; secrets by file only.
    pub command: Vec<Text>,
}

/// An environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EnvEntry {
    /// Name.
    pub name: String,
    /// Value.
    pub value: Text,
}

/// A mounted file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Absolute path inside the container.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub content: Text,
}

/// A port of the workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortEntry {
    /// Name, unique in the service.
    pub name: String,
    /// Port inside the container, or of the process.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Port of the host, on loopback only; `None` is unpublished.
    pub host: Option<u16>,
}

/// A mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// Absolute path inside the container.
    pub target: String,
    /// What is mounted.
    pub source: MountSource,
    /// Mounted read-only.
    pub read_only: bool,
}

/// Source of a mount.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum MountSource {
    /// A named volume by its full engine name; for a process, a data folder.
    Volume(String),
    /// Absolute path of the host, already confined to the project.
    Host(String),
    /// Memory; the largest size in bytes.
    Tmpfs(Option<u64>),
}

/// Limits of a workload; `None` is unlimited.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Limits {
    /// Thousandths of a CPU.
    pub cpu_millis: Option<u64>,
    /// Bytes.
    pub memory_bytes: Option<u64>,
    /// Number of GPUs.
    pub gpus: Option<u32>,
}

/// An image that a workload needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageSpec {
    /// Reference; for a build, the tag to give.
    pub reference: String,
    /// When it is pulled.
    pub pull: PullPolicy,
    /// Built instead of pulled.
    pub build: Option<BuildSpec>,
}

/// A local build; paths are absolute and confined to the project.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildSpec {
    /// Context folder.
    pub context: String,
    /// Dockerfile, relative to the context.
    pub dockerfile: String,
    /// Stage.
    pub target: Option<String>,
    /// Arguments, sorted by name.
    pub args: Vec<(String, String)>,
    /// Build even if the image exists.
    pub always: bool,
}
