//! Pure: the objects that are written, and the requests that write them.

use super::load::Request;
use serde_json::{Value, json};

/// Bytes of the values, so that the objects have 1 and 2 kB.
pub(super) const KILOBYTE: usize = 900;
pub(super) const TWO_KILOBYTES: usize = 1_900;
/// Where the custom resources are.
const WIDGETS: &str = "/apis/bench.example.dev/v1/namespaces";
/// Environment entries of a custom resource: they make it 1 kB.
const ENTRIES: usize = 14;

/// Path of the ConfigMaps of a namespace.
pub(super) fn config_maps(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// A new ConfigMap with one value of that many bytes.
pub(super) fn create(namespace: &str, name: &str, bytes: usize) -> Request {
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"value": "x".repeat(bytes)},
    });
    Request { method: "POST", path: config_maps(namespace), kind: "application/json", body: body.to_string().into_bytes() }
}

/// A merge patch that gives a ConfigMap's field `mark` another value.
pub(super) fn mark(namespace: &str, name: &str, mark: &str) -> Request {
    let body = json!({"data": {"mark": mark}}).to_string().into_bytes();
    Request { method: "PATCH", path: format!("{}/{name}", config_maps(namespace)), kind: "application/merge-patch+json", body }
}

/// A namespace.
pub(super) fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
}

/// A ConfigMap that goes with its owner.
pub(super) fn dependent(namespace: &str, name: &str, owner: &Value) -> Request {
    let reference = json!([{
        "apiVersion": "v1", "kind": "ConfigMap", "name": owner["metadata"]["name"], "uid": owner["metadata"]["uid"],
    }]);
    let body = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "ownerReferences": reference}, "data": {},
    });
    Request { method: "POST", path: config_maps(namespace), kind: "application/json", body: body.to_string().into_bytes() }
}

/// A definition whose objects have maps, a keyed list and a status.
pub(super) fn definition(plural: &str, kind: &str) -> Value {
    let entry = json!({
        "type": "object", "required": ["name"],
        "properties": {"name": {"type": "string"}, "value": {"type": "string"}},
    });
    let spec = json!({
        "type": "object",
        "properties": {
            "image": {"type": "string"},
            "replicas": {"type": "integer", "minimum": 0, "default": 1},
            "env": {"type": "array", "items": entry, "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]},
            "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        },
    });
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": spec, "status": status}});
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.bench.example.dev")},
        "spec": {
            "group": "bench.example.dev", "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List")},
            "versions": [{
                "name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema},
            }],
        },
    })
}

/// Path of one custom resource.
pub(super) fn widget(namespace: &str, name: &str) -> String {
    format!("{WIDGETS}/{namespace}/widgets/{name}")
}

/// Applies a custom resource of 1 kB whose specification differs with `turn`.
pub(super) fn apply(namespace: &str, name: &str, turn: usize) -> Request {
    let entry = |index: usize| json!({"name": format!("VARIABLE_{index}"), "value": format!("value {index} of turn {turn}")});
    let body = json!({
        "apiVersion": "bench.example.dev/v1", "kind": "Widget", "metadata": {"name": name},
        "spec": {
            "image": format!("registry.example.dev/widget:{turn}"), "replicas": turn % 7,
            "env": (0..ENTRIES).map(entry).collect::<Vec<_>>(), "labels": {"app": "widget", "tier": "bench"},
        },
    });
    let path = format!("{}?fieldManager=bench&force=true", widget(namespace, name));
    Request { method: "PATCH", path, kind: "application/apply-patch+yaml", body: body.to_string().into_bytes() }
}
