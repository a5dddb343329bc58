//! Reads of stored objects for code in the same process: no HTTP, no copy of the bytes.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;
use tokio::sync::watch;

use super::core::Core;
use crate::kinds::{Resource, from_storage};
use crate::store::{Key, Object, Scope};

/// One stored object: its bytes are shared with the store.
#[derive(Debug, Clone)]
pub struct Stored {
    resource: Arc<Resource>,
    object: Arc<Object>,
}

impl Stored {
    /// The canonical JSON of the stored version.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.object.bytes
    }

    /// The namespace; empty for cluster-scoped objects.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.object.meta.namespace
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.object.meta.name
    }

    /// The UID.
    #[must_use]
    pub fn uid(&self) -> &str {
        &self.object.meta.uid
    }

    /// The resourceVersion.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.object.revision
    }

    /// The object as a tree, read from its bytes on each call.
    #[must_use]
    pub fn value(&self) -> Arc<Value> {
        let mut value = self.object.value();
        from_storage(&self.resource, &mut value);
        Arc::new(value)
    }
}

impl AsRef<[u8]> for Stored {
    fn as_ref(&self) -> &[u8] {
        &self.object.bytes
    }
}

/// Reads the latest durable versions.
#[derive(Clone)]
pub struct SnapshotReader {
    core: Arc<Core>,
}

impl SnapshotReader {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// The object `namespace/name` of `group/version` and `plural`, if it is served and exists.
    #[must_use]
    pub fn get(&self, kind: (&str, &str, &str), namespace: &str, name: &str) -> Option<Stored> {
        let resource = self.core.registry().find(kind.0, kind.1, kind.2).cloned()?;
        let object = self.core.store.get(&Key::new(&resource.storage, namespace, name))?;
        Some(Stored { resource, object })
    }

    /// All objects of `group`, `version` and `plural`, of one namespace or of all, in key order; and the revision they
    /// were read at.
    #[must_use]
    pub fn list(&self, kind: (&str, &str, &str), namespace: Option<&str>) -> (u64, Vec<Stored>) {
        let Some(resource) = self.core.registry().find(kind.0, kind.1, kind.2).cloned() else { return (0, Vec::new()) };
        let scope = namespace.map_or(Scope::All, |namespace| Scope::Namespace(namespace.to_owned()));
        let (revision, objects) = self.core.store.list(&resource.storage, &scope, &|_| true);
        (revision, objects.into_iter().map(|object| Stored { resource: Arc::clone(&resource), object }).collect())
    }

    /// Moves on with each write of one kind; `None` where it is not served.
    #[must_use]
    pub fn changes_of(&self, kind: (&str, &str, &str)) -> Option<watch::Receiver<u64>> {
        let resource = self.core.registry().find(kind.0, kind.1, kind.2).cloned()?;
        Some(self.core.store.subscribe(&resource.storage))
    }

    /// The revision of the store.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.core.store.revision()
    }

    /// Moves on with each write; it holds nothing and costs nothing while nobody writes.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.core.store.settled()
    }
}
