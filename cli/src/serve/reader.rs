//! The controllers' reads at home: straight from the server's own store, no second cache (PERF-90).

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_apiserver::{SnapshotReader, Stored};
use koan_controller::{ReadError, Reader};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use serde::de::DeserializeOwned;

/// Group, version and plural of a kind.
type Coordinates = (&'static str, &'static str, &'static str);

const STACKS: Coordinates = (koan_crds::GROUP, koan_crds::VERSION, "devstacks");
const SERVICES: Coordinates = (koan_crds::GROUP, koan_crds::VERSION, "servicespecs");
const SECRETS: Coordinates = ("", "v1", "secrets");
const CONFIG_MAPS: Coordinates = ("", "v1", "configmaps");

/// Reads the store of the server in this process.
pub(crate) struct HomeReader(pub(crate) SnapshotReader);

impl HomeReader {
    fn one<T: DeserializeOwned>(&self, kind: Coordinates, namespace: &str, name: &str) -> Result<Option<Arc<T>>, ReadError> {
        self.0.get(kind, namespace, name).map(|stored| decode(kind, &stored)).transpose()
    }

    /// Objects that this version cannot read are left out: one of them must not stop the rest.
    fn all<T: DeserializeOwned>(&self, kind: Coordinates, namespace: Option<&str>) -> Vec<Arc<T>> {
        self.0.list(kind, namespace).1.iter().filter_map(|stored| decode(kind, stored).ok()).collect()
    }
}

fn decode<T: DeserializeOwned>(kind: Coordinates, stored: &Stored) -> Result<Arc<T>, ReadError> {
    serde_json::from_slice(stored.bytes()).map(Arc::new).map_err(|error| ReadError { kind: kind.2, message: error.to_string() })
}

#[async_trait]
impl Reader for HomeReader {
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
