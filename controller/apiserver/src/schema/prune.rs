//! Removal of what the schema does not declare.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::embedded;
use super::node::{Extra, Node, Schema};

/// The fields that every resource has, declared or not.
pub(super) const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

impl Schema {
    /// Removes undeclared fields and returns their dotted paths, sorted, as `unknown field` warnings print them.
    ///
    /// The object is a whole resource: `apiVersion`, `kind` and `metadata` stay; unknown fields of `metadata` go.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        let mut unknown = Vec::new();
        let mut path = String::new();
        prune_node(object, Some(&self.root), true, &mut path, &mut unknown);
        unknown.append(&mut embedded::prune_metadata(object, &self.root));
        unknown.sort();
        unknown
    }
}

/// Removes undeclared fields of one value at its node.
pub(super) fn prune_value(value: &mut Value, node: &Node) {
    prune_node(value, Some(node), node.embedded, &mut String::new(), &mut Vec::new());
}

fn prune_node(value: &mut Value, node: Option<&Node>, embedded: bool, path: &mut String, unknown: &mut Vec<String>) {
    let length = path.len();
    let skip = node.is_some_and(|node| node.preserve_unknown);
    match value {
        Value::Object(fields) => {
            for (key, child) in fields.iter_mut() {
                if embedded && META_FIELDS.contains(&key.as_str()) {
                    continue;
                }
                let Some(schema) = node.and_then(|node| descent(node, key)) else {
                    continue;
                };
                push_key(path, key);
                let embedded = schema.is_some_and(|schema| schema.embedded);
                prune_node(child, schema, embedded, path, unknown);
                path.truncate(length);
            }
            if !skip {
                remove_undeclared(fields, node, embedded, path, unknown);
            }
        }
        Value::Array(items) => {
            let schema = node.and_then(|node| node.items.as_deref());
            if skip && schema.is_none() {
                return;
            }
            for (index, item) in items.iter_mut().enumerate() {
                push_index(path, index);
                let embedded = schema.is_some_and(|schema| schema.embedded);
                prune_node(item, schema, embedded, path, unknown);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// The schema below `key`: `None` where the key is undeclared, `Some(None)` where it is declared without a schema.
fn descent<'a>(node: &'a Node, key: &str) -> Option<Option<&'a Node>> {
    match (node.properties.get(key), &node.extra) {
        (Some(child), _) => Some(Some(child)),
        (None, Some(Extra::Schema(child))) => Some(Some(child)),
        (None, Some(Extra::Any)) => Some(None),
        (None, None) => None,
    }
}

fn remove_undeclared(
    fields: &mut Map<String, Value>,
    node: Option<&Node>,
    embedded: bool,
    path: &str,
    unknown: &mut Vec<String>,
) {
    fields.retain(|key, _| {
        let is_meta = META_FIELDS.contains(&key.as_str());
        let declared = (embedded && is_meta) || node.is_some_and(|node| descent(node, key).is_some());
        let silent = is_meta && path.is_empty();
        if !declared && !silent {
            let mut full = path.to_owned();
            push_key(&mut full, key);
            unknown.push(full);
        }
        declared
    });
}

pub(super) fn push_index(path: &mut String, index: usize) {
    // Writing to a string cannot fail.
    let _ = write!(path, "[{index}]");
}

pub(super) fn push_key(path: &mut String, key: &str) {
    if !path.is_empty() {
        path.push('.');
    }
    path.push_str(key);
}
