//! Events by numeric id: the reason of a Kubernetes Event, its annotation and the log field `event_id` (cli.md section 10).
//!
//! Ids are never reused. Blocks of rooms that do not exist yet are absent.

/// An event; its name is the Kubernetes Event's reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Event {
    /// Id 48000.
    PlanBuildStart,
    /// Id 48001.
    PlanBuildOk,
    /// Id 48002.
    PlanBuildWarn,
    /// Id 48003.
    PlanBuildError,
    /// Id 48004.
    PortsAllocated,
    /// Id 48005.
    PortRepicked,
    /// Id 48010.
    ProviderSelectStart,
    /// Id 48011.
    ProviderSelected,
    /// Id 48012.
    ProviderUnavailable,
    /// Id 48020.
    UpStart,
    /// Id 48021.
    UpReady,
    /// Id 48022.
    ReadinessTimeout,
    /// Id 48030.
    DownStart,
    /// Id 48031.
    DownOk,
    /// Id 48050.
    DetectStart,
    /// Id 48051.
    HostServiceUsed,
    /// Id 48052.
    HostServiceRejected,
    /// Id 48053.
    HostServiceImpostor,
    /// Id 48054.
    HostServiceLost,
    /// Id 48055.
    HostServiceBack,
    /// Id 48056.
    CredentialGenerated,
    /// Id 48057.
    CredentialSkipped,
    /// Id 48058.
    RelayOpened,
    /// Id 48059.
    HostServiceRequired,
    /// Id 48080.
    ContainerCreated,
    /// Id 48081.
    ContainerReplaced,
    /// Id 48082.
    DriftRepaired,
    /// Id 48083.
    CrashLooping,
    /// Id 48084.
    ImagePullFailed,
    /// Id 48085.
    VolumeRetained,
    /// Id 48086.
    VolumeDeleted,
    /// Id 48087.
    CleanupBlocked,
    /// Id 48088.
    OrphanCollected,
    /// Id 48089.
    StackExpired,
    /// Id 48090.
    ServerStarted,
    /// Id 48091.
    ServerStopped,
    /// Id 48092.
    StoreRecovered,
    /// Id 48093.
    ReconcilePanic,
    /// Id 48094.
    EngineLost,
    /// Id 48095.
    EngineBack,
    /// Id 48096.
    PackagesInstalled,
}

impl Event {
    /// Every event, by id.
    pub const ALL: [Self; 41] = [
        Self::PlanBuildStart,
        Self::PlanBuildOk,
        Self::PlanBuildWarn,
        Self::PlanBuildError,
        Self::PortsAllocated,
        Self::PortRepicked,
        Self::ProviderSelectStart,
        Self::ProviderSelected,
        Self::ProviderUnavailable,
        Self::UpStart,
        Self::UpReady,
        Self::ReadinessTimeout,
        Self::DownStart,
        Self::DownOk,
        Self::DetectStart,
        Self::HostServiceUsed,
        Self::HostServiceRejected,
        Self::HostServiceImpostor,
        Self::HostServiceLost,
        Self::HostServiceBack,
        Self::CredentialGenerated,
        Self::CredentialSkipped,
        Self::RelayOpened,
        Self::HostServiceRequired,
        Self::ContainerCreated,
        Self::ContainerReplaced,
        Self::DriftRepaired,
        Self::CrashLooping,
        Self::ImagePullFailed,
        Self::VolumeRetained,
        Self::VolumeDeleted,
        Self::CleanupBlocked,
        Self::OrphanCollected,
        Self::StackExpired,
        Self::ServerStarted,
        Self::ServerStopped,
        Self::StoreRecovered,
        Self::ReconcilePanic,
        Self::EngineLost,
        Self::EngineBack,
        Self::PackagesInstalled,
    ];

