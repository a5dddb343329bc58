//! What is reconciled: a kind and a name.

use std::fmt;

/// Kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// A `DevStack`.
    Stack,
    /// A `ServiceSpec`.
    Service,
    /// The readiness probe of a `ServiceSpec`.
    Probe,
    /// The inventory of an engine.
    Engine,
    /// The collector of orphans.
    Collector,
}

impl Kind {
    /// Every kind, in the order in which free places are filled: what the user waits for comes first.
    pub(crate) const ALL: [Self; 5] = [Self::Probe, Self::Engine, Self::Service, Self::Stack, Self::Collector];

    /// Reconciles of this kind that may be in flight at once (REL-6). Probes wait on the network and nothing else.
    pub(crate) fn width(self) -> usize {
        match self {
            Self::Stack | Self::Service => RECONCILES_IN_FLIGHT,
            Self::Probe => PROBES_IN_FLIGHT,
            Self::Engine => ENGINES_IN_FLIGHT,
            Self::Collector => 1,
        }
    }
}

/// Reconciles in flight per kind of object.
const RECONCILES_IN_FLIGHT: usize = 8;
/// Probes in flight.
const PROBES_IN_FLIGHT: usize = 64;
/// Inventories in flight; one per engine.
const ENGINES_IN_FLIGHT: usize = 4;

/// One unit of work; at most one reconcile of a key is in flight.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// Kind of work.
    pub kind: Kind,
    /// Namespace; empty for engines and the collector.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// A key.
    pub fn new(kind: Kind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }

    /// The `DevStack` of that name.
    pub fn stack(namespace: &str, name: &str) -> Self {
        Self::new(Kind::Stack, namespace, name)
    }

    /// The `ServiceSpec` of that name.
    pub fn service(namespace: &str, name: &str) -> Self {
        Self::new(Kind::Service, namespace, name)
    }

    /// The readiness probe of the `ServiceSpec` of that name.
    pub fn probe(namespace: &str, name: &str) -> Self {
        Self::new(Kind::Probe, namespace, name)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?} {}/{}", self.kind, self.namespace, self.name)
    }
}
