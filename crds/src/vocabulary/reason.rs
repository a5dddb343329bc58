use std::fmt;

/// Reason of a condition: a stable word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// Not judged yet.
    Pending,
    /// Every check passed.
    Valid,
    /// At least one violation.
    Invalid,
    /// The gates form a cycle.
    DependencyCycle,
    /// A name that something else already has.
    DuplicateName,
    /// No adapter of that id or alias.
    UnknownAdapter,
    /// The profile can only be exported.
    ProfileExportOnly,
    /// This engine or version cannot run that workload.
    ModeUnsupported,
    /// No inference engine of that name.
    UnknownEngine,
    /// No adapter checks that URL scheme.
    UnsupportedScheme,
    /// The steps stand.
    Planned,
    /// The steps could not be computed.
    PlanFailed,
    /// An engine was chosen.
    Selected,
    /// Nothing needs an engine.
    NotNeeded,
    /// The engine that was asked for does not answer.
    ForcedUnavailable,
    /// No engine answers.
    NoneAvailable,
    /// The engine that holds the objects does not answer.
    EngineUnreachable,
    /// Each published port has a host port.
    Allocated,
    /// A port is busy and the policy says Fail.
    Conflict,
    /// No free port within the bounds.
    Exhausted,
    /// Each service is ready.
    AllReady,
    /// At least one service is not ready.
    ServicesNotReady,
    /// The service is ready.
    Ready,
    /// The service ran to its end.
    Completed,
    /// The service is not ready.
    NotReady,
    /// The readiness budget is used up.
    ReadinessTimeout,
    /// The service is left out.
    Disabled,
    /// Stopped on request, data kept.
    Suspended,
    /// The time to live is over.
    Expired,
    /// Deletion is in progress.
    Terminating,
    /// Koan met a bug of its own.
    Panic,
    /// Listed in the manifest.
    ExplicitConfig,
    /// A recipe sees it configured.
    RecipeMatched,
    /// Only a package hints at it.
    HintOnly,
    /// Needs no service.
    NotContainerisable,
    /// Heavy: must be listed.
    OptInRequired,
    /// A host service was proved usable.
    HostValidated,
    /// The right product, but not usable.
    HostRejected,
    /// Another product answers.
    HostImpostor,
    /// The host service vanished.
    HostLost,
    /// Nothing answers.
    NoHostService,
    /// No adapter looks for it.
    NoAdapter,
    /// The mode never looks.
    AlwaysMode,
    /// The mode demands a host service and none is usable.
    HostServiceRequired,
    /// Somebody else runs it.
    ManagedExternally,
    /// A volume of this service already holds data.
    RetainedData,
    /// A step failed.
    ProvisionFailed,
    /// An object of that name is not ours.
    ForeignResource,
    /// The gates are open.
    Met,
    /// A gate is closed.
    Waiting,
    /// A dependency failed for good.
    DependencyFailed,
    /// The probe passes.
    ProbePassed,
    /// The workload starts.
    Starting,
    /// The model loads.
    Loading,
    /// The probe fails.
    ProbeFailed,
    /// The workload ended.
    Exited,
    /// The kernel ended it for lack of memory.
    OOMKilled,
    /// It ends again and again.
    CrashLooping,
    /// The image cannot be had.
    ImagePullFailed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 59] = [
        Self::Pending,
        Self::Valid,
        Self::Invalid,
        Self::DependencyCycle,
        Self::DuplicateName,
        Self::UnknownAdapter,
        Self::ProfileExportOnly,
        Self::ModeUnsupported,
        Self::UnknownEngine,
        Self::UnsupportedScheme,
        Self::Planned,
        Self::PlanFailed,
        Self::Selected,
        Self::NotNeeded,
        Self::ForcedUnavailable,
        Self::NoneAvailable,
        Self::EngineUnreachable,
        Self::Allocated,
        Self::Conflict,
        Self::Exhausted,
        Self::AllReady,
        Self::ServicesNotReady,
        Self::Ready,
        Self::Completed,
        Self::NotReady,
        Self::ReadinessTimeout,
        Self::Disabled,
        Self::Suspended,
        Self::Expired,
        Self::Terminating,
        Self::Panic,
        Self::ExplicitConfig,
        Self::RecipeMatched,
        Self::HintOnly,
        Self::NotContainerisable,
        Self::OptInRequired,
        Self::HostValidated,
        Self::HostRejected,
        Self::HostImpostor,
        Self::HostLost,
        Self::NoHostService,
        Self::NoAdapter,
        Self::AlwaysMode,
        Self::HostServiceRequired,
        Self::ManagedExternally,
        Self::RetainedData,
        Self::ProvisionFailed,
        Self::ForeignResource,
        Self::Met,
        Self::Waiting,
        Self::DependencyFailed,
        Self::ProbePassed,
        Self::Starting,
        Self::Loading,
        Self::ProbeFailed,
        Self::Exited,
        Self::OOMKilled,
        Self::CrashLooping,
        Self::ImagePullFailed,
    ];

    /// The word on the wire.
    #[expect(clippy::too_many_lines, reason = "one line per reason")]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Valid => "Valid",
            Self::Invalid => "Invalid",
            Self::DependencyCycle => "DependencyCycle",
            Self::DuplicateName => "DuplicateName",
            Self::UnknownAdapter => "UnknownAdapter",
            Self::ProfileExportOnly => "ProfileExportOnly",
            Self::ModeUnsupported => "ModeUnsupported",
            Self::UnknownEngine => "UnknownEngine",
            Self::UnsupportedScheme => "UnsupportedScheme",
            Self::Planned => "Planned",
            Self::PlanFailed => "PlanFailed",
            Self::Selected => "Selected",
            Self::NotNeeded => "NotNeeded",
            Self::ForcedUnavailable => "ForcedUnavailable",
            Self::NoneAvailable => "NoneAvailable",
            Self::EngineUnreachable => "EngineUnreachable",
            Self::Allocated => "Allocated",
            Self::Conflict => "Conflict",
            Self::Exhausted => "Exhausted",
            Self::AllReady => "AllReady",
            Self::ServicesNotReady => "ServicesNotReady",
            Self::Ready => "Ready",
            Self::Completed => "Completed",
            Self::NotReady => "NotReady",
            Self::ReadinessTimeout => "ReadinessTimeout",
            Self::Disabled => "Disabled",
            Self::Suspended => "Suspended",
            Self::Expired => "Expired",
            Self::Terminating => "Terminating",
            Self::Panic => "Panic",
            Self::ExplicitConfig => "ExplicitConfig",
            Self::RecipeMatched => "RecipeMatched",
            Self::HintOnly => "HintOnly",
            Self::NotContainerisable => "NotContainerisable",
            Self::OptInRequired => "OptInRequired",
            Self::HostValidated => "HostValidated",
            Self::HostRejected => "HostRejected",
            Self::HostImpostor => "HostImpostor",
            Self::HostLost => "HostLost",
            Self::NoHostService => "NoHostService",
            Self::NoAdapter => "NoAdapter",
            Self::AlwaysMode => "AlwaysMode",
            Self::HostServiceRequired => "HostServiceRequired",
            Self::ManagedExternally => "ManagedExternally",
            Self::RetainedData => "RetainedData",
            Self::ProvisionFailed => "ProvisionFailed",
            Self::ForeignResource => "ForeignResource",
            Self::Met => "Met",
            Self::Waiting => "Waiting",
            Self::DependencyFailed => "DependencyFailed",
            Self::ProbePassed => "ProbePassed",
            Self::Starting => "Starting",
            Self::Loading => "Loading",
            Self::ProbeFailed => "ProbeFailed",
            Self::Exited => "Exited",
            Self::OOMKilled => "OOMKilled",
            Self::CrashLooping => "CrashLooping",
            Self::ImagePullFailed => "ImagePullFailed",
        }
    }

    /// The reason of that word.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == word)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}
