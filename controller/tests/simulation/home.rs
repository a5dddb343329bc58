//! Reads of the run's own API server, counted: the controllers' `Reader`, and typed looks for the oracles.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_apiserver::{SnapshotReader, Stored};
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

/// Objects by namespace and name, with the version that was read.
type Read<T> = BTreeMap<(String, String), (u64, Arc<T>)>;

/// Objects of one kind, each version read from its bytes once.
struct Shelf<T> {
    kind: Coordinates,
    read: Mutex<Read<T>>,
}

impl<T: DeserializeOwned> Shelf<T> {
    fn new(kind: Coordinates) -> Self {
        Self { kind, read: Mutex::default() }
    }

    fn take(&self, stored: &Stored) -> Arc<T> {
        let mut read = self.read.lock().unwrap();
        let key = (stored.namespace().to_owned(), stored.name().to_owned());
        if let Some((revision, object)) = read.get(&key)
            && *revision == stored.revision()
        {
            return Arc::clone(object);
        }
        let object = Arc::new(serde_json::from_slice(stored.bytes()).unwrap());
        read.insert(key, (stored.revision(), Arc::clone(&object)));
        object
    }
}

struct Shelves {
    snapshot: SnapshotReader,
    reads: AtomicU64,
    stacks: Shelf<DevStack>,
    services: Shelf<ServiceSpec>,
    secrets: Shelf<Secret>,
    config_maps: Shelf<ConfigMap>,
}

/// The objects of a run.
#[derive(Clone)]
pub(crate) struct Home(Arc<Shelves>);

impl Home {
    /// Over a server's store.
    pub(crate) fn new(snapshot: SnapshotReader) -> Self {
        Self(Arc::new(Shelves {
            snapshot,
            reads: AtomicU64::default(),
            stacks: Shelf::new(STACKS),
            services: Shelf::new(SERVICES),
            secrets: Shelf::new(SECRETS),
            config_maps: Shelf::new(CONFIG_MAPS),
        }))
    }

    /// Reads of controllers so far.
    pub(crate) fn reads(&self) -> u64 {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// Revision of the store.
    pub(crate) fn revision(&self) -> u64 {
        self.0.snapshot.revision()
    }

    /// Every stack.
    pub(crate) fn every_stack(&self) -> Vec<Arc<DevStack>> {
        self.list(&self.0.stacks)
    }

    /// Every service.
    pub(crate) fn every_service(&self) -> Vec<Arc<ServiceSpec>> {
        self.list(&self.0.services)
    }

    /// Every Secret.
    pub(crate) fn every_secret(&self) -> Vec<Arc<Secret>> {
        self.list(&self.0.secrets)
    }

    /// Every ConfigMap.
    pub(crate) fn every_config_map(&self) -> Vec<Arc<ConfigMap>> {
        self.list(&self.0.config_maps)
    }

    /// Everything that a person may see, as text: no Secret.
    pub(crate) fn public_text(&self) -> String {
        let texts = [STACKS, SERVICES, CONFIG_MAPS, EVENTS].into_iter().flat_map(|kind| self.0.snapshot.list(kind, None).1);
        texts.map(|stored| String::from_utf8_lossy(stored.bytes()).into_owned()).collect()
    }

    fn list<T: DeserializeOwned>(&self, shelf: &Shelf<T>) -> Vec<Arc<T>> {
        self.0.snapshot.list(shelf.kind, None).1.iter().map(|stored| shelf.take(stored)).collect()
    }

    fn one<T: DeserializeOwned>(&self, shelf: &Shelf<T>, namespace: &str, name: &str) -> Option<Arc<T>> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.0.snapshot.get(shelf.kind, namespace, name).map(|stored| shelf.take(&stored))
    }

    fn all<T: DeserializeOwned>(&self, shelf: &Shelf<T>) -> Vec<Arc<T>> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.list(shelf)
    }
}

#[async_trait]
impl Reader for Home {
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError> {
        Ok(self.one(&self.0.stacks, namespace, name))
    }

    async fn stacks(&self, _: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError> {
        Ok(self.all(&self.0.stacks))
    }

    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError> {
        Ok(self.one(&self.0.services, namespace, name))
    }

    async fn services(&self, _: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError> {
        Ok(self.all(&self.0.services))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError> {
        Ok(self.one(&self.0.secrets, namespace, name))
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError> {
        Ok(self.one(&self.0.config_maps, namespace, name))
    }
}
