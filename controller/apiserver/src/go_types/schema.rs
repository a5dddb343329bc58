//! The structural schema of a type, for kinds that have no other.

use serde_json::{Map, Value, json};

use super::table::{Field, Kind, fields};

/// The metadata of every object, which has a schema of its own.
const METADATA: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The schema of the kind `name`, with the fields that every object has.
pub(crate) fn structural(name: &str) -> Value {
    let mut properties = properties(name);
    for field in ["apiVersion", "kind"] {
        properties.insert(field.to_owned(), json!({"type": "string"}));
    }
    json!({"type": "object", "properties": properties})
}

fn properties(name: &str) -> Map<String, Value> {
    let mut all = Map::new();
    for field in fields(name) {
        match &field.kind {
            Kind::Struct(inner) if field.inline => all.extend(properties(inner)),
            kind => {
                let schema = of(kind);
                // Metadata has rules of its own, which allow no word more here.
                let plain = matches!(kind, Kind::Struct(METADATA));
                all.insert(field.name.to_owned(), if plain { schema } else { nullable(schema) });
            }
        }
    }
    all
}

/// Go reads `null` as nothing.
fn nullable(mut schema: Value) -> Value {
    schema["nullable"] = json!(true);
    schema
}

fn of(kind: &Kind) -> Value {
    match kind {
        Kind::Text => json!({"type": "string"}),
        Kind::Flag => json!({"type": "boolean"}),
        Kind::Integer => json!({"type": "integer"}),
        Kind::Bytes => json!({"type": "string", "format": "byte"}),
        Kind::Time | Kind::MicroTime => json!({"type": "string", "format": "date-time"}),
        Kind::IntegerOrText | Kind::Quantity => json!({"x-kubernetes-int-or-string": true}),
        Kind::Raw | Kind::Owned => json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true}),
        Kind::Extra => json!({"type": "array", "items": {"type": "string"}}),
        Kind::Struct(METADATA) => json!({"type": "object"}),
        Kind::Struct(name) => json!({"type": "object", "properties": properties(name)}),
        Kind::List(item) => json!({"type": "array", "items": of(item)}),
        Kind::Map(item) => json!({"type": "object", "additionalProperties": of(item)}),
    }
}

/// Sets the defaults in the published schema of the type `name`, as the reference derives them: what Go cannot leave out has its zero.
pub(crate) fn set_defaults(name: &str, schema: &mut Value) {
    let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) else { return };
    for field in fields(name) {
        match (&field.kind, field.inline) {
            (Kind::Struct(inner), true) => {
                // Its fields stand here, too.
                let mut own = json!({"properties": Value::Object(std::mem::take(properties))});
                set_defaults(inner, &mut own);
                if let Some(Value::Object(fields)) = own.get_mut("properties") {
                    *properties = std::mem::take(fields);
                }
            }
            (kind, _) => {
                if let Some(child) = properties.get_mut(field.name) {
                    set_default(kind, field.pointer, field.omits_empty, child);
                }
            }
        }
    }
    if let Some(required) = schema.get_mut("required").and_then(Value::as_array_mut) {
        in_order(fields(name), required);
    }
    if schema["required"].as_array().is_some_and(Vec::is_empty)
        && let Some(schema) = schema.as_object_mut()
    {
        schema.shift_remove("required");
    }
}

/// The zero of a plain field that Go always writes.
pub(crate) fn kept_zero(name: &str, key: &str) -> Option<Value> {
    let field = fields(name).iter().find(|field| field.name == key && !field.pointer && !field.omits_empty)?;
    match field.kind {
        Kind::Text => Some(json!("")),
        Kind::Flag => Some(json!(false)),
        Kind::Integer => Some(json!(0)),
        _ => None,
    }
}

/// Demands stand in the order of the fields; what is left out when it is empty is not demanded.
fn in_order(fields: &[Field], required: &mut Vec<Value>) {
    let place = |name: &Value| fields.iter().position(|field| *name == field.name);
    required.retain(|name| place(name).is_none_or(|place| !fields[place].omits_empty));
    required.sort_by_key(|name| place(name).unwrap_or(fields.len()));
}

fn set_default(kind: &Kind, pointer: bool, omits_empty: bool, schema: &mut Value) {
    let (part, inner) = match kind {
        Kind::List(inner) => ("items", inner),
        Kind::Map(inner) => ("additionalProperties", inner),
        _ => {
            let zero = match kind {
                _ if pointer => None,
                Kind::Struct(_) => Some(json!({})),
                Kind::Text => Some(json!("")).filter(|_| !omits_empty),
                Kind::Flag => Some(json!(false)).filter(|_| !omits_empty),
                Kind::Integer => Some(json!(0)).filter(|_| !omits_empty),
                _ => None,
            };
            return place_default(schema, zero);
        }
    };
    if let Some(child) = schema.get_mut(part) {
        set_default(inner, false, false, child);
    }
}

/// A schema that is only a reference carries a default behind an `allOf`.
fn place_default(schema: &mut Value, zero: Option<Value>) {
    let Some(fields) = schema.as_object_mut() else { return };
    match zero {
        None => {
            fields.shift_remove("default");
        }
        Some(zero) => {
            if let Some(reference) = fields.shift_remove("$ref") {
                fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
            }
            fields.insert("default".to_owned(), zero);
        }
    }
}
