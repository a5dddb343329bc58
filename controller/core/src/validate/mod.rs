//! `validate`: every violation of a stack or a service with its field path, in one pass, before any I/O.

mod bounds;
mod detection;
mod environment;
mod findings;
mod graph;
mod health;
mod parts;
mod ports;
mod service;
mod settings;
mod stack;
mod storage;
mod valid;
mod workload;

pub(crate) use findings::short as spell_duration;
pub use graph::shared_names;
pub use parts::{
    CredentialPolicy, DetectionPolicy, EndpointPolicy, EngineWish, Gate, HealthForm, ValidBuild, ValidContainer, ValidHealth,
    ValidPersistence, ValidPort, ValidPortPolicy, ValidProcess, ValidVolume, VolumeSource, Workload,
};
pub use service::validate_service;
pub use stack::validate_stack;
pub use valid::{ProfileSource, StackEntry, StackIdentity, StackMember, StackOptions, ValidService, ValidStack};
