//! Discovery one document at a time, as older clients ask for it.

use serde_json::{Value, json};

use crate::kinds::{CoreKind, Registry};

/// The verbs of a status subresource.
pub(super) const SUB_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Kind and verbs of a subresource that is a connection.
pub(crate) fn stream(name: &str) -> (&'static str, &'static [&'static str]) {
    match name {
        "attach" => ("PodAttachOptions", &["create", "get"]),
        "exec" => ("PodExecOptions", &["create", "get"]),
        "portforward" => ("PodPortForwardOptions", &["create", "get"]),
        _ => ("Pod", &["get"]),
    }
}

/// Group, version and kind of what is POSTed to a subresource that is an action.
pub(super) fn action(name: &str) -> (&'static str, &'static str, &'static str) {
    match name {
        "eviction" => ("policy", "v1", "Eviction"),
        "token" => ("authentication.k8s.io", "v1", "TokenRequest"),
        _ => ("", "", "Binding"),
    }
}

/// `/`: the paths that are served.
pub(super) fn paths(registry: &Registry) -> Value {
    let mut paths = vec!["/api".to_owned(), "/api/v1".to_owned(), "/apis".to_owned()];
    for (group, versions) in registry.groups() {
        if group.is_empty() {
            continue;
        }
        paths.push(format!("/apis/{group}"));
        paths.extend(versions.iter().map(|version| format!("/apis/{group}/{version}")));
    }
    paths.extend(["/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    json!({"paths": paths})
}

/// `/api`.
pub(super) fn core_versions() -> Value {
    json!({
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "127.0.0.1"}],
    })
}

fn group_value(group: &str, versions: &[&str]) -> Value {
    let versions: Vec<Value> =
        versions.iter().map(|version| json!({"groupVersion": format!("{group}/{version}"), "version": version})).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

/// `/apis`.
pub(super) fn groups(registry: &Registry) -> Value {
    let groups: Vec<Value> = registry
        .groups()
        .iter()
        .filter(|(group, _)| !group.is_empty())
        .map(|(group, versions)| group_value(group, versions))
        .collect();
    json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups})
}

/// `/apis/<group>`.
pub(super) fn group(registry: &Registry, group: &str) -> Option<Value> {
    let groups = registry.groups();
    let (_, versions) = groups.iter().find(|(found, _)| *found == group)?;
    let mut value = json!({"kind": "APIGroup", "apiVersion": "v1"});
    if let (Some(value), Value::Object(fields)) = (value.as_object_mut(), group_value(group, versions)) {
        value.extend(fields);
    }
    Some(value)
}

/// `/api/<version>` and `/apis/<group>/<version>`.
pub(super) fn resources(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut resources = Vec::new();
    for resource in registry.of(group, version) {
        let mut entry = json!({
            "name": resource.plural,
            "singularName": resource.singular,
            "namespaced": resource.namespaced,
            "kind": resource.kind,
            "verbs": resource.listed_verbs(),
        });
        if !resource.short_names.is_empty() {
            entry["shortNames"] = json!(resource.short_names);
        }
        if !resource.categories.is_empty() {
            entry["categories"] = json!(resource.categories);
        }
        // A question is not stored.
        if resource.core() != Some(CoreKind::Review) {
            entry["storageVersionHash"] = json!(storage_hash(&resource.storage));
        }
        resources.push(entry);
        for name in resource.subresources() {
            let verbs: &[&str] = if name == "finalize" { &["update"] } else { &SUB_VERBS };
            let mut entry =
                json!({"name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced});
            if name == "scale" {
                entry["group"] = json!("autoscaling");
                entry["version"] = json!("v1");
            }
            entry["kind"] = json!(if name == "scale" { "Scale" } else { &resource.kind });
            entry["verbs"] = json!(verbs);
            resources.push(entry);
        }
        for name in resource.actions() {
            let (group, version, kind) = action(name);
            let mut entry =
                json!({"name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced});
            if !group.is_empty() {
                entry["group"] = json!(group);
                entry["version"] = json!(version);
            }
            entry["kind"] = json!(kind);
            entry["verbs"] = json!(["create"]);
            resources.push(entry);
        }
        for name in resource.streams() {
            let (kind, verbs) = stream(name);
            resources.push(json!({
                "name": format!("{}/{name}", resource.plural), "singularName": "", "namespaced": resource.namespaced,
                "kind": kind, "verbs": verbs,
            }));
        }
    }
    if resources.is_empty() {
        return None;
    }
    // The core group answers in the form that the oldest clients know.
    if group.is_empty() {
        return Some(json!({"kind": "APIResourceList", "groupVersion": version, "resources": resources}));
    }
    let group_version = format!("{group}/{version}");
    Some(json!({"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources}))
}

/// A short stable name of the stored form, in the reference's shape.
fn storage_hash(storage: &str) -> String {
    use base64::Engine as _;
    use sha2::{Digest as _, Sha256};
    let digest = Sha256::digest(storage.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(&digest[..8])
}
