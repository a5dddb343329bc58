//! What a plan reads: the stored objects, and those of the manifest that no apply has stored yet.

use std::sync::Arc;

use async_trait::async_trait;
use http::{Request, Response};
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_controller::{ReadError, Reader};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::ResourceExt;
use kube::client::Body;
use serde::de::DeserializeOwned;

use crate::manifest::Document;

/// Reads the manifest's Secrets and ConfigMaps first, everything else from the server, where one runs.
pub(super) struct Shelf {
    stored: Option<Arc<dyn Reader>>,
    secrets: Vec<Arc<Secret>>,
    config_maps: Vec<Arc<ConfigMap>>,
}

impl Shelf {
    /// A shelf over `stored`; `environment` is the Secret that an apply would write beside the stack.
    pub(super) fn new(stored: Option<Arc<dyn Reader>>, documents: &[Document], environment: Option<Secret>) -> Self {
        let mut secrets: Vec<Secret> = decode(documents, "Secret");
        for secret in &mut secrets {
            // The server turns stringData into data; nobody reads the former.
            let plain = std::mem::take(&mut secret.string_data).unwrap_or_default();
            let data = secret.data.get_or_insert_default();
            data.extend(plain.into_iter().map(|(key, value)| (key, ByteString(value.into_bytes()))));
        }
        secrets.extend(environment);
        let config_maps = decode(documents, "ConfigMap").into_iter().map(Arc::new).collect();
        Self { stored, secrets: secrets.into_iter().map(Arc::new).collect(), config_maps }
    }
}

fn decode<T: DeserializeOwned>(documents: &[Document], kind: &str) -> Vec<T> {
    let own = documents.iter().filter(|document| document.kind == kind);
    own.filter_map(|document| serde_json::from_value(document.value.clone()).ok()).collect()
}

fn find<T: ResourceExt>(objects: &[Arc<T>], namespace: &str, name: &str) -> Option<Arc<T>> {
    let same = |object: &&Arc<T>| object.name_any() == name && object.namespace().is_none_or(|own| own == namespace);
    objects.iter().find(same).cloned()
}

#[async_trait]
impl Reader for Shelf {
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError> {
        match &self.stored {
            Some(stored) => stored.stack(namespace, name).await,
            None => Ok(None),
        }
    }

    async fn stacks(&self, namespace: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError> {
        match &self.stored {
            Some(stored) => stored.stacks(namespace).await,
            None => Ok(Vec::new()),
        }
    }

    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError> {
        match &self.stored {
            Some(stored) => stored.service(namespace, name).await,
            None => Ok(None),
        }
    }

    async fn services(&self, namespace: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError> {
        match &self.stored {
            Some(stored) => stored.services(namespace).await,
            None => Ok(Vec::new()),
        }
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError> {
        match (find(&self.secrets, namespace, name), &self.stored) {
            (Some(secret), _) => Ok(Some(secret)),
            (None, Some(stored)) => stored.secret(namespace, name).await,
            (None, None) => Ok(None),
        }
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError> {
        match (find(&self.config_maps, namespace, name), &self.stored) {
            (Some(config_map), _) => Ok(Some(config_map)),
            (None, Some(stored)) => stored.config_map(namespace, name).await,
            (None, None) => Ok(None),
        }
    }
}

/// A client of no server: a plan reads through the shelf and writes nothing.
pub(super) fn nobody() -> kube::Client {
    let service = tower::service_fn(|_: Request<Body>| async {
        Err::<Response<Body>, _>(std::io::Error::other("no server runs for this home"))
    });
    kube::Client::new(service, "default")
}
