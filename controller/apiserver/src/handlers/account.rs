//! The ServiceAccount `default` of each namespace: clients and charts wait for it.

use std::sync::Arc;

use serde_json::json;

use super::Internal;
use crate::kinds::SERVICE_ACCOUNTS;
use crate::server::Core;
use crate::status::Failure;
use crate::store::Key;

/// Its name.
const NAME: &str = "default";
/// Who makes it.
const MANAGER: &str = "koan-apiserver";

/// Whether the object under `key` is the account of its namespace, which comes back when somebody deletes it.
pub(crate) fn is_default(key: &Key) -> bool {
    &*key.kind == SERVICE_ACCOUNTS && key.name() == NAME
}

/// Makes the account of a namespace unless it is there or the namespace is going.
///
/// # Errors
/// The store refused it.
pub(crate) async fn ensure(core: &Arc<Core>, namespace: &str) -> Result<(), Failure> {
    let Some(resource) = core.registry().find("", "v1", "serviceaccounts").cloned() else { return Ok(()) };
    let internal = Internal::new(core, &resource, namespace, NAME);
    if internal.get().is_some() {
        return Ok(());
    }
    let value = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}});
    // Creating a namespace ends here, and so does creating the account: a box ends the circle of their types.
    match Box::pin(internal.create(value, MANAGER)).await {
        Ok(_) => Ok(()),
        Err(failure) if matches!(failure.code(), 403 | 404 | 409) => Ok(()),
        Err(failure) => Err(failure),
    }
}
