//! The parts of a valid service: one type per noun of a manifest, every value parsed.

use std::time::Duration;

use koan_crds::v1alpha1::{ConflictPolicy, DependencyCondition, EngineName, OnLoss, PersistenceMode, Protocol, PullPolicy};

use crate::candidate::ParsedCandidate;

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
        /// When the image is pulled.
        pull: PullPolicy,
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
    /// The rebuild that was asked for last; another one replaces what runs.
    pub requested: Option<String>,
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
