//! `ValidStack` and `ValidService`: a manifest whose every value was parsed once; later stages never see the raw text.

use std::time::Duration;

use jiff::Timestamp;
use koan_crds::v1alpha1::{
    ConflictPolicy, DependencyCondition, EngineName, OnLoss, PersistenceMode, Profile, Protocol, ProvisioningMode, PullPolicy,
    RestartPolicy, ServiceSpec, VolumeReclaim,
};
use serde::{Deserialize, Serialize};

use crate::candidate::ParsedCandidate;
use crate::identity::{ServiceKey, Uid};
use crate::violation::Warning;
use crate::workload::{EnvEntry, FileEntry, Limits};

/// Where the profile in force came from (CLI-23).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProfileSource {
    /// `--profile`.
    Flag,
    /// `KOAN_ENV`.
    Environment,
    /// `spec.profile`.
    File,
    /// Nothing said one.
    Default,
}

/// What the caller of `validate_stack` overrides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StackOptions {
    /// Profile that wins over `spec.profile`, with its source.
    pub profile: Option<(Profile, ProfileSource)>,
    /// Profiles that can only be exported are accepted (`koan export`, `koan validate --profile`).
    pub export: bool,
}

/// A valid stack.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidStack {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID; empty where the stack was never stored.
    pub uid: Uid,
    /// Generation; 0 where the stack was never stored.
    pub generation: i64,
    /// Working copy that it came from (`koan.dev/project`).
    pub project: Option<String>,
    /// Profile in force.
    pub profile: Profile,
    /// Where the profile came from.
    pub profile_source: ProfileSource,
    /// Engine that was asked for.
    pub engine: EngineWish,
    /// Port policy.
    pub port_policy: ValidPortPolicy,
    /// Workloads are stopped.
    pub suspend: bool,
    /// Life after the last spec change.
    pub ttl: Option<Duration>,
    /// Entries in the manifest's order.
    pub entries: Vec<StackEntry>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

impl ValidStack {
    /// The inline services with their names in the stack.
    pub fn members(&self) -> impl Iterator<Item = &StackMember> {
        self.entries.iter().filter_map(|entry| match entry {
            StackEntry::Inline(member) => Some(member.as_ref()),
            StackEntry::Reference { .. } => None,
        })
    }
}

/// One entry of `spec.services`.
#[derive(Clone, Debug, PartialEq)]
pub enum StackEntry {
    /// An inline service.
    Inline(Box<StackMember>),
    /// Somebody else's `ServiceSpec`.
    Reference {
        /// Name in the stack.
        name: String,
        /// Name of the `ServiceSpec`.
        target: String,
    },
}

/// An inline service: the object that the stack applies, and what it means.
#[derive(Clone, Debug, PartialEq)]
pub struct StackMember {
    /// Name in the stack.
    pub name: String,
    /// Index in `spec.services`.
    pub index: usize,
    /// The `ServiceSpec` to apply.
    pub object: ServiceSpec,
    /// The same, parsed.
    pub service: ValidService,
}

/// The stack that owns a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StackIdentity {
    /// Name.
    pub name: String,
    /// UID.
    pub uid: Uid,
}

/// A valid service.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidService {
    /// Namespace and name of the `ServiceSpec`.
    pub key: ServiceKey,
    /// UID; empty where it was never stored.
    pub uid: Uid,
    /// Generation; 0 where it was never stored.
    pub generation: i64,
    /// The stack that owns it.
    pub stack: Option<StackIdentity>,
    /// Name in the stack, else the object's name.
    pub service: String,
    /// Folder that relative paths start from.
    pub project: Option<String>,
    /// Profile.
    pub profile: Profile,
    /// Engine that was asked for.
    pub engine: EngineWish,
    /// What runs.
    pub workload: Workload,
    /// Adapter by canonical id.
    pub adapter: Option<String>,
    /// Mode (DET-1).
    pub mode: ProvisioningMode,
    /// Where to look for a host service.
    pub detection: DetectionPolicy,
    /// Which credentials may be used.
    pub credentials: CredentialPolicy,
    /// Database, virtual host or key space (DET-47).
    pub database: String,
    /// Environment, names unique, in order.
    pub env: Vec<EnvEntry>,
    /// Files.
    pub files: Vec<FileEntry>,
    /// Ports; a recipe's included where the adapter stands alone.
    pub ports: Vec<ValidPort>,
    /// Mounts that the manifest names.
    pub volumes: Vec<ValidVolume>,
    /// Networks of the stack; empty is its one private network.
    pub networks: Vec<String>,
    /// Time between TERM and KILL.
    pub stop_grace: Duration,
    /// Where data live.
    pub persistence: ValidPersistence,
    /// How readiness is proved; `None` for a service that ends and says nothing.
    pub health: Option<ValidHealth>,
    /// Gates.
    pub gates: Vec<Gate>,
    /// Tie-break, lower first.
    pub startup_priority: u32,
    /// Scheme and pattern of `url`.
    pub endpoint: EndpointPolicy,
    /// Limits.
    pub limits: Limits,
    /// Number of equal workloads.
    pub replicas: u32,
    /// What happens when it ends.
    pub restart: RestartPolicy,
    /// Budget from start to first Ready (K-8).
    pub readiness: Duration,
    /// Port policy.
    pub port_policy: ValidPortPolicy,
    /// What becomes of volumes when the object is deleted.
    pub reclaim: VolumeReclaim,
    /// The workload is stopped.
    pub suspend: bool,
    /// A restart that was asked for: its token.
    pub restart_request: Option<String>,
    /// When a new decision was asked for.
    pub redetect: Option<Timestamp>,
    /// Deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// Engine that was asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EngineWish {
    /// Engine by name, or `Auto`.
    pub name: EngineName,
    /// Order in which `Auto` asks; never empty, container engines only.
    pub preferred: Vec<EngineName>,
}

