//! One visit of one `DevStack`: the object, what was found out about it, and what it writes.

use std::collections::BTreeSet;
use std::sync::Arc;

use koan_core::conclude::Verdict;
use koan_crds::v1alpha1::{DevStack, DevStackStatus};
use koan_crds::{labels, names};

use crate::context::Context;
use crate::gateway::{ApiError, ApiKind};
use crate::runtime::{Key, Target, WatchedKind};
use crate::subject::Subject;

/// A visit.
pub(super) struct Visit<'a> {
    pub(super) context: &'a Context,
    pub(super) key: &'a Key,
    pub(super) object: Arc<DevStack>,
    pub(super) subject: Subject<'a>,
    /// The status as it stands after the last write.
    pub(super) status: DevStackStatus,
}

impl<'a> Visit<'a> {
    pub(super) fn new(context: &'a Context, key: &'a Key, object: Arc<DevStack>) -> Self {
        let subject = Subject::new(context, key, (ApiKind::DevStack, labels::MANAGER_STACK), object.as_ref());
        let status = object.status.clone().unwrap_or_default();
        Self { context, key, object, subject, status }
    }

    /// Registers for changes of these `ServiceSpec`s and of what the stack writes beside them.
    pub(super) fn watch(&self, services: impl Iterator<Item = String>) {
        let namespace = &self.key.namespace;
        let mut targets: BTreeSet<Target> = services.map(|name| Target::new(WatchedKind::Service, namespace, &name)).collect();
        targets.insert(Target::new(WatchedKind::Secret, namespace, &names::env_secret(&self.key.name)));
        targets.insert(Target::new(WatchedKind::ConfigMap, namespace, &names::launch_config_map(&self.key.name)));
        self.context.interests.set(self.key, targets);
    }

    /// Writes the verdict's status if it changed, and its events.
    pub(super) async fn publish(&mut self, verdict: Verdict<DevStackStatus>) -> Result<bool, ApiError> {
        let written = self.subject.publish(&self.status, &verdict).await?;
        self.status = verdict.status;
        Ok(written)
    }
}
