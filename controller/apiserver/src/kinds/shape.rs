//! The fixed shape of an `openAPIV3Schema` inside a definition: unknown fields go, and so do the empty values that the
//! reference's types do not write.

use serde_json::{Map, Value};

use crate::codec;

/// What a field of a schema holds.
#[derive(Clone, Copy)]
enum Field {
    Text,
    /// A text that is kept when it is empty.
    TextOrNone,
    Flag,
    /// A flag that is kept when it is false.
    FlagOrNone,
    Number,
    Count,
    /// Any JSON.
    Any,
    AnyList,
    Texts,
    Schema,
    Schemas,
    SchemaMap,
    SchemaOrFlag,
    SchemaOrList,
    /// A schema or a list of texts for each key.
    Dependencies,
    Docs,
    Rules,
}

const FIELDS: [(&str, Field); 44] = [
    ("id", Field::Text),
    ("$schema", Field::Text),
    ("$ref", Field::TextOrNone),
    ("description", Field::Text),
    ("type", Field::Text),
    ("format", Field::Text),
    ("title", Field::Text),
    ("default", Field::Any),
    ("maximum", Field::Number),
    ("exclusiveMaximum", Field::Flag),
    ("minimum", Field::Number),
    ("exclusiveMinimum", Field::Flag),
    ("maxLength", Field::Count),
    ("minLength", Field::Count),
    ("pattern", Field::Text),
    ("maxItems", Field::Count),
    ("minItems", Field::Count),
    ("uniqueItems", Field::Flag),
    ("multipleOf", Field::Number),
    ("enum", Field::AnyList),
    ("maxProperties", Field::Count),
    ("minProperties", Field::Count),
    ("required", Field::Texts),
    ("items", Field::SchemaOrList),
    ("allOf", Field::Schemas),
    ("oneOf", Field::Schemas),
    ("anyOf", Field::Schemas),
    ("not", Field::Schema),
    ("properties", Field::SchemaMap),
    ("additionalProperties", Field::SchemaOrFlag),
    ("patternProperties", Field::SchemaMap),
    ("dependencies", Field::Dependencies),
    ("additionalItems", Field::SchemaOrFlag),
    ("definitions", Field::SchemaMap),
    ("externalDocs", Field::Docs),
    ("example", Field::Any),
    ("nullable", Field::Flag),
    ("x-kubernetes-preserve-unknown-fields", Field::FlagOrNone),
    ("x-kubernetes-embedded-resource", Field::Flag),
    ("x-kubernetes-int-or-string", Field::Flag),
    ("x-kubernetes-list-map-keys", Field::Texts),
    ("x-kubernetes-list-type", Field::TextOrNone),
    ("x-kubernetes-map-type", Field::TextOrNone),
    ("x-kubernetes-validations", Field::Rules),
];
const RULE: [(&str, Field); 6] = [
    ("rule", Field::TextOrNone),
    ("message", Field::Text),
    ("messageExpression", Field::Text),
    ("reason", Field::TextOrNone),
    ("fieldPath", Field::Text),
    ("optionalOldSelf", Field::FlagOrNone),
];
const DOCS: [(&str, Field); 2] = [("description", Field::Text), ("url", Field::Text)];

/// What was found in the schemas of one definition.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Paths of unknown fields, which are gone.
    pub(crate) unknown: Vec<String>,
    /// The first value of a wrong type, in the words of the reference's decoder.
    pub(crate) mistyped: Option<String>,
}

/// Brings every schema of a definition into shape.
pub(crate) fn reshape(definition: &mut Value) -> Findings {
    let mut findings = Findings::default();
    let versions = definition.get_mut("spec").and_then(|spec| spec.get_mut("versions")).and_then(Value::as_array_mut);
    for (index, version) in versions.into_iter().flatten().enumerate() {
        if let Some(schema) = version.get_mut("schema").and_then(|schema| schema.get_mut("openAPIV3Schema"))
            && !schema.is_null()
        {
            fields(schema, &FIELDS, &format!("spec.versions[{index}].schema.openAPIV3Schema"), &mut findings);
        }
    }
    findings
}

/// The reference names the fields on the way: neither the places in lists nor the keys of maps.
fn mistype(value: &Value, path: &str, wanted: &str, findings: &mut Findings) {
    let mut fields = Vec::new();
    let mut key = false;
    for step in path.split('.').map(|step| step.split('[').next().unwrap_or_default()) {
        if key {
            key = false;
            continue;
        }
        key = matches!(step, "properties" | "definitions" | "patternProperties");
        fields.push(step);
    }
    let fields = fields.join(".");
    findings.mistyped.get_or_insert_with(|| {
        format!(
            "json: cannot unmarshal {} into Go struct field JSONSchemaProps.{fields} of type {wanted}",
            codec::json_type(value)
        )
    });
}

