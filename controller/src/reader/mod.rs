//! Reads of objects for reconciling: from the server's own store at home, over the API elsewhere.
//!
//! What a [`Reader`] answers may be stale and decides nothing destructive: a delete is preceded by an uncached read through
//! the gateway.

mod api;
mod snapshot;
mod value;

pub use api::ApiReader;
pub use snapshot::{Resource, Snapshot, StoreReader};
pub(crate) use value::value_of;

use std::sync::Arc;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};

/// Look-ups by namespace and name.
#[async_trait]
pub trait Reader: Send + Sync + 'static {
    /// One `DevStack`.
    ///
    /// # Errors
    /// The source did not answer, or the object does not decode.
    async fn stack(&self, namespace: &str, name: &str) -> Result<Option<Arc<DevStack>>, ReadError>;

    /// Every `DevStack`, of one namespace or of all, sorted by namespace and name.
    ///
    /// # Errors
    /// The source did not answer.
    async fn stacks(&self, namespace: Option<&str>) -> Result<Vec<Arc<DevStack>>, ReadError>;

    /// One `ServiceSpec`.
    ///
    /// # Errors
    /// The source did not answer, or the object does not decode.
    async fn service(&self, namespace: &str, name: &str) -> Result<Option<Arc<ServiceSpec>>, ReadError>;

    /// Every `ServiceSpec`, of one namespace or of all, sorted by namespace and name.
    ///
    /// # Errors
    /// The source did not answer.
    async fn services(&self, namespace: Option<&str>) -> Result<Vec<Arc<ServiceSpec>>, ReadError>;

    /// One `Secret`.
    ///
    /// # Errors
    /// The source did not answer.
    async fn secret(&self, namespace: &str, name: &str) -> Result<Option<Arc<Secret>>, ReadError>;

    /// One `ConfigMap`.
    ///
    /// # Errors
    /// The source did not answer.
    async fn config_map(&self, namespace: &str, name: &str) -> Result<Option<Arc<ConfigMap>>, ReadError>;
}

/// A read failed; the class is always Transient.
#[derive(Debug, thiserror::Error)]
#[error("{kind} could not be read: {message}")]
pub struct ReadError {
    /// What was read.
    pub kind: &'static str,
    /// What happened.
    pub message: String,
}
