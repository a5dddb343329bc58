//! `desired`: what one service needs of an engine, whole and comparable; nothing where no workload is provisioned.

mod hash;
mod identity;
mod image;
mod mounts;
mod spec;

use koan_crds::v1alpha1::EngineName;

use crate::step::{NetworkSpec, VolumeSpec};
use crate::workload::{ImageSpec, WorkloadSpec};

pub use hash::changed_fields;
pub use identity::{Ownership, object_name, own_volumes, volume_name};
pub use spec::{desired, engine_need, references};

/// What one service needs of an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desired {
    /// The engine; `None` where nothing is to run there.
    pub engine: Option<EngineName>,
    /// Networks.
    pub networks: Vec<NetworkSpec>,
    /// Named volumes or data folders.
    pub volumes: Vec<VolumeSpec>,
    /// Image.
    pub image: Option<ImageSpec>,
    /// Workloads, one per replica.
    pub workloads: Vec<WorkloadSpec>,
}
