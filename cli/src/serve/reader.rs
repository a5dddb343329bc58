//! The controllers' reads at home: straight from the server's own store.

use koan_apiserver::{SnapshotReader, Stored};
use koan_controller::{Resource, Snapshot};

/// The store of the server in this process.
pub(crate) struct HomeSnapshot(pub(crate) SnapshotReader);

impl Snapshot for HomeSnapshot {
    type Version = Stored;

    fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Stored> {
        self.0.get(resource, namespace, name)
    }

    fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Stored> {
        self.0.list(resource, namespace).1
    }
}
