//! Turns a derived CRD into one that servers from 1.27 on take without warnings (CRD notes, "Facts that shape the generator").

use serde_json::{Map, Value, json};

/// Schema of `metadata`: the derive skips it, and a root rule would report the path `<nil>`.
///
/// Nothing else may stand there: the server refuses even a description.
fn metadata_schema(min_length: u32, max_length: u32) -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {
                "type": "string",
                "minLength": min_length,
                "maxLength": max_length,
                "pattern": "^[a-z]([-a-z0-9]*[a-z0-9])?$",
            },
        },
    })
}

/// Polishes one CRD; `name_length` bounds `metadata.name`.
pub(crate) fn polish(crd: &mut Value, name_length: (u32, u32)) {
    let versions = crd.pointer_mut("/spec/versions").and_then(Value::as_array_mut);
    for version in versions.into_iter().flatten() {
        if let Some(schema) = version.pointer_mut("/schema/openAPIV3Schema") {
            walk(schema);
            if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
                properties.insert("metadata".into(), metadata_schema(name_length.0, name_length.1));
            }
        }
    }
}

fn walk(schema: &mut Value) {
    let Value::Object(object) = schema else { return };
    drop_null(object);
    if object.get("format").and_then(Value::as_str).is_some_and(|format| format.starts_with("uint")) {
        object.remove("format");
    }
    if object.get("additionalProperties").is_some_and(Value::is_boolean) {
        object.remove("additionalProperties");
    }
    if object.contains_key("x-kubernetes-validations") {
        object.remove("oneOf");
    }
    if is_condition(object) {
        fill_condition(object);
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(walk);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(inner) = object.get_mut(key) {
            walk(inner);
        }
    }
}

/// `Option<T>` becomes `nullable`, which no server honours on an enum: a promise that holds nowhere.
fn drop_null(object: &mut Map<String, Value>) {
    object.remove("nullable");
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(words)) = object.get_mut("enum") {
        words.retain(|word| !word.is_null());
    }
}

fn is_condition(object: &Map<String, Value>) -> bool {
    object.get("properties").and_then(Value::as_object).is_some_and(|properties| {
        ["lastTransitionTime", "message", "reason", "status", "type"].iter().all(|name| properties.contains_key(*name))
    })
}

/// The bounds of `metav1.Condition`, which k8s-openapi's schema lacks.
fn fill_condition(object: &mut Map<String, Value>) {
    object.insert("description".into(), "One aspect of the observed state.".into());
    let fields = [
        (
            "type",
            json!({"type": "string", "maxLength": 316, "pattern": "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/)?(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$", "description": "Type of the condition."}),
        ),
        ("status", json!({"type": "string", "enum": ["True", "False", "Unknown"], "description": "True, False or Unknown."})),
        (
            "reason",
            json!({"type": "string", "minLength": 1, "maxLength": 1024, "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$", "description": "Why, as a stable word."}),
        ),
        ("message", json!({"type": "string", "maxLength": 32768, "description": "Why, as a sentence."})),
        ("lastTransitionTime", json!({"type": "string", "format": "date-time", "description": "When the status changed last."})),
        (
            "observedGeneration",
            json!({"type": "integer", "format": "int64", "minimum": 0, "description": "Generation that was judged."}),
        ),
    ];
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        for (name, schema) in fields {
            properties.insert(name.into(), schema);
        }
    }
}
