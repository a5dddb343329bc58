//! Embedded resources and `metadata`: fixed fields that no schema declares.

use serde_json::{Map, Value};

use super::node::Node;
use super::problem::Problem;
use super::prune::{push_index, push_key};

const OBJECT_META: [&str; 15] = [
    "name",
    "generateName",
    "namespace",
    "selfLink",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "labels",
    "annotations",
    "ownerReferences",
    "finalizers",
    "managedFields",
];
const OWNER_REFERENCE: [&str; 6] = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
const MANAGED_FIELDS: [&str; 7] = ["manager", "operation", "apiVersion", "time", "fieldsType", "fieldsV1", "subresource"];

/// Removes the unknown fields of `metadata`, of the object and of every embedded resource; returns their paths.
pub(super) fn prune_metadata(object: &mut Value, root: &Node) -> Vec<String> {
    let mut unknown = Vec::new();
    walk(object, Some(root), true, &mut String::new(), &mut unknown);
    unknown
}

fn walk(value: &mut Value, node: Option<&Node>, resource: bool, path: &mut String, unknown: &mut Vec<String>) {
    let length = path.len();
    match value {
        Value::Object(fields) => {
            if resource && let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
                push_key(path, "metadata");
                prune_fields(metadata, path, unknown);
                path.truncate(length);
            }
            let Some(node) = node.filter(|node| node.has_embedded) else { return };
            for (key, child) in fields.iter_mut() {
                if let Some(schema) = node.child(key).filter(|schema| schema.has_embedded) {
                    push_key(path, key);
                    walk(child, Some(schema), schema.embedded, path, unknown);
                    path.truncate(length);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = node.and_then(|node| node.items.as_deref()).filter(|node| node.has_embedded) else {
                return;
            };
            for (index, item) in items.iter_mut().enumerate() {
                push_index(path, index);
                walk(item, Some(schema), schema.embedded, path, unknown);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn prune_fields(metadata: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    retain(metadata, &OBJECT_META, path, unknown);
    for (key, known) in [("ownerReferences", OWNER_REFERENCE.as_slice()), ("managedFields", MANAGED_FIELDS.as_slice())] {
        let Some(Value::Array(items)) = metadata.get_mut(key) else {
            continue;
        };
        for (index, item) in items.iter_mut().enumerate() {
            if let Value::Object(fields) = item {
                retain(fields, known, &format!("{path}.{key}[{index}]"), unknown);
            }
        }
    }
}

fn retain(fields: &mut Map<String, Value>, known: &[&str], path: &str, unknown: &mut Vec<String>) {
    fields.retain(|key, _| {
        let keep = known.contains(&key.as_str());
        if !keep {
            unknown.push(format!("{path}.{key}"));
        }
        keep
    });
}

/// Checks `apiVersion` and `kind` of every embedded resource.
pub(super) fn validate(value: &Value, node: &Node, path: &str, problems: &mut Vec<Problem>) {
    if !node.has_embedded {
        return;
    }
    match value {
        Value::Object(fields) => {
            if node.embedded {
                type_fields(fields, path, problems);
            }
            for (key, child) in fields {
                if let Some(schema) = node.properties.get(key) {
                    validate(child, schema, &format!("{path}.{key}"), problems);
                } else if let Some(schema) = node.extra_schema() {
                    validate(child, schema, &format!("{path}[{key}]"), problems);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &node.items else { return };
            for (index, item) in items.iter().enumerate() {
                validate(item, schema, &format!("{path}[{index}]"), problems);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn type_fields(fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    for key in ["apiVersion", "kind"] {
        let path = format!("{path}.{key}");
        match fields.get(key) {
            None => problems.push(Problem::required(&path, "")),
            Some(Value::String(text)) if text.is_empty() => {
                problems.push(Problem::invalid(&path, text.as_str().into(), "must not be empty"));
            }
            Some(Value::String(_)) => {}
            Some(other) => problems.push(Problem::invalid(&path, other.clone(), "must be a string")),
        }
    }
}
