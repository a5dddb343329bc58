//! Defaults and nulls.

use serde_json::Value;

use super::node::{Node, Schema};

impl Schema {
    /// Removes nulls that the schema neither allows nor replaces: what create and update do to a decoded body.
    /// Apply bodies keep them and are refused by the type walk.
    pub fn drop_nulls(&self, object: &mut Value) {
        drop_nulls(object, Some(&self.root));
    }

    /// What happens to a stored object that this schema did not write: undeclared fields go, defaults are filled in.
    pub(crate) fn reshape(&self, object: &mut Value) {
        self.prune(object);
        self.drop_nulls(object);
        self.default(object);
    }

    /// Fills in defaults, inside defaulted values too; a null that is not allowed counts as absent where a default exists.
    pub fn default(&self, object: &mut Value) {
        fill(object, &self.root);
    }
}

fn drop_nulls(value: &mut Value, node: Option<&Node>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, child| {
                let schema = node.and_then(|node| node.child(key));
                let stray = child.is_null() && schema.is_some_and(|schema| !schema.nullable && schema.default.is_none());
                if !stray {
                    drop_nulls(child, schema);
                }
                !stray
            });
        }
        Value::Array(items) => {
            let schema = node.and_then(|node| node.items.as_deref());
            for item in items {
                drop_nulls(item, schema);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn fill(value: &mut Value, node: &Node) {
    match value {
        Value::Object(fields) => {
            for (name, child) in node.properties.iter() {
                let Some(default) = &child.default else {
                    continue;
                };
                let absent = fields.get(name).is_none_or(|value| value.is_null() && !child.nullable);
                if absent {
                    fields.insert(name.to_owned(), (**default).clone());
                }
            }
            for (key, child) in fields.iter_mut() {
                if let Some(schema) = node.properties.get(key) {
                    fill(child, schema);
                } else if let Some(schema) = node.extra_schema() {
                    replace_null(child, schema);
                    fill(child, schema);
                }
            }
        }
        Value::Array(items) => {
            let Some(schema) = &node.items else { return };
            for item in items {
                replace_null(item, schema);
                fill(item, schema);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn replace_null(value: &mut Value, schema: &Node) {
    if value.is_null()
        && !schema.nullable
        && let Some(default) = &schema.default
    {
        *value = (**default).clone();
    }
}
