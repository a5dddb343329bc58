//! Objects laid out as a Table, or reduced to their metadata.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::columns::Columns;

/// `includeObject`: what each row carries beside its cells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Include {
    /// Nothing.
    None,
    /// The object's metadata.
    #[default]
    Metadata,
    /// The whole object.
    Object,
}

impl Include {
    /// Reads the query parameter; absent and empty mean metadata.
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "" | "Metadata" => Some(Self::Metadata),
            "None" => Some(Self::None),
            "Object" => Some(Self::Object),
            _ => None,
        }
    }
}

/// How a table is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// `v1` or `v1beta1` of `meta.k8s.io`.
    pub version: &'static str,
    /// What rows carry.
    pub include: Include,
    /// Whether column definitions are sent; a watch sends them once.
    pub headers: bool,
}

/// A Table of `objects`. `metadata` is that of the list, or of the one object.
pub fn table(columns: &Columns, objects: &[&Value], metadata: &Value, shape: Shape, now: Timestamp) -> Value {
    let definitions = if shape.headers { columns.columns.iter().map(super::Column::definition).collect() } else { Value::Null };
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let carried = match shape.include {
                Include::None => Value::Null,
                Include::Metadata => partial(object, shape.version),
                Include::Object => (*object).clone(),
            };
            json!({"cells": columns.cells(object, now), "object": carried})
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": format!("meta.k8s.io/{}", shape.version),
        "metadata": list_metadata(metadata),
        "columnDefinitions": definitions,
        "rows": rows,
    })
}

/// The object's metadata as a PartialObjectMetadata of `version`.
pub fn partial(object: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadata",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": object.get("metadata").cloned().unwrap_or_else(|| json!({})),
    })
}

/// A PartialObjectMetadataList of `version`; `metadata` is that of the list.
pub fn partial_list(objects: &[&Value], metadata: &Value, version: &str) -> Value {
    json!({
        "kind": "PartialObjectMetadataList",
        "apiVersion": format!("meta.k8s.io/{version}"),
        "metadata": list_metadata(metadata),
        "items": objects.iter().map(|object| partial(object, version)).collect::<Vec<_>>(),
    })
}

fn list_metadata(metadata: &Value) -> Value {
    let kept = ["resourceVersion", "continue", "remainingItemCount"];
    let fields = kept.iter().filter_map(|key| {
        let value = metadata.get(*key).filter(|value| !value.is_null() && value.as_str() != Some(""))?;
        Some(((*key).to_owned(), value.clone()))
    });
    Value::Object(fields.collect::<Map<String, Value>>())
}
