//! Reads over an API client: for tests and for a cluster until its reflector stands.

use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::api::{Api, ListParams};
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use super::{ReadError, Reader};

/// A read that is not answered within this time has failed.
const READ_LIMIT: Duration = Duration::from_secs(10);
/// Objects per page of a list (PERF-94).
const PAGE: u32 = 500;

/// Every read is a request.
#[derive(Clone)]
pub struct ApiReader {
    client: Client,
}

impl ApiReader {
    /// Reads through this client.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    async fn one<K>(&self, kind: &'static str, namespace: &str, name: &str) -> Result<Option<Arc<K>>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), namespace);
        answered(kind, api.get_opt(name)).await.map(|found| found.map(Arc::new))
    }

    async fn all<K>(&self, kind: &'static str, namespace: Option<&str>) -> Result<Vec<Arc<K>>, ReadError>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = match namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        };
        let mut parameters = ListParams::default().limit(PAGE);
        let mut found = Vec::new();
        loop {
            let page = answered(kind, api.list(&parameters)).await?;
            found.extend(page.items.into_iter().map(Arc::new));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => parameters = parameters.continue_token(&token),
                None => break,
            }
        }
        found.sort_by_key(|object| (object.namespace(), object.name_any()));
        Ok(found)
    }
}

async fn answered<T>(kind: &'static str, call: impl Future<Output = Result<T, kube::Error>>) -> Result<T, ReadError> {
    match timeout(READ_LIMIT, call).await {
        Ok(result) => result.map_err(|error| ReadError { kind, message: error.to_string() }),
        Err(_) => Err(ReadError { kind, message: format!("no answer within {READ_LIMIT:?}") }),
    }
}

#[async_trait]
impl Reader for ApiReader {
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError> {
        self.one("DevStack", namespace, name).await
    }

    async fn stacks(&self, namespace: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError> {
        self.all("DevStack", namespace).await
    }

    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError> {
        self.one("ServiceSpec", namespace, name).await
    }

    async fn services(&self, namespace: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError> {
        self.all("ServiceSpec", namespace).await
    }

    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError> {
        self.one("Secret", namespace, name).await
    }

    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError> {
        self.one("ConfigMap", namespace, name).await
    }
}
