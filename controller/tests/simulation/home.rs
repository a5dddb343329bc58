//! Reads of the run's own API server, counted: the controllers' `Reader`, and typed looks for the oracles.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_apiserver::SnapshotReader;
use koan_controller::{ReadError, Reader};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use serde::de::DeserializeOwned;

/// Group, version and plural.
type Coordinates = (&'static str, &'static str, &'static str);

const STACKS: Coordinates = (koan_crds::GROUP, koan_crds::VERSION, "devstacks");
const SERVICES: Coordinates = (koan_crds::GROUP, koan_crds::VERSION, "servicespecs");
const SECRETS: Coordinates = ("", "v1", "secrets");
const CONFIG_MAPS: Coordinates = ("", "v1", "configmaps");
const EVENTS: Coordinates = ("", "v1", "events");

/// The objects of a run.
#[derive(Clone)]
pub(crate) struct Home {
    snapshot: SnapshotReader,
    reads: Arc<AtomicU64>,
}

impl Home {
    /// Over a server's store.
    pub(crate) fn new(snapshot: SnapshotReader) -> Self {
        Self { snapshot, reads: Arc::default() }
    }

    /// Reads of controllers so far.
    pub(crate) fn reads(&self) -> u64 {
        self.reads.load(Ordering::Relaxed)
    }

    /// Revision of the store.
    pub(crate) fn revision(&self) -> u64 {
        self.snapshot.revision()
    }

    /// Every stack.
    pub(crate) fn every_stack(&self) -> Vec<DevStack> {
        self.list(STACKS)
    }

    /// Every service.
    pub(crate) fn every_service(&self) -> Vec<ServiceSpec> {
        self.list(SERVICES)
    }

    /// Every Secret.
    pub(crate) fn every_secret(&self) -> Vec<Secret> {
        self.list(SECRETS)
    }

    /// Every ConfigMap.
    pub(crate) fn every_config_map(&self) -> Vec<ConfigMap> {
        self.list(CONFIG_MAPS)
    }

    /// Everything that a person may see, as text: no Secret.
    pub(crate) fn public_text(&self) -> String {
        let texts = [STACKS, SERVICES, CONFIG_MAPS, EVENTS].into_iter().flat_map(|kind| self.snapshot.list(kind, None).1);
        texts.map(|stored| String::from_utf8_lossy(stored.bytes()).into_owned()).collect()
    }

    fn list<T: DeserializeOwned>(&self, kind: Coordinates) -> Vec<T> {
        let stored = self.snapshot.list(kind, None).1;
        stored.iter().map(|stored| serde_json::from_slice(stored.bytes()).unwrap()).collect()
    }

    fn one<T: DeserializeOwned>(&self, kind: Coordinates, namespace: &str, name: &str) -> Option<Arc<T>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let stored = self.snapshot.get(kind, namespace, name)?;
        Some(Arc::new(serde_json::from_slice(stored.bytes()).unwrap()))
    }

    fn all<T: DeserializeOwned>(&self, kind: Coordinates) -> Vec<Arc<T>> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.list(kind).into_iter().map(Arc::new).collect()
    }
}

#[async_trait]
impl Reader for Home {
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError> {
        Ok(self.one(STACKS, namespace, name))
    }

    async fn stacks(&self, _: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError> {
        Ok(self.all(STACKS))
    }

    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError> {
        Ok(self.one(SERVICES, namespace, name))
    }

    async fn services(&self, _: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError> {
        Ok(self.all(SERVICES))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError> {
        Ok(self.one(SECRETS, namespace, name))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError> {
        Ok(self.one(CONFIG_MAPS, namespace, name))
    }
}
