//! Who owns what: the identifiers that cross stages, and the labels that carry them to an engine.

use std::collections::BTreeMap;
use std::fmt;

use koan_crds::labels;
use serde::{Deserialize, Serialize};

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub String);

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(text: &str) -> Self {
                Self(text.to_owned())
            }
        }
    };
}

text_newtype! {
    /// Random id of the state directory, or the UID of the cluster.
    InstanceId
}
text_newtype! {
    /// UID of a Kubernetes object.
    Uid
}
text_newtype! {
    /// Hash over each field of a workload that has an effect (P4).
    SpecHash
}
text_newtype! {
    /// Id of an engine's object: container id, network id, volume name, process identity.
    ObjectId
}

/// A `ServiceSpec` by namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ServiceKey {
    /// Namespace of the object.
    pub namespace: String,
    /// Name of the `ServiceSpec`.
    pub name: String,
}

impl fmt::Display for ServiceKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.namespace, self.name)
    }
}

/// Owner of an engine object; written as labels, read back at adoption.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// The Koan instance.
    pub instance: InstanceId,
    /// Namespace of the owner.
    pub namespace: String,
    /// Name of the stack; `None` for a `ServiceSpec` that stands alone.
    pub stack: Option<String>,
    /// Name of the service in its stack, else the `ServiceSpec`'s name. Empty on a network.
    pub service: String,
    /// UID of the owning `ServiceSpec`; of the stack on a network.
    pub uid: Uid,
}

impl Owner {
    /// The labels of this owner, without the spec hash.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let mut map = BTreeMap::from([
            (labels::INSTANCE.to_owned(), self.instance.0.clone()),
            (labels::NAMESPACE.to_owned(), self.namespace.clone()),
            (labels::OWNER_UID.to_owned(), self.uid.0.clone()),
        ]);
        if let Some(stack) = &self.stack {
            map.insert(labels::STACK.to_owned(), stack.clone());
        }
        if !self.service.is_empty() {
            map.insert(labels::SERVICE.to_owned(), self.service.clone());
        }
        map
    }

    /// The owner that a set of labels names; `None` unless instance, namespace and owner UID are all there.
    pub fn from_labels<'a>(get: impl Fn(&str) -> Option<&'a str>) -> Option<Self> {
        Some(Self {
            instance: get(labels::INSTANCE)?.into(),
            namespace: get(labels::NAMESPACE)?.to_owned(),
            stack: get(labels::STACK).map(str::to_owned),
            service: get(labels::SERVICE).unwrap_or_default().to_owned(),
            uid: get(labels::OWNER_UID)?.into(),
        })
    }
}
