//! Schemas as the reference prints them: its internal struct, every field in its order.

use serde_json::Value;

use crate::schema::canonical_json;

/// What stands for a field that is not there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Zero {
    Text,
    False,
    Null,
}

/// How a field is printed where it is there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Json,
    Schema,
    Schemas,
    SchemaMap,
    OrFlag,
    OrList,
    Docs,
    Rules,
}

const FIELDS: [(&str, &str, Zero, Shown); 44] = [
    ("ID", "id", Zero::Text, Shown::Json),
    ("Schema", "$schema", Zero::Text, Shown::Json),
    ("Ref", "$ref", Zero::Null, Shown::Json),
    ("Description", "description", Zero::Text, Shown::Json),
    ("Type", "type", Zero::Text, Shown::Json),
    ("Nullable", "nullable", Zero::False, Shown::Json),
    ("Format", "format", Zero::Text, Shown::Json),
    ("Title", "title", Zero::Text, Shown::Json),
    ("Default", "default", Zero::Null, Shown::Json),
    ("Maximum", "maximum", Zero::Null, Shown::Json),
    ("ExclusiveMaximum", "exclusiveMaximum", Zero::False, Shown::Json),
    ("Minimum", "minimum", Zero::Null, Shown::Json),
    ("ExclusiveMinimum", "exclusiveMinimum", Zero::False, Shown::Json),
    ("MaxLength", "maxLength", Zero::Null, Shown::Json),
    ("MinLength", "minLength", Zero::Null, Shown::Json),
    ("Pattern", "pattern", Zero::Text, Shown::Json),
    ("MaxItems", "maxItems", Zero::Null, Shown::Json),
    ("MinItems", "minItems", Zero::Null, Shown::Json),
    ("UniqueItems", "uniqueItems", Zero::False, Shown::Json),
    ("MultipleOf", "multipleOf", Zero::Null, Shown::Json),
    ("Enum", "enum", Zero::Null, Shown::Json),
    ("MaxProperties", "maxProperties", Zero::Null, Shown::Json),
    ("MinProperties", "minProperties", Zero::Null, Shown::Json),
    ("Required", "required", Zero::Null, Shown::Json),
    ("Items", "items", Zero::Null, Shown::OrList),
    ("AllOf", "allOf", Zero::Null, Shown::Schemas),
    ("OneOf", "oneOf", Zero::Null, Shown::Schemas),
    ("AnyOf", "anyOf", Zero::Null, Shown::Schemas),
    ("Not", "not", Zero::Null, Shown::Schema),
    ("Properties", "properties", Zero::Null, Shown::SchemaMap),
    ("AdditionalProperties", "additionalProperties", Zero::Null, Shown::OrFlag),
    ("PatternProperties", "patternProperties", Zero::Null, Shown::SchemaMap),
    ("Dependencies", "dependencies", Zero::Null, Shown::Json),
    ("AdditionalItems", "additionalItems", Zero::Null, Shown::OrFlag),
    ("Definitions", "definitions", Zero::Null, Shown::SchemaMap),
    ("ExternalDocs", "externalDocs", Zero::Null, Shown::Docs),
    ("Example", "example", Zero::Null, Shown::Json),
    ("XPreserveUnknownFields", "x-kubernetes-preserve-unknown-fields", Zero::Null, Shown::Json),
    ("XEmbeddedResource", "x-kubernetes-embedded-resource", Zero::False, Shown::Json),
    ("XIntOrString", "x-kubernetes-int-or-string", Zero::False, Shown::Json),
    ("XListMapKeys", "x-kubernetes-list-map-keys", Zero::Null, Shown::Json),
    ("XListType", "x-kubernetes-list-type", Zero::Null, Shown::Json),
    ("XMapType", "x-kubernetes-map-type", Zero::Null, Shown::Json),
    ("XValidations", "x-kubernetes-validations", Zero::Null, Shown::Rules),
];
const RULE: [(&str, &str, Zero, Shown); 6] = [
    ("Rule", "rule", Zero::Text, Shown::Json),
    ("Message", "message", Zero::Text, Shown::Json),
    ("MessageExpression", "messageExpression", Zero::Text, Shown::Json),
    ("Reason", "reason", Zero::Null, Shown::Json),
    ("FieldPath", "fieldPath", Zero::Text, Shown::Json),
    ("OptionalOldSelf", "optionalOldSelf", Zero::Null, Shown::Json),
];
const DOCS: [(&str, &str, Zero, Shown); 2] =
    [("Description", "description", Zero::Text, Shown::Json), ("URL", "url", Zero::Text, Shown::Json)];

/// A whole schema.
pub(super) fn schema(value: &Value) -> String {
    object(value, &FIELDS)
}

fn object(value: &Value, table: &[(&str, &str, Zero, Shown)]) -> String {
    let fields: Vec<String> = table
        .iter()
        .map(|(name, json, zero, shown)| {
            let found = &value[*json];
            let text = match (found, zero) {
                (Value::Null, Zero::Text) => "\"\"".to_owned(),
                (Value::Null, Zero::False) => "false".to_owned(),
                (Value::Null, Zero::Null) => "null".to_owned(),
                (found, _) => one(found, *shown),
            };
            format!("\"{name}\":{text}")
        })
        .collect();
    format!("{{{}}}", fields.join(","))
}

fn one(value: &Value, shown: Shown) -> String {
    let list = |table: &[(&str, &str, Zero, Shown)]| {
        let items: Vec<String> = value.as_array().into_iter().flatten().map(|item| object(item, table)).collect();
        format!("[{}]", items.join(","))
    };
    match shown {
        Shown::Json => canonical_json(value),
        Shown::Schema => schema(value),
        Shown::Schemas => list(&FIELDS),
        Shown::Rules => list(&RULE),
        Shown::Docs => object(value, &DOCS),
        Shown::SchemaMap => {
            let mut entries: Vec<(&String, &Value)> = value.as_object().into_iter().flatten().collect();
            entries.sort_by_key(|(name, _)| *name);
            let entries: Vec<String> = entries
                .into_iter()
                .map(|(name, child)| format!("{}:{}", canonical_json(&Value::String(name.clone())), schema(child)))
                .collect();
            format!("{{{}}}", entries.join(","))
        }
        Shown::OrFlag => match value {
            Value::Bool(flag) => format!("{{\"Allows\":{flag},\"Schema\":null}}"),
            other => format!("{{\"Allows\":true,\"Schema\":{}}}", schema(other)),
        },
        Shown::OrList => match value {
            Value::Array(_) => format!("{{\"Schema\":null,\"JSONSchemas\":{}}}", list(&FIELDS)),
            other => format!("{{\"Schema\":{},\"JSONSchemas\":null}}", schema(other)),
        },
    }
}
