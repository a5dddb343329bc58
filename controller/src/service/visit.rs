//! One visit of one `ServiceSpec`: the object, its identity as writes move it on, and the two kinds of write.

use std::sync::Arc;

use koan_core::conclude::Verdict;
use koan_core::facts::Facts;
use koan_crds::labels;
use koan_crds::v1alpha1::{ServiceSpec, ServiceSpecStatus};
use kube::ResourceExt;

use crate::context::Context;
use crate::events::About;
use crate::gateway::{ApiError, ApiKind, Identity};
use crate::publish::{self, Place};
use crate::runtime::Key;

/// A visit.
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) object: Arc<ServiceSpec>,
    pub(super) identity: Identity,
    /// The status as it stands after the last write.
    pub(super) status: ServiceSpecStatus,
    /// The status as the visit found it.
    pub(super) began: ServiceSpecStatus,
    pub(super) facts: Facts,
}

impl<'a> Visit<'a> {
    pub(super) fn new(context: &'a Context, key: &'a Key, object: Arc<ServiceSpec>) -> Self {
        let identity = Identity {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
        };
        let status = object.status.clone().unwrap_or_default();
        let facts = Facts { instance: context.instance.clone(), ..Facts::default() };
        Self { context, key, object, identity, began: status.clone(), status, facts }
    }

    /// The object, for Events.
    pub(super) fn about(&self) -> About {
        About {
            kind: ApiKind::ServiceSpec,
            namespace: self.identity.namespace.clone(),
            name: self.identity.name.clone(),
            uid: self.identity.uid.clone(),
        }
    }

    /// Sets the finalizer on an object that a user applied; a stack's child carries it from the start.
    pub(super) async fn ensure_finalizer(&mut self) -> Result<(), ApiError> {
        let mut finalizers = self.object.finalizers().to_vec();
        if finalizers.iter().any(|name| name == labels::FINALIZER) {
            return Ok(());
        }
        finalizers.push(labels::FINALIZER.to_owned());
        self.write_finalizers(&finalizers).await
    }

    /// Takes the finalizer off: the object goes.
    pub(super) async fn release(&mut self) -> Result<(), ApiError> {
        let rest: Vec<String> = self.object.finalizers().iter().filter(|name| *name != labels::FINALIZER).cloned().collect();
        if rest.len() == self.object.finalizers().len() {
            return Ok(());
        }
        self.write_finalizers(&rest).await
    }

    async fn write_finalizers(&mut self, finalizers: &[String]) -> Result<(), ApiError> {
        let gateway = &self.context.gateway;
        let written = gateway
            .finalizers(ApiKind::ServiceSpec, labels::MANAGER_SERVICE, &self.identity, finalizers, self.key.clone())
            .await?;
        self.identity.version = written.version;
        Ok(())
    }

    /// Writes the verdict's status if it changed, and its events; true where the status was written.
    pub(super) async fn publish(&mut self, verdict: Verdict<ServiceSpecStatus>) -> Result<bool, ApiError> {
        let place =
            Place { kind: ApiKind::ServiceSpec, manager: labels::MANAGER_SERVICE, identity: &mut self.identity, key: self.key };
        let written = publish::publish(self.context, place, &self.status, &verdict).await?;
        self.status = verdict.status;
        Ok(written)
    }
}
