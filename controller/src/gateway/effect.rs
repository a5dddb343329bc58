//! Effects as values.

use std::fmt;

use koan_core::step::Step;
use koan_crds::v1alpha1::EngineName;
use serde_json::Value;

/// One write.
#[derive(Clone, Debug)]
pub enum Effect {
    /// To the API server.
    Api(ApiWrite),
    /// To an engine.
    Engine {
        /// The engine.
        engine: EngineName,
        /// The step of a plan.
        step: Box<Step>,
    },
}

/// Kinds that Koan writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiKind {
    /// `DevStack`.
    DevStack,
    /// `ServiceSpec`.
    ServiceSpec,
    /// `Secret`.
    Secret,
    /// `ConfigMap`.
    ConfigMap,
    /// `Event` of `v1`.
    Event,
}

impl ApiKind {
    /// Kind as on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DevStack => "DevStack",
            Self::ServiceSpec => "ServiceSpec",
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
            Self::Event => "Event",
        }
    }

    /// `apiVersion` as on the wire.
    pub fn api_version(self) -> &'static str {
        match self {
            Self::DevStack | Self::ServiceSpec => koan_crds::API_VERSION,
            Self::Secret | Self::ConfigMap | Self::Event => "v1",
        }
    }
}

/// Verb of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ApiVerb {
    /// Forced server-side apply.
    Apply,
    /// Forced server-side apply of the status subresource.
    Status,
    /// Create; an object of that name is adopted if its labels say that it is ours.
    Create,
    /// JSON merge patch of the metadata, with UID and resourceVersion inside.
    Patch,
    /// Delete with UID and resourceVersion as preconditions.
    Delete,
}

impl ApiVerb {
    /// The word in traces and counters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Apply => "apply",
            Self::Status => "status",
            Self::Create => "create",
            Self::Patch => "patch",
            Self::Delete => "delete",
        }
    }
}

/// One write to the API server.
#[derive(Clone, Debug)]
pub struct ApiWrite {
    /// Verb.
    pub verb: ApiVerb,
    /// Kind.
    pub kind: ApiKind,
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Field manager.
    pub manager: &'static str,
    /// Object or patch; for a delete, its preconditions `{uid, resourceVersion}`.
    pub body: Value,
    /// The reconcile of this key made the write, so its echo needs no further one.
    pub echo: Option<crate::runtime::Key>,
}

impl fmt::Display for Effect {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Api(write) => {
                write!(formatter, "{} {} {}/{}", write.verb.as_str(), write.kind.as_str(), write.namespace, write.name)
            }
            Self::Engine { engine, step } => write!(formatter, "{engine:?} {} {}", step.action.verb(), step.object),
        }
    }
}