fn fields(value: &mut Value, table: &[(&str, Field)], path: &str, findings: &mut Findings) {
    let Value::Object(map) = value else { return mistype(value, path, "v1.JSONSchemaProps", findings) };
    let mut kept = Map::new();
    for (name, mut child) in std::mem::take(map) {
        let path = format!("{path}.{name}");
        match table.iter().find(|(known, _)| *known == name) {
            None => findings.unknown.push(path),
            Some(_) if child.is_null() => {}
            Some((_, field)) => {
                one(&mut child, *field, &path, findings);
                if !is_empty(&child, *field) {
                    kept.insert(name, child);
                }
            }
        }
    }
    *map = kept;
}

/// Whether the reference leaves such a value out.
fn is_empty(value: &Value, field: Field) -> bool {
    match field {
        Field::Text => value == "",
        Field::Flag => *value == Value::Bool(false),
        Field::AnyList | Field::Texts | Field::Schemas | Field::Rules => value.as_array().is_some_and(Vec::is_empty),
        Field::SchemaMap | Field::Dependencies => value.as_object().is_some_and(Map::is_empty),
        Field::TextOrNone
        | Field::FlagOrNone
        | Field::Number
        | Field::Count
        | Field::Any
        | Field::Schema
        | Field::SchemaOrFlag
        | Field::SchemaOrList
        | Field::Docs => false,
    }
}

fn one(value: &mut Value, field: Field, path: &str, findings: &mut Findings) {
    match field {
        Field::Text | Field::TextOrNone if !value.is_string() => mistype(value, path, "string", findings),
        Field::Flag | Field::FlagOrNone if !value.is_boolean() => mistype(value, path, "bool", findings),
        Field::Number if !value.is_number() => mistype(value, path, "float64", findings),
        Field::Count if value.as_i64().is_none() => mistype(value, path, "int64", findings),
        Field::Text | Field::TextOrNone | Field::Flag | Field::FlagOrNone | Field::Number | Field::Count | Field::Any => {}
        Field::AnyList if !value.is_array() => mistype(value, path, "[]v1.JSON", findings),
        Field::AnyList => {}
        Field::Texts => texts(value, path, findings),
        Field::Schema => fields(value, &FIELDS, path, findings),
        Field::Schemas => list(value, &FIELDS, path, findings),
        Field::Rules => list(value, &RULE, path, findings),
        Field::SchemaMap => map(value, path, findings),
        Field::SchemaOrFlag if value.is_boolean() => {}
        Field::SchemaOrFlag => fields(value, &FIELDS, path, findings),
        Field::SchemaOrList if value.is_array() => list(value, &FIELDS, path, findings),
        Field::SchemaOrList => fields(value, &FIELDS, path, findings),
        Field::Dependencies => {
            for (key, child) in value.as_object_mut().into_iter().flatten() {
                if !child.is_array() {
                    fields(child, &FIELDS, &format!("{path}.{key}"), findings);
                }
            }
        }
        Field::Docs => fields(value, &DOCS, path, findings),
    }
}

fn texts(value: &Value, path: &str, findings: &mut Findings) {
    match value {
        Value::Array(items) => {
            if let Some(wrong) = items.iter().find(|item| !item.is_string()) {
                mistype(wrong, path, "string", findings);
            }
        }
        other => mistype(other, path, "[]string", findings),
    }
}

fn list(value: &mut Value, table: &[(&str, Field)], path: &str, findings: &mut Findings) {
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                fields(item, table, &format!("{path}[{index}]"), findings);
            }
        }
        other => mistype(other, path, "[]v1.JSONSchemaProps", findings),
    }
}

fn map(value: &mut Value, path: &str, findings: &mut Findings) {
    match value {
        Value::Object(children) => {
            for (key, child) in children {
                if !child.is_null() {
                    fields(child, &FIELDS, &format!("{path}.{key}"), findings);
                }
            }
        }
        other => mistype(other, path, "map[string]v1.JSONSchemaProps", findings),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(schema: &Value) -> Value {
        json!({"spec": {"versions": [{"schema": {"openAPIV3Schema": schema}}]}})
    }

    /// API-1: unknown fields of a schema are named and go, empty values are not stored, what says something stays.
    #[test]
    fn a_schema_is_brought_into_shape() {
        let mut found = definition(&json!({
            "type": "object", "nullable": false, "description": "", "required": [], "foo": 1,
            "properties": {"spec": {"type": "object", "properties": {}, "bar": {}, "default": {}, "additionalProperties": false}},
        }));
        let findings = reshape(&mut found);
        let root = "spec.versions[0].schema.openAPIV3Schema";
        assert_eq!(findings.unknown, [format!("{root}.foo"), format!("{root}.properties.spec.bar")]);
        assert_eq!(findings.mistyped, None);
        let kept =
            json!({"type": "object", "properties": {"spec": {"type": "object", "default": {}, "additionalProperties": false}}});
        assert_eq!(found, definition(&kept));
    }

    /// API-1: a value of a wrong type is named by its field.
    #[test]
    fn a_wrong_type_is_named() {
        let findings = reshape(&mut definition(&json!({"type": 5})));
        assert!(findings.mistyped.is_some_and(|text| text.contains("number") && text.contains("openAPIV3Schema.type")));
    }
}
