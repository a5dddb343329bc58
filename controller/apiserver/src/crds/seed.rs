//! First contents: the namespaces that clients expect and the definitions of the embedder.

use std::sync::Arc;

use futures::future::try_join_all;
use serde_json::{Value, json};

use crate::handlers::{Internal, account};
use crate::kinds::Resource;
use crate::server::{Core, ServerError};
use crate::status::Failure;
use crate::store::Scope;

/// The field manager of seeded definitions.
const MANAGER: &str = "koan.dev/crds";
/// The annotation with the version of the program that made a definition: numbers between dots.
const VERSION: &str = "koan.dev/version";
/// The field manager of what the server itself writes.
const SERVER: &str = "koan-apiserver";
/// The namespaces that exist from the start.
const NAMESPACES: [&str; 4] = ["default", "kube-node-lease", "kube-public", "kube-system"];

fn resource(core: &Core, group: &str, plural: &str) -> Result<Arc<Resource>, ServerError> {
    core.registry().find(group, "v1", plural).cloned().ok_or_else(|| ServerError::Store(format!("{plural} are not served")))
}

/// Makes the namespaces that are missing.
///
/// # Errors
/// The store refused one.
pub(crate) async fn seed_namespaces(core: &Arc<Core>) -> Result<(), ServerError> {
    let namespaces = resource(core, "", "namespaces")?;
    // Together, so that they share a sync (PERF-92).
    let each = NAMESPACES.map(|name| {
        let internal = Internal::new(core, &namespaces, "", name);
        async move {
            if internal.get().is_none() {
                let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                internal.create(value, SERVER).await.map_err(|failure| ServerError::Store(failure.to_string()))?;
            }
            Ok::<(), ServerError>(())
        }
    });
    try_join_all(each).await?;
    // Those that an older server made, or that it had no time to complete.
    let (_, all) = core.store.list(&namespaces.storage, &Scope::All, &|object| !object.deleting());
    let accounts = all.iter().map(|namespace| account::ensure(core, &namespace.meta.name));
    try_join_all(accounts).await.map(drop).map_err(|failure| ServerError::Store(failure.to_string()))
}

/// The parts of a control plane, which are well: clients of old look at them.
const COMPONENTS: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// Makes what clients of the extended mode expect: the role of the owner, the Service of the server, the parts of a control plane.
///
/// # Errors
/// The store refused it.
pub(crate) async fn seed_extended(core: &Arc<Core>) -> Result<(), ServerError> {
    let role = json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole",
        "metadata": {
            "name": "cluster-admin", "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
            "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
        },
        "rules": [
            {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]},
            {"nonResourceURLs": ["*"], "verbs": ["*"]},
        ],
    });
    let service = json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
        "spec": {"clusterIP": "10.96.0.1", "ports": [{"name": "https", "port": 443, "targetPort": 6443}]},
    });
    let mut all = vec![("rbac.authorization.k8s.io", "clusterroles", role), ("", "services", service)];
    all.extend(COMPONENTS.map(|name| {
        let conditions = json!([{"type": "Healthy", "status": "True", "message": "ok"}]);
        let component =
            json!({"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": name}, "conditions": conditions});
        ("", "componentstatuses", component)
    }));
    // Together, so that they share a sync (PERF-92).
    let each = all.into_iter().map(|(group, plural, value)| async move {
        let resource = resource(core, group, plural)?;
        let text = |field: &str| value["metadata"][field].as_str().unwrap_or_default().to_owned();
        let internal = Internal::new(core, &resource, &text("namespace"), &text("name"));
        if internal.get().is_none() {
            internal.create(value, SERVER).await.map_err(|failure| ServerError::Store(failure.to_string()))?;
        }
        Ok::<(), ServerError>(())
    });
    try_join_all(each).await.map(drop)
}

/// Applies `definitions` and establishes them; one that a newer program stored is left as it is (API-2).
///
/// # Errors
/// One of them is refused.
pub(crate) async fn seed(core: &Arc<Core>, definitions: &[Value]) -> Result<(), ServerError> {
    let resource = resource(core, "apiextensions.k8s.io", "customresourcedefinitions")?;
    let each = definitions.iter().map(|definition| async {
        let name = definition["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let seeded = one(core, &resource, &name, completed(definition)).await;
        seeded.map_err(|failure| ServerError::Definition { name, failure: Box::new(failure) })
    });
    try_join_all(each).await.map(drop)
}

async fn one(core: &Arc<Core>, resource: &Arc<Resource>, name: &str, definition: Value) -> Result<(), Failure> {
    let internal = Internal::new(core, resource, "", name);
    let stored = internal.get().map(|stored| stored.value());
    if stored.as_ref().is_some_and(|stored| version(stored) > version(&definition)) {
        return Ok(());
    }
    internal.apply(definition, MANAGER).await.map(drop)
}

/// The version of the program that made a definition; one that names none is older than any.
fn version(definition: &Value) -> Vec<u64> {
    let text = definition["metadata"]["annotations"][VERSION].as_str().unwrap_or_default();
    text.split('.').map_while(|part| part.parse().ok()).collect()
}

/// `definition` with the names and the conversion that the reference fills in.
fn completed(definition: &Value) -> Value {
    let mut definition = definition.clone();
    if let Some(map) = definition.as_object_mut() {
        map.remove("status");
    }
    let spec = &mut definition["spec"];
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    if spec["names"]["singular"].is_null() {
        spec["names"]["singular"] = json!(kind.to_lowercase());
    }
    if spec["names"]["listKind"].is_null() {
        spec["names"]["listKind"] = json!(format!("{kind}List"));
    }
    if spec["conversion"].is_null() {
        spec["conversion"] = json!({"strategy": "None"});
    }
    definition
}