/// What runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// An OCI container.
    Container(ValidContainer),
    /// A program of the host.
    Process(ValidProcess),
    /// Somebody else's service.
    External(ParsedCandidate),
    /// The adapter's recipe; the image instead of its own, where the manifest names one.
    Recipe {
        /// Image.
        image: Option<String>,
    },
}

/// A container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidContainer {
    /// Image, or the tag of a build.
    pub image: Option<String>,
    /// Local build.
    pub build: Option<ValidBuild>,
    /// Command instead of the image's entry point.
    pub command: Option<Vec<String>>,
    /// Arguments instead of the image's.
    pub args: Option<Vec<String>>,
    /// Working directory.
    pub working_dir: Option<String>,
    /// User.
    pub user: Option<String>,
    /// When the image is pulled.
    pub pull: PullPolicy,
}

/// A local build, paths as far as text can confine them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidBuild {
    /// Context, absolute where the project is known.
    pub context: String,
    /// Dockerfile, relative to the context.
    pub dockerfile: String,
    /// Stage.
    pub target: Option<String>,
    /// Arguments, sorted by name.
    pub args: Vec<(String, String)>,
}

/// A program of the host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidProcess {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Working directory, absolute where the project is known.
    pub working_dir: Option<String>,
    /// Account.
    pub user: Option<String>,
}

/// Where to look for a host service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DetectionPolicy {
    /// Ports on loopback.
    pub ports: Vec<u16>,
    /// Explicit candidates in order (slot 0).
    pub candidates: Vec<ParsedCandidate>,
    /// Environment names that the manifest lists.
    pub env: Vec<String>,
    /// What a loss does.
    pub on_loss: OnLoss,
    /// Budget for everything.
    pub total: Duration,
    /// Budget of one authenticated attempt.
    pub attempt: Duration,
}

/// Which credentials may be used.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CredentialPolicy {
    /// Secret of the manifest.
    pub secret: Option<String>,
    /// Keys of `credentials.literals`.
    pub literals: Vec<String>,
    /// The adapter's default sets may be tried.
    pub defaults: bool,
}

impl CredentialPolicy {
    /// The manifest names a credential of its own.
    pub fn from_manifest(&self) -> bool {
        self.secret.is_some() || !self.literals.is_empty()
    }
}

/// A port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPort {
    /// Name, unique in the service.
    pub name: String,
    /// Port inside.
    pub container: u16,
    /// Transport.
    pub protocol: Protocol,
    /// Fixed host port.
    pub declared: Option<u16>,
    /// The adapter's own port, where the port is a recipe's.
    pub default: Option<u16>,
    /// Published on loopback (CLI-29).
    pub publish: bool,
}

/// A mount of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidVolume {
    /// Absolute path inside.
    pub target: String,
    /// What is mounted.
    pub source: VolumeSource,
    /// Mounted read-only.
    pub read_only: bool,
}

/// Source of a mount of the manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeSource {
    /// A named volume; without a name it belongs to its target alone.
    Named(Option<String>),
    /// Path of the host, absolute where the project is known.
    Host(String),
    /// Memory, largest size in bytes.
    Tmpfs(Option<u64>),
}

/// Where data live.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPersistence {
    /// Named volume, bind mount or none.
    pub mode: PersistenceMode,
    /// Data paths instead of the recipe's.
    pub paths: Option<Vec<String>>,
    /// Requested size in bytes.
    pub size: Option<u64>,
    /// Storage class, in a cluster.
    pub storage_class: Option<String>,
}

/// A health check with its cadence (K-7).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidHealth {
    /// The form.
    pub check: HealthForm,
    /// Time between checks once it was ready.
    pub interval: Duration,
    /// Budget of one check.
    pub timeout: Duration,
    /// Failures in a row that end Ready.
    pub retries: u32,
    /// Time after the start in which failures do not count.
    pub start_period: Duration,
}

/// Form of a health check; ports are those inside the workload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HealthForm {
    /// HTTP GET that must answer 2xx or 3xx.
    Http {
        /// Path.
        path: String,
        /// Port.
        port: u16,
    },
    /// Connection that must be accepted.
    Tcp {
        /// Port.
        port: u16,
    },
    /// Command inside the workload that must end with 0.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
    },
    /// The adapter's protocol check.
    Adapter,
    /// A line of the log that must appear.
    Log {
        /// Text that a line contains.
        pattern: String,
    },
}

/// A gate: this service starts when the other one is in that state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gate {
    /// Name of the other `ServiceSpec`.
    pub object: String,
    /// State that opens the gate.
    pub condition: DependencyCondition,
}

/// Scheme and pattern of `url`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EndpointPolicy {
    /// Scheme instead of the adapter's.
    pub scheme: Option<String>,
    /// Pattern instead of the adapter's.
    pub pattern: Option<String>,
}

/// Port policy, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidPortPolicy {
    /// Added once to declared and default ports.
    pub offset: u16,
    /// Lowest deterministic port.
    pub low: u16,
    /// Highest deterministic port.
    pub high: u16,
    /// How many ports after a busy one are tried.
    pub probe_max: u32,
    /// What a busy port does.
    pub conflicts: ConflictPolicy,
}

impl Default for ValidPortPolicy {
    fn default() -> Self {
        Self { offset: 0, low: 30_000, high: 50_000, probe_max: 200, conflicts: ConflictPolicy::Repick }
    }
}
