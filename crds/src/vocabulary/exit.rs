use super::Reason;

/// Exit code of the command line (cli.md section 3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum ExitCode {
    /// Done, converged, nothing to do.
    Ok = 0,
    /// Failed, or a check is not met.
    General = 1,
    /// Usage, configuration or an invalid manifest.
    Usage = 2,
    /// Container engine, required tool or accelerator.
    Engine = 3,
    /// Not ready in time, or failed for good.
    Readiness = 4,
    /// Ports.
    Ports = 5,
    /// Host service or credentials required.
    HostService = 6,
    /// Loss under `--strict`.
    Lossy = 7,
    /// A bug in Koan.
    Bug = 70,
}

impl ExitCode {
    /// If several apply, the first of these wins (CLI-17).
    const PRECEDENCE: [Self; 8] =
        [Self::Bug, Self::Usage, Self::Engine, Self::HostService, Self::Ports, Self::Readiness, Self::Lossy, Self::General];

    /// The one code of a reason, whatever the condition it stands beside.
    ///
    /// A healthy reason (`Valid`, `AllReady`, …) is 0.
    pub fn of(reason: Reason) -> Self {
        use Reason as R;
        match reason {
            R::Panic => Self::Bug,
            R::Invalid
            | R::DependencyCycle
            | R::DuplicateName
            | R::UnknownAdapter
            | R::ProfileExportOnly
            | R::ModeUnsupported
            | R::UnknownEngine
            | R::UnsupportedScheme => Self::Usage,
            R::ForcedUnavailable | R::NoneAvailable | R::EngineUnreachable => Self::Engine,
            R::HostServiceRequired | R::HostLost => Self::HostService,
            R::Conflict | R::Exhausted => Self::Ports,
            R::ReadinessTimeout
            | R::CrashLooping
            | R::ImagePullFailed
            | R::OOMKilled
            | R::Exited
            | R::ProbeFailed
            | R::DependencyFailed
            | R::Pending
            | R::Starting
            | R::Loading
            | R::Waiting
            | R::NotReady
            | R::ServicesNotReady
            | R::Suspended
            | R::Expired
            | R::Terminating => Self::Readiness,
            R::PlanFailed | R::ProvisionFailed | R::ForeignResource => Self::General,
            R::Valid
            | R::Planned
            | R::Selected
            | R::NotNeeded
            | R::Allocated
            | R::AllReady
            | R::Ready
            | R::Completed
            | R::Disabled
            | R::ExplicitConfig
            | R::RecipeMatched
            | R::HintOnly
            | R::NotContainerisable
            | R::OptInRequired
            | R::HostValidated
            | R::HostRejected
            | R::HostImpostor
            | R::NoHostService
            | R::NoAdapter
            | R::AlwaysMode
            | R::ManagedExternally
            | R::RetainedData
            | R::Met
            | R::ProbePassed => Self::Ok,
        }
    }

    /// The code that wins if several apply; `Ok` where none does.
    pub fn first_of(codes: impl IntoIterator<Item = Self>) -> Self {
        let codes: Vec<Self> = codes.into_iter().collect();
        Self::PRECEDENCE.into_iter().find(|code| codes.contains(code)).unwrap_or(Self::Ok)
    }
}
