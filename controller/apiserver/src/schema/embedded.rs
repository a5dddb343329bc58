//! Embedded resources and `metadata`: fixed fields that no schema declares.

use serde_json::{Map, Value};

use super::node::{Node, Schema};
use super::problem::Problem;
use super::prune::{push_index, push_key};
use crate::go_types;

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

impl Schema {
    /// Shows each resource inside a resource, with its path.
    pub(crate) fn each_embedded(&self, value: &Value, see: &mut dyn FnMut(&str, &Value)) {
        each(value, &self.root, "", see);
    }

    /// The first embedded resource that does not say what it is by texts: such a one is not even read.
    pub(crate) fn unreadable(&self, value: &Value) -> Option<Problem> {
        let mut found = None;
        self.each_embedded(value, &mut |path, resource| {
            for key in ["apiVersion", "kind"] {
                if let (Some(wrong), None) = (resource.get(key).filter(|value| !value.is_string()), &found) {
                    found = Some(Problem::invalid(&format!("{path}.{key}"), wrong.clone(), "must be a string"));
                }
            }
            if let (Some(metadata), None) = (resource.get("metadata"), &found)
                && let Err(why) = go_types::readable(go_types::META, metadata)
            {
                found = Some(Problem::invalid(&format!("{path}.metadata"), metadata.clone(), &why));
            }
        });
        found
    }
}

fn each(value: &Value, node: &Node, path: &str, see: &mut dyn FnMut(&str, &Value)) {
    if !node.has_embedded {
        return;
    }
    if node.embedded && value.is_object() {
        see(path, value);
    }
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                match (node.properties.get(key), node.extra_schema()) {
                    (Some(schema), _) => each(child, schema, &below, see),
                    (None, Some(schema)) => each(child, schema, &format!("{path}[{key}]"), see),
                    (None, None) => {}
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(schema) = node.items.as_deref() {
                    each(item, schema, &format!("{path}[{index}]"), see);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
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
