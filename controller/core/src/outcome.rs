//! What became of a step: done, waiting or failed. Success and waiting are values, never errors (style rule 16).

use std::time::Duration;

use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

use crate::identity::ObjectId;

/// Result of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done, now or before.
    Done(Done),
    /// Not yet; ask again after the delay.
    Waiting {
        /// What is waited for.
        what: String,
        /// When to ask again.
        delay: Duration,
    },
    /// Failed.
    Failed(Failure),
}

/// A step that is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Something was changed; false where it was so before.
    pub changed: bool,
    /// Id of the object, where one is left.
    pub id: Option<ObjectId>,
    /// Digest of the image, after `EnsureImage`.
    pub image_digest: Option<String>,
    /// Platform of the image, after `EnsureImage`.
    pub platform: Option<String>,
}

/// A step that failed: class, reason, message and remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Decides requeue and event.
    pub class: FailureClass,
    /// Reason for a condition, such as `ImagePullFailed`, `ProvisionFailed`, `EngineUnreachable`, `ForeignResource`, `Conflict`.
    pub reason: Reason,
    /// One deterministic sentence, without secrets.
    pub message: String,
    /// What the user can do.
    pub remedy: Option<String>,
}
