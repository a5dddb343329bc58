//! Steps of a plan: what will happen, why, and at what price.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::identity::{ObjectId, Owner};
use crate::workload::{ImageSpec, WorkloadSpec};

/// Number of a step inside its plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StepId(pub u32);

/// One step: an action on one engine object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Number inside the plan.
    pub id: StepId,
    /// Name of the object.
    pub object: String,
    /// Why, as one sentence; changed fields are named, values masked.
    pub cause: String,
    /// Facts behind the cause.
    pub evidence: Vec<String>,
    /// True where the step puts right what somebody did to the engine's objects (drift), not what the user changed.
    pub repair: bool,
    /// What the running service suffers.
    pub downtime: Downtime,
    /// What data suffer.
    pub data_effect: DataEffect,
    /// Steps that come before.
    pub depends_on: Vec<StepId>,
    /// What is done.
    pub action: StepAction,
}

impl Step {
    /// The only step of a course: it waits for nothing, costs no downtime, and is no repair.
    pub fn alone(object: &str, cause: &str, action: StepAction) -> Self {
        Self {
            id: StepId(0),
            object: object.to_owned(),
            cause: cause.to_owned(),
            evidence: Vec::new(),
            repair: false,
            downtime: Downtime::None,
            data_effect: action.data_effect(),
            depends_on: Vec::new(),
            action,
        }
    }
}

/// Price of a step for the running service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Downtime {
    /// Nothing stops.
    None,
    /// It stops and starts again.
    Restart,
    /// It is replaced.
    Recreate,
}

/// Effect of a step on data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DataEffect {
    /// None.
    None,
    /// A volume is deleted.
    Deleted,
}

/// What a step does. Each is idempotent: done already is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StepAction {
    /// Makes the network unless it is there.
    EnsureNetwork(NetworkSpec),
    /// Makes the volume unless it is there.
    EnsureVolume(VolumeSpec),
    /// Pulls or builds the image unless it is there.
    EnsureImage(ImageSpec),
    /// Creates the workload without starting it; one of the same name, owner and hash is adopted.
    Create(Box<WorkloadSpec>),
    /// Starts a created or stopped workload.
    Start(ObjectRef),
    /// Sends TERM, then KILL after the grace.
    Stop {
        /// The workload.
        object: ObjectRef,
        /// Time between TERM and KILL, in milliseconds on the wire.
        #[serde(with = "crate::text::millis")]
        grace: Duration,
    },
    /// Removes a stopped workload; its volumes stay.
    Remove(ObjectRef),
    /// Removes a network without endpoints.
    RemoveNetwork(ObjectRef),
    /// Removes a volume; full name and creation time are compared uncached before (S-2).
    RemoveVolume {
        /// The volume.
        object: ObjectRef,
        /// Creation time that the caller saw, as the engine prints it.
        created_at: String,
    },
}

impl StepAction {
    /// What the step does to data.
    pub fn data_effect(&self) -> DataEffect {
        match self {
            Self::RemoveVolume { .. } => DataEffect::Deleted,
            Self::EnsureNetwork(_)
            | Self::EnsureVolume(_)
            | Self::EnsureImage(_)
            | Self::Create(_)
            | Self::Start(_)
            | Self::Stop { .. }
            | Self::Remove(_)
            | Self::RemoveNetwork(_) => DataEffect::None,
        }
    }

    /// The verb of the step in the past-tense-free imperative of plans.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::EnsureNetwork(_) => "CreateNetwork",
            Self::EnsureVolume(_) => "CreateVolume",
            Self::EnsureImage(_) => "EnsureImage",
            Self::Create(_) => "Create",
            Self::Start(_) => "Start",
            Self::Stop { .. } => "Stop",
            Self::Remove(_) => "Remove",
            Self::RemoveNetwork(_) => "RemoveNetwork",
            Self::RemoveVolume { .. } => "RemoveVolume",
        }
    }
}

/// An engine object that a step touches: instance, owner and id are compared, uncached, before anything destructive (S-3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectRef {
    /// Name of the object.
    pub name: String,
    /// Id, where it is known; a step after `Create` of the same plan knows the name only.
    pub id: Option<ObjectId>,
    /// Owner that the object must carry.
    pub owner: Owner,
}

/// A private network of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NetworkSpec {
    /// Name of the engine's network.
    pub name: String,
    /// Owner: the stack, or the `ServiceSpec` that stands alone.
    pub owner: Owner,
}

/// A named data volume. It belongs to (instance, namespace, stack, service, path); the owner UID names only its creator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VolumeSpec {
    /// Full name of the engine's volume.
    pub name: String,
    /// Path that it serves.
    pub path: String,
    /// Creator.
    pub owner: Owner,
}

/// Ordered steps; empty when converged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Steps in an order that respects their dependencies.
    pub steps: Vec<Step>,
}

impl Plan {
    /// True where a workload is made ahead of its gates: nothing starts, nothing ends (PERF-84).
    pub fn is_ahead(&self) -> bool {
        let of = |ahead: fn(&StepAction) -> bool| self.steps.iter().any(|step| ahead(&step.action));
        let makes = of(|action| matches!(action, StepAction::Create(_)));
        let moves = of(|action| matches!(action, StepAction::Start(_) | StepAction::Stop { .. } | StepAction::Remove(_)));
        makes && !moves
    }

    /// True where a workload starts.
    pub fn starts(&self) -> bool {
        self.steps.iter().any(|step| matches!(step.action, StepAction::Start(_)))
    }
}
