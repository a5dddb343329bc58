//! `koan.dev/v1alpha1`. Later versions become siblings of this module (K-6).

#![allow(
    missing_docs,
    reason = "the derives generate public items without docs; unit variants stay bare so that their order survives in the schema"
)]

mod devstack;
mod environment;
mod health;
mod inference;
mod network;
mod provisioning;
mod scalar;
mod servicespec;
mod status;
mod storage;
mod workload;

pub use devstack::{
    DevStack, DevStackSpec, DevStackStatus, EngineStatus, ServiceReference, ServiceSummary, StackPort, StackService, Timeline,
};
pub use environment::{EnvSource, EnvVar, FieldReference, KeyReference, LocalReference, OutputReference};
pub use health::{AdapterCheck, ExecCheck, HealthCheck, HttpCheck, LogCheck, TcpCheck};
pub use inference::{
    GpuPolicy, Inference, InferenceBinary, InferenceBuild, InferenceContainer, InferenceExternal, InferenceModel,
    InferencePackage, InferenceSource, InferenceStatus,
};
pub use network::{ConflictPolicy, DependencyCondition, DependsOn, Endpoint, Port, PortPolicy, PortSource, Protocol};
pub use provisioning::{
    Credentials, Detection, EngineChoice, EngineName, OnLoss, Profile, Provisioning, ProvisioningMode, VolumeReclaim,
};
pub use scalar::{GoDuration, PortRef, Quantity};
pub use servicespec::{ServiceFields, ServiceSpec, ServiceSpecSpec};
pub use status::{
    Action, CredentialName, DecisionStatus, DetectionMethod, Endpoints, Evidence, EvidenceCode, EvidenceStep, FailureClass,
    LastFailure, ServicePort, ServiceSpecStatus, WorkloadStatus,
};
pub use storage::{FileMount, FileSource, Persistence, PersistenceMode, Tmpfs, Volume};
pub use workload::{Build, Container, External, Process, PullPolicy, Resources, RestartPolicy};
