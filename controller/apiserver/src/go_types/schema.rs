//! The structural schema of a type, for kinds that have no other.

use serde_json::{Map, Value, json};

use super::table::{Kind, fields};

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
