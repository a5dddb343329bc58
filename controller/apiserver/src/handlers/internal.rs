//! The server's own writes: the same steps as a client's, without HTTP and without a role to check.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value;

use super::call::Call;
use super::delete::{DeleteOptions, Removed, remove};
use super::options::{Strictness, WriteOptions};
use super::update::{self, ATTEMPTS, Attempt, Owners};
use super::{apply, create};
use crate::auth::Role;
use crate::http::{Incoming, Query, Target};
use crate::kinds::Resource;
use crate::server::Core;
use crate::status::Failure;
use crate::store::{CommitError, Expected, Object, Write};

/// One object that the server itself works on.
pub(crate) struct Internal {
    core: Arc<Core>,
    target: Target,
    incoming: Incoming,
}

fn options(manager: &str) -> WriteOptions {
    WriteOptions { dry_run: false, manager: manager.to_owned(), strictness: Strictness::Ignore, force: true }
}

impl Internal {
    pub(crate) fn new(core: &Arc<Core>, resource: &Arc<Resource>, namespace: &str, name: &str) -> Self {
        let target = Target {
            resource: Arc::clone(resource),
            namespace: namespace.to_owned(),
            name: Some(name.to_owned()),
            subresource: None,
            watch: false,
        };
        let incoming = Incoming {
            method: Method::POST,
            path: String::new(),
            query: Query::default(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
            caller: Role::Owner,
        };
        Self { core: Arc::clone(core), target, incoming }
    }

    fn call(&self) -> Call<'_> {
        Call { core: &self.core, target: &self.target, incoming: &self.incoming }
    }

    pub(crate) fn now(&self) -> String {
        self.call().now()
    }

    pub(crate) fn get(&self) -> Option<Arc<Object>> {
        let call = self.call();
        call.core.store.get(&call.key(call.name()))
    }

    /// Creates the object.
    ///
    /// # Errors
    /// As a POST.
    pub(crate) async fn create(&self, value: Value, manager: &str) -> Result<Arc<Object>, Failure> {
        create::insert(self.call(), value, &options(manager), true).await
    }

    /// Applies `value` by force.
    ///
    /// # Errors
    /// As an apply patch.
    pub(crate) async fn apply(&self, value: Value, manager: &str) -> Result<Arc<Object>, Failure> {
        apply::apply_value(&self.call(), || Ok(value.clone()), &[], &options(manager)).await.map(|(object, _)| object)
    }

    /// Replaces the status by that of `value`.
    ///
    /// # Errors
    /// As a PUT of `/status`.
    pub(crate) async fn write_status(&self, value: Value, manager: &str) -> Result<Arc<Object>, Failure> {
        self.edit_status(&|_| Some(value.clone()), manager).await
    }

    /// Changes the status as `change` says; `None` leaves it.
    ///
    /// # Errors
    /// As a PUT of `/status`.
    pub(crate) async fn edit_status(
        &self,
        change: &(dyn Fn(&Value) -> Option<Value> + Sync),
        manager: &str,
    ) -> Result<Arc<Object>, Failure> {
        let target = Target { subresource: Some("status".to_owned()), ..self.target.clone() };
        let call = Call { core: &self.core, target: &target, incoming: &self.incoming };
        for _ in 0..ATTEMPTS {
            let old = self.get().ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
            let before = call.current(&old);
            let Some(next) = change(&before) else { return Ok(old) };
            if let Attempt::Done(object) = update::finish(&call, (&old, before), next, &options(manager), Owners::Open).await? {
                return Ok(object);
            }
        }
        Err(Failure::modified(call.resource(), call.name()))
    }

    /// Changes the object as `change` says, without validation; `None` leaves it. An object that nothing holds any
    /// longer goes.
    ///
    /// # Errors
    /// The store refused the write. An object that is gone is no error.
    pub(crate) async fn edit(&self, change: &(dyn Fn(&Value) -> Option<Value> + Sync)) -> Result<(), Failure> {
        let call = self.call();
        for _ in 0..ATTEMPTS {
            let Some(old) = self.get() else { return Ok(()) };
            let Some(next) = change(&old.value()) else { return Ok(()) };
            let delete = old.deleting() && update::unheld(&call, &next);
            let write = Write {
                key: call.key(call.name()),
                expected: Expected::Revision(old.revision),
                draft: call.encode(next),
                delete,
                proven: None,
                through: call.through(),
            };
            match call.core.store.commit(write).await {
                Ok(_) => return Ok(()),
                Err(CommitError::Stale) => {}
                Err(error) => return Err(call.refused(call.name(), error)),
            }
        }
        Err(Failure::modified(call.resource(), call.name()))
    }

    /// Deletes the object.
    ///
    /// # Errors
    /// As a DELETE.
    pub(crate) async fn delete(&self, options: &DeleteOptions) -> Result<Removed, Failure> {
        remove(&self.call(), self.call().name(), options).await
    }
}
