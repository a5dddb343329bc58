use std::fmt;

use super::Reason;

/// Which kinds carry a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kinds {
    Both,
    Stack,
    Service,
}

/// Type of a condition, in the order in which readers meet them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The one positive summary.
    Ready,
    /// The specification is valid.
    Accepted,
    /// The plan stands.
    Planned,
    /// An engine was chosen, or none is needed.
    EngineSelected,
    /// Each published port has a host port.
    PortsAllocated,
    /// The service takes part in the stack.
    Activated,
    /// The decision between host service and workload stands.
    Provisioned,
    /// The gates are open.
    DependenciesReady,
    /// The probe passes.
    Healthy,
    /// Deletion waits for something.
    CleanupBlocked,
}

impl ConditionType {
    /// Every type, in reading order.
    pub const ALL: [Self; 10] = [
        Self::Ready,
        Self::Accepted,
        Self::Planned,
        Self::EngineSelected,
        Self::PortsAllocated,
        Self::Activated,
        Self::Provisioned,
        Self::DependenciesReady,
        Self::Healthy,
        Self::CleanupBlocked,
    ];

    /// Types that a `DevStack` carries from its first visit (K-5).
    pub fn of_stack() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|t| matches!(t.kinds(), Kinds::Both | Kinds::Stack) && *t != Self::CleanupBlocked)
    }

    /// Types that a `ServiceSpec` carries from its first visit (K-5).
    pub fn of_service() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|t| matches!(t.kinds(), Kinds::Both | Kinds::Service) && *t != Self::CleanupBlocked)
    }

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Accepted => "Accepted",
            Self::Planned => "Planned",
            Self::EngineSelected => "EngineSelected",
            Self::PortsAllocated => "PortsAllocated",
            Self::Activated => "Activated",
            Self::Provisioned => "Provisioned",
            Self::DependenciesReady => "DependenciesReady",
            Self::Healthy => "Healthy",
            Self::CleanupBlocked => "CleanupBlocked",
        }
    }

    /// Reasons that may stand beside this type; `Pending` belongs to each and is not listed.
    pub fn reasons(self) -> &'static [Reason] {
        use Reason::*;
        match self {
            Self::Ready => &[
                AllReady,
                ServicesNotReady,
                Ready,
                Completed,
                NotReady,
                ReadinessTimeout,
                Disabled,
                Suspended,
                Expired,
                Terminating,
                Panic,
            ],
            Self::Accepted => &[
                Valid,
                Invalid,
                DependencyCycle,
                DuplicateName,
                UnknownAdapter,
                ProfileExportOnly,
                ModeUnsupported,
                UnknownEngine,
                UnsupportedScheme,
            ],
            Self::Planned => &[Planned, PlanFailed],
            Self::EngineSelected => &[Selected, NotNeeded, ForcedUnavailable, NoneAvailable, EngineUnreachable],
            Self::PortsAllocated => &[Allocated, Conflict, Exhausted],
            Self::Activated => &[ExplicitConfig, RecipeMatched, HintOnly, NotContainerisable, OptInRequired, Disabled],
            Self::Provisioned => &[
                HostValidated,
                HostRejected,
                HostImpostor,
                HostLost,
                NoHostService,
                NoAdapter,
                AlwaysMode,
                HostServiceRequired,
                ManagedExternally,
                RetainedData,
                ProvisionFailed,
                ForeignResource,
            ],
            Self::DependenciesReady => &[Met, Waiting, DependencyFailed],
            Self::Healthy => &[ProbePassed, Starting, Loading, ProbeFailed, Exited, OOMKilled, CrashLooping, ImagePullFailed],
            Self::CleanupBlocked => &[EngineUnreachable, ForeignResource],
        }
    }

    fn kinds(self) -> Kinds {
        match self {
            Self::Ready | Self::Accepted | Self::EngineSelected | Self::PortsAllocated | Self::CleanupBlocked => Kinds::Both,
            Self::Planned => Kinds::Stack,
            Self::Activated | Self::Provisioned | Self::DependenciesReady | Self::Healthy => Kinds::Service,
        }
    }
}

impl fmt::Display for ConditionType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
