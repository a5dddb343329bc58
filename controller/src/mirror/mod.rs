//! Containers and processes of services as Pods, for clients that know nothing else (API-3).
//!
//! Derived from ServiceSpecs and inventories that are held anyway; it writes one thing: the request to restart exactly one
//! workload. The embedding process shows the Pods and asks again when [`Mirror::changes`] moves.

mod pod;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use koan_core::step::ObjectRef;
use koan_crds::labels;
use koan_crds::v1alpha1::{FailureClass, ServiceSpec};
use koan_engines::Engine;
use kube::ResourceExt;
use tokio::sync::watch;

use crate::context::Context;
use crate::gateway::{ApiError, ApiKind, Identity};
use crate::reader::ReadError;

/// How often a request that met another write is made anew.
const TRIES: u32 = 5;

/// One workload behind a Pod.
pub struct Held {
    /// The engine that runs it.
    pub engine: Arc<dyn Engine>,
    /// How the engine calls it.
    pub object: ObjectRef,
}

/// A restart could not be noted.
#[derive(Debug, thiserror::Error)]
pub enum RestartError {
    /// No workload has that UID any more, or its service is gone.
    #[error("there is no workload {uid} any more")]
    Absent {
        /// UID of the Pod.
        uid: String,
    },
    /// The service could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The note was not written.
    #[error(transparent)]
    Write(#[from] ApiError),
}

impl RestartError {
    /// Class of the failure.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Absent { .. } | Self::Read(_) => FailureClass::Transient,
            Self::Write(error) => error.class(),
        }
    }
}

/// The Pods of one instance.
#[derive(Clone)]
pub struct Mirror {
    context: Arc<Context>,
}

impl Mirror {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Moves on when an inventory changed; what ServiceSpecs say is told by their own watch.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.context.pool.moved()
    }

    /// One Pod for each workload of a service that is there, sorted by namespace and name.
    ///
    /// # Errors
    /// The services could not be read.
    pub async fn pods(&self) -> Result<Vec<Pod>, ReadError> {
        let services = self.context.reader.services(None).await?;
        let engines: Vec<_> = self.context.pool.names().filter_map(|name| self.context.pool.last_seen(name)).collect();
        Ok(services.iter().flat_map(|service| pod::pods(service, &self.context.instance, &engines)).collect())
    }

    /// The workload of this UID in this namespace, by what is known of the engines.
    pub fn held(&self, namespace: &str, uid: &str) -> Option<Held> {
        self.context.pool.names().find_map(|name| {
            let inventory = self.context.pool.last_seen(name)?;
            let record = inventory.workloads.iter().find(|record| record.id.0 == uid && record.owner.namespace == namespace)?;
            let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
            Some(Held { engine: Arc::clone(self.context.pool.engine(name)?), object })
        })
    }

    /// Notes that exactly this workload is to be replaced, with `grace` instead of the service's own; durable when it
    /// returns. A repeat, and a request for what is replaced already, change nothing.
    ///
    /// # Errors
    /// [`RestartError`]
    pub async fn restart(&self, namespace: &str, uid: &str, grace: Option<Duration>) -> Result<(), RestartError> {
        let absent = || RestartError::Absent { uid: uid.to_owned() };
        let owner = self.held(namespace, uid).ok_or_else(absent)?.object.owner;
        let grace = grace.map(|grace| grace.as_secs().to_string());
        let mut tries = 0;
        loop {
            tries += 1;
            let services = self.context.reader.services(Some(namespace)).await?;
            let of_owner = |service: &&Arc<ServiceSpec>| service.metadata.uid.as_deref() == Some(&*owner.uid.0);
            let service = services.iter().find(of_owner).ok_or_else(absent)?;
            let noted = |name: &str| service.annotations().get(name);
            if noted(labels::RESTART).is_some_and(|known| known == uid) && noted(labels::RESTART_GRACE) == grace.as_ref() {
                return Ok(());
            }
            let identity = Identity {
                namespace: namespace.to_owned(),
                name: service.name_any(),
                uid: service.uid().unwrap_or_default(),
                version: service.resource_version().unwrap_or_default(),
            };
            let gateway = &self.context.gateway;
            let note = gateway.restart(ApiKind::ServiceSpec, labels::MANAGER_SERVICE, &identity, uid, grace.as_deref());
            match note.await {
                Ok(_) => return Ok(()),
                // Its controller writes the same object: the request is made anew on what it wrote.
                Err(ApiError::Conflict { .. }) if tries < TRIES => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
