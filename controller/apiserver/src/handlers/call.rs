//! What every handler is given, and how store errors become answers.

use std::sync::Arc;

use crate::http::{Incoming, Target};
use crate::kinds::{CoreKind, NAMESPACES, Resource};
use crate::server::Core;
use crate::status::{Cause, Failure};
use crate::store::{CommitError, Key};

/// One request about one resource.
#[derive(Clone, Copy)]
pub(crate) struct Call<'a> {
    pub(crate) core: &'a Arc<Core>,
    pub(crate) target: &'a Target,
    pub(crate) incoming: &'a Incoming,
}

impl Call<'_> {
    pub(crate) fn resource(&self) -> &Resource {
        &self.target.resource
    }

    /// The name in the path; empty for a collection.
    pub(crate) fn name(&self) -> &str {
        self.target.name.as_deref().unwrap_or_default()
    }

    pub(crate) fn subresource(&self) -> &str {
        self.target.subresource.as_deref().unwrap_or_default()
    }

    /// What gives the writes of this request their shape.
    pub(super) fn through(&self) -> Option<Arc<Resource>> {
        Some(Arc::clone(&self.target.resource))
    }

    pub(crate) fn key(&self, name: &str) -> Key {
        Key::new(&self.target.resource.storage, &self.target.namespace, name)
    }

    /// Refuses a create in a namespace that is missing or going away.
    pub(crate) fn check_namespace(&self, name: &str) -> Result<(), Failure> {
        let namespace = &self.target.namespace;
        if namespace.is_empty() {
            return Ok(());
        }
        match self.core.store.get(&Key::new(&Arc::from(NAMESPACES), "", namespace)) {
            None => Err(Failure::namespace_not_found(namespace)),
            Some(found) if found.deleting() => Err(terminating(self.resource(), name, namespace)),
            Some(_) => Ok(()),
        }
    }

    /// Refuses a create while the definition of the kind is being deleted.
    pub(crate) fn check_definition(&self, name: &str) -> Result<(), Failure> {
        if !self
            .core
            .registry()
            .find(&self.resource().group, &self.resource().version, &self.resource().plural)
            .is_some_and(|found| found.terminating)
        {
            return Ok(());
        }
        Err(Failure::forbidden(self.resource(), name, "create not allowed while custom resource definition is terminating"))
    }

    /// The answer to a write that the store did not take.
    pub(crate) fn refused(&self, name: &str, error: CommitError) -> Failure {
        match error {
            CommitError::Exists => {
                let going = self.core.store.get(&self.key(name)).is_some_and(|object| object.deleting());
                Failure::already_exists(self.resource(), name, going)
            }
            CommitError::Stale => Failure::modified(self.resource(), name),
            CommitError::NamespaceMissing(namespace) => Failure::namespace_not_found(&namespace),
            CommitError::NamespaceTerminating(namespace) => terminating(self.resource(), name, &namespace),
            CommitError::Full { .. } => Failure::forbidden(self.resource(), name, &error.to_string()),
            CommitError::Overloaded => Failure::too_many_requests(error.to_string()),
            CommitError::Journal(cause) => Failure::internal(cause),
        }
    }
}

fn terminating(resource: &Resource, name: &str, namespace: &str) -> Failure {
    let cause = Cause::new("NamespaceTerminating", "metadata.namespace", format!("namespace {namespace} is being terminated"));
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    Failure::forbidden_because(resource, name, &why, cause)
}

/// The resource whose layout the stored bytes have: an event is always stored in its `v1` shape.
pub(super) fn stored_as(core: &Core, resource: &Arc<Resource>) -> Arc<Resource> {
    if resource.core() == Some(CoreKind::EventV1)
        && let Some(found) = core.registry().find("", "v1", &resource.plural)
    {
        return Arc::clone(found);
    }
    Arc::clone(resource)
}