    /// The numeric id.
    pub fn id(self) -> u32 {
        match self {
            Self::PlanBuildStart => 48_000,
            Self::PlanBuildOk => 48_001,
            Self::PlanBuildWarn => 48_002,
            Self::PlanBuildError => 48_003,
            Self::PortsAllocated => 48_004,
            Self::PortRepicked => 48_005,
            Self::ProviderSelectStart => 48_010,
            Self::ProviderSelected => 48_011,
            Self::ProviderUnavailable => 48_012,
            Self::UpStart => 48_020,
            Self::UpReady => 48_021,
            Self::ReadinessTimeout => 48_022,
            Self::DownStart => 48_030,
            Self::DownOk => 48_031,
            Self::DetectStart => 48_050,
            Self::HostServiceUsed => 48_051,
            Self::HostServiceRejected => 48_052,
            Self::HostServiceImpostor => 48_053,
            Self::HostServiceLost => 48_054,
            Self::HostServiceBack => 48_055,
            Self::CredentialGenerated => 48_056,
            Self::CredentialSkipped => 48_057,
            Self::RelayOpened => 48_058,
            Self::HostServiceRequired => 48_059,
            Self::ContainerCreated => 48_080,
            Self::ContainerReplaced => 48_081,
            Self::DriftRepaired => 48_082,
            Self::CrashLooping => 48_083,
            Self::ImagePullFailed => 48_084,
            Self::VolumeRetained => 48_085,
            Self::VolumeDeleted => 48_086,
            Self::CleanupBlocked => 48_087,
            Self::OrphanCollected => 48_088,
            Self::StackExpired => 48_089,
            Self::ServerStarted => 48_090,
            Self::ServerStopped => 48_091,
            Self::StoreRecovered => 48_092,
            Self::ReconcilePanic => 48_093,
            Self::EngineLost => 48_094,
            Self::EngineBack => 48_095,
            Self::PackagesInstalled => 48_096,
        }
    }

    /// The name: reason of the Kubernetes Event.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PlanBuildStart => "PlanBuildStart",
            Self::PlanBuildOk => "PlanBuildOk",
            Self::PlanBuildWarn => "PlanBuildWarn",
            Self::PlanBuildError => "PlanBuildError",
            Self::PortsAllocated => "PortsAllocated",
            Self::PortRepicked => "PortRepicked",
            Self::ProviderSelectStart => "ProviderSelectStart",
            Self::ProviderSelected => "ProviderSelected",
            Self::ProviderUnavailable => "ProviderUnavailable",
            Self::UpStart => "UpStart",
            Self::UpReady => "UpReady",
            Self::ReadinessTimeout => "ReadinessTimeout",
            Self::DownStart => "DownStart",
            Self::DownOk => "DownOk",
            Self::DetectStart => "DetectStart",
            Self::HostServiceUsed => "HostServiceUsed",
            Self::HostServiceRejected => "HostServiceRejected",
            Self::HostServiceImpostor => "HostServiceImpostor",
            Self::HostServiceLost => "HostServiceLost",
            Self::HostServiceBack => "HostServiceBack",
            Self::CredentialGenerated => "CredentialGenerated",
            Self::CredentialSkipped => "CredentialSkipped",
            Self::RelayOpened => "RelayOpened",
            Self::HostServiceRequired => "HostServiceRequired",
            Self::ContainerCreated => "ContainerCreated",
            Self::ContainerReplaced => "ContainerReplaced",
            Self::DriftRepaired => "DriftRepaired",
            Self::CrashLooping => "CrashLooping",
            Self::ImagePullFailed => "ImagePullFailed",
            Self::VolumeRetained => "VolumeRetained",
            Self::VolumeDeleted => "VolumeDeleted",
            Self::CleanupBlocked => "CleanupBlocked",
            Self::OrphanCollected => "OrphanCollected",
            Self::StackExpired => "StackExpired",
            Self::ServerStarted => "ServerStarted",
            Self::ServerStopped => "ServerStopped",
            Self::StoreRecovered => "StoreRecovered",
            Self::ReconcilePanic => "ReconcilePanic",
            Self::EngineLost => "EngineLost",
            Self::EngineBack => "EngineBack",
            Self::PackagesInstalled => "PackagesInstalled",
        }
    }

    /// True where the Kubernetes Event is of type Warning.
    ///
    /// `PortRepicked` is one only under `conflicts: Warn` (CLI-36), which its emitter knows.
    pub fn is_warning(self) -> bool {
        matches!(
            self,
            Self::PlanBuildWarn
                | Self::PlanBuildError
                | Self::ProviderUnavailable
                | Self::ReadinessTimeout
                | Self::HostServiceRejected
                | Self::HostServiceImpostor
                | Self::HostServiceLost
                | Self::HostServiceRequired
                | Self::CrashLooping
                | Self::ImagePullFailed
                | Self::CleanupBlocked
                | Self::ReconcilePanic
                | Self::EngineLost
        )
    }

    /// True for ids that are log records only: the starts of operations, and the server's own.
    pub fn is_log_only(self) -> bool {
        matches!(
            self,
            Self::PlanBuildStart
                | Self::ProviderSelectStart
                | Self::UpStart
                | Self::DownStart
                | Self::DetectStart
                | Self::ServerStarted
                | Self::ServerStopped
                | Self::StoreRecovered
        )
    }
}
