//! `ValidStack` and `ValidService`: a manifest whose every value was parsed once; later stages never see the raw text.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use koan_crds::v1alpha1::{EngineName, Profile, ProvisioningMode, RestartPolicy, ServiceSpec, VolumeReclaim};
use serde::{Deserialize, Serialize};

use super::parts::{
    CredentialPolicy, DetectionPolicy, EndpointPolicy, EngineWish, Gate, ValidHealth, ValidPersistence, ValidPort,
    ValidPortPolicy, ValidVolume, Workload,
};
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

    /// What the user should know once it stands which engine runs each service; sorted, each once.
    pub fn warnings_on(&self, engine: impl Fn(&StackMember) -> Option<EngineName>) -> Vec<Warning> {
        let unbounded = self
            .members()
            .filter(|member| engine(member) == Some(EngineName::Process) && member.service.limits != Limits::default());
        let unbounded = unbounded.map(|member| Warning::unbounded(format!("spec.services[{}].resources", member.index)));
        let all: BTreeSet<Warning> = self.warnings.iter().cloned().chain(unbounded).collect();
        all.into_iter().collect()
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
    /// Host ports that `up --port` named, by port name.
    pub port_flags: BTreeMap<String, u16>,
    /// The launch state is read (CLI-27).
    pub launch_state: bool,
    /// A restart that was asked for: its token.
    pub restart_request: Option<String>,
    /// Time between TERM and KILL of that restart; unset: the service's own.
    pub restart_grace: Option<Duration>,
    /// When a new decision was asked for.
    pub redetect: Option<Timestamp>,
    /// Deletion was asked for.
    pub deleting: Option<Timestamp>,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}
