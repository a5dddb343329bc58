//! Reads from the store of a server in the same process: no request, no second cache (PERF-90).

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use serde::de::DeserializeOwned;

use super::{ReadError, Reader};

/// Group, version and plural of a kind.
pub type Resource = (&'static str, &'static str, &'static str);

const STACKS: Resource = (koan_crds::GROUP, koan_crds::VERSION, "devstacks");
const SERVICES: Resource = (koan_crds::GROUP, koan_crds::VERSION, "servicespecs");
const SECRETS: Resource = ("", "v1", "secrets");
const CONFIG_MAPS: Resource = ("", "v1", "configmaps");

/// The latest durable versions of a server's objects, each as its JSON.
pub trait Snapshot: Send + Sync + 'static {
    /// What holds the bytes of one version.
    type Version: AsRef<[u8]>;

    /// One object.
    fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Self::Version>;

    /// All objects of one namespace or of all, sorted by namespace and name.
    fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Self::Version>;
}

/// A [`Reader`] over a [`Snapshot`]; objects are decoded on each read.
pub struct StoreReader<S> {
    snapshot: S,
}

impl<S: Snapshot> StoreReader<S> {
    /// Reads from this snapshot.
    pub fn new(snapshot: S) -> Self {
        Self { snapshot }
    }

    fn one<K: DeserializeOwned>(&self, resource: Resource, namespace: &str, name: &str) -> Result<Option<Arc<K>>, ReadError> {
        self.snapshot.get(resource, namespace, name).map(|version| decode(resource, &version)).transpose()
    }

    /// Objects that this version of Koan cannot read are left out: one of them must not stop the rest.
    fn all<K: DeserializeOwned>(&self, resource: Resource, namespace: Option<&str>) -> Vec<Arc<K>> {
        self.snapshot.list(resource, namespace).iter().filter_map(|version| decode(resource, version).ok()).collect()
    }
}

fn decode<K: DeserializeOwned>(resource: Resource, version: &impl AsRef<[u8]>) -> Result<Arc<K>, ReadError> {
    let decoded = serde_json::from_slice(version.as_ref());
    decoded.map(Arc::new).map_err(|error| ReadError { kind: resource.2, message: error.to_string() })
}

#[async_trait]
impl<S: Snapshot> Reader for StoreReader<S> {
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError> {
        self.one(STACKS, namespace, name)
    }

    async fn stacks(&self, namespace: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError> {
        Ok(self.all(STACKS, namespace))
    }

    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError> {
        self.one(SERVICES, namespace, name)
    }

    async fn services(&self, namespace: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError> {
        Ok(self.all(SERVICES, namespace))
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError> {
        self.one(SECRETS, namespace, name)
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError> {
        self.one(CONFIG_MAPS, namespace, name)
    }
}
