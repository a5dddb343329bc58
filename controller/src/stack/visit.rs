//! One visit of one `DevStack`: the object, its identity as writes move it on, and the two kinds of write.

use std::collections::BTreeSet;
use std::sync::Arc;

use koan_core::conclude::Verdict;
use koan_crds::v1alpha1::{DevStack, DevStackStatus};
use koan_crds::{labels, names};
use kube::ResourceExt;

use crate::context::Context;
use crate::events::About;
use crate::gateway::{ApiError, ApiKind, Identity};
use crate::publish::{self, Place};
use crate::runtime::{Key, Target, WatchedKind};

/// A visit.
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) object: Arc<DevStack>,
    pub(super) identity: Identity,
    /// The status as it stands after the last write.
    pub(super) status: DevStackStatus,
}

impl<'a> Visit<'a> {
    pub(super) fn new(context: &'a Context, key: &'a Key, object: Arc<DevStack>) -> Self {
        let identity = Identity {
            namespace: key.namespace.clone(),
            name: key.name.clone(),
            uid: object.uid().unwrap_or_default(),
            version: object.resource_version().unwrap_or_default(),
        };
        let status = object.status.clone().unwrap_or_default();
        Self { context, key, object, identity, status }
    }

    /// The object, for Events.
    pub(super) fn about(&self) -> About {
        About {
            kind: ApiKind::DevStack,
            namespace: self.identity.namespace.clone(),
            name: self.identity.name.clone(),
            uid: self.identity.uid.clone(),
        }
    }

    /// Registers for changes of these `ServiceSpec`s and of what the stack writes beside them.
    pub(super) fn watch(&self, services: impl Iterator<Item = String>) {
        let namespace = &self.key.namespace;
        let mut targets: BTreeSet<Target> = services.map(|name| Target::new(WatchedKind::Service, namespace, &name)).collect();
        targets.insert(Target::new(WatchedKind::Secret, namespace, &names::env_secret(&self.key.name)));
        targets.insert(Target::new(WatchedKind::ConfigMap, namespace, &names::launch_config_map(&self.key.name)));
        self.context.interests.set(self.key, targets);
    }

    /// Sets the finalizer.
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
        let written =
            gateway.finalizers(ApiKind::DevStack, labels::MANAGER_STACK, &self.identity, finalizers, self.key.clone()).await?;
        self.identity.version = written.version;
        Ok(())
    }

    /// Writes the verdict's status if it changed, and its events.
    pub(super) async fn publish(&mut self, verdict: Verdict<DevStackStatus>) -> Result<bool, ApiError> {
        let place =
            Place { kind: ApiKind::DevStack, manager: labels::MANAGER_STACK, identity: &mut self.identity, key: self.key };
        let written = publish::publish(self.context, place, &self.status, &verdict).await?;
        self.status = verdict.status;
        Ok(written)
    }
}
