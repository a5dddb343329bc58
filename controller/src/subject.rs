//! The object of a visit as its own writes move it on: identity, finalizer and status, each written under the object's UID and
//! version (S-8).

use koan_crds::labels;
use kube::ResourceExt;
use serde_json::Value;

use crate::context::Context;
use crate::events::About;
use crate::gateway::{ApiError, ApiKind, Identity, Written};
use crate::runtime::Key;

/// The object that a visit is about.
pub(crate) struct Subject<'a> {
    pub(crate) context: &'a Context,
    pub(crate) key: &'a Key,
    /// With the version of the last write.
    pub(crate) identity: Identity,
    kind: ApiKind,
    manager: &'static str,
    finalizers: Vec<String>,
    /// It is being deleted.
    going: bool,
}

impl<'a> Subject<'a> {
    /// The object as it was read; `manager` writes it.
    pub(crate) fn new(
        context: &'a Context,
        key: &'a Key,
        (kind, manager): (ApiKind, &'static str),
        object: &impl ResourceExt,
    ) -> Self {
        let (identity, finalizers) = (Identity::of(object), object.finalizers().to_vec());
        assert!(!identity.uid.is_empty() && !identity.version.is_empty(), "{key}: what is visited came from a server");
        assert!((&identity.namespace, &identity.name) == (&key.namespace, &key.name), "{key}: another object was read");
        Self { context, key, identity, kind, manager, finalizers, going: object.meta().deletion_timestamp.is_some() }
    }

    /// The object, for Events.
    pub(crate) fn about(&self) -> About {
        let Identity { namespace, name, uid, version: _ } = self.identity.clone();
        About { kind: self.kind, namespace, name, uid }
    }

    /// Sets the finalizer on an object that a user applied; a stack's child carries it from the start.
    pub(crate) async fn ensure_finalizer(&mut self) -> Result<(), ApiError> {
        if self.finalizers.iter().any(|name| name == labels::FINALIZER) {
            return Ok(());
        }
        assert!(!self.going, "{}: nobody takes hold of an object that is being deleted", self.key);
        let more = self.finalizers.iter().map(String::as_str).chain([labels::FINALIZER]).map(str::to_owned).collect();
        self.write_finalizers(more).await
    }

    /// Takes the finalizer off: the object goes.
    pub(crate) async fn release(&mut self) -> Result<(), ApiError> {
        let rest: Vec<String> = self.finalizers.iter().filter(|name| *name != labels::FINALIZER).cloned().collect();
        if rest.len() == self.finalizers.len() {
            return Ok(());
        }
        assert!(self.going, "{}: only an object that is being deleted is let go (S-7)", self.key);
        self.write_finalizers(rest).await
    }

    async fn write_finalizers(&mut self, finalizers: Vec<String>) -> Result<(), ApiError> {
        let gateway = &self.context.gateway;
        let written = gateway.finalizers(self.kind, self.manager, &self.identity, &finalizers, self.key.clone()).await?;
        self.finalizers = finalizers;
        self.moved_on(written);
        Ok(())
    }

    /// Writes the status, whatever stands there.
    pub(crate) async fn write_status(&mut self, status: Value) -> Result<(), ApiError> {
        let gateway = &self.context.gateway;
        let written = gateway.status(self.kind, self.manager, &self.identity, status, self.key.clone()).await?;
        self.moved_on(written);
        Ok(())
    }

    fn moved_on(&mut self, written: Written) {
        assert!(written.uid == self.identity.uid, "{}: a write met another object than the one that was read", self.key);
        assert!(!written.version.is_empty(), "{}: a write left no version", self.key);
        self.identity.version = written.version;
    }
}
