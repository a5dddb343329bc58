//! What each field of an `openAPIV3Schema` may say, read as it was written.

use serde_json::{Map, Value};

use super::text;
use super::version::resolve;
use crate::schema::{Problem, canonical_json};

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const REASONS: [&str; 4] = ["FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired"];
const META_FIELDS: [&str; 3] = ["metadata", "kind", "apiVersion"];
/// Fields of other dialects: schema field, what is said of it.
const FOREIGN: [(&str, &str); 6] = [
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
];

/// Where in a resource a schema stands.
#[derive(Debug, Clone, Default)]
struct Place {
    root: bool,
    /// Within `apiVersion`, `kind` or `metadata` of a resource.
    meta: bool,
    /// Why no default may be set here.
    no_default: Option<String>,
}

impl Place {
    fn below(&self) -> Self {
        Self { root: false, ..self.clone() }
    }
}

/// Appends every violation in `schema` and below it.
pub(super) fn check(schema: &Value, path: &str, problems: &mut Vec<Problem>) {
    walk(schema, path, &Place { root: true, ..Place::default() }, problems);
}

fn set(fields: &Map<String, Value>, field: &str) -> bool {
    fields.get(field) == Some(&Value::Bool(true))
}

fn walk(schema: &Value, path: &str, place: &Place, problems: &mut Vec<Problem>) {
    let Some(fields) = schema.as_object() else { return };
    plain(fields, path, place, problems);
    if set(fields, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        problems.push(Problem::forbidden(&format!("{path}.uniqueItems"), detail));
    }
    children(fields, path, place, problems);
    extensions(fields, path, problems);
    lists(fields, path, problems);
    rules(schema, path, problems);
}

/// What the fields themselves may hold.
fn plain(fields: &Map<String, Value>, path: &str, place: &Place, problems: &mut Vec<Problem>) {
    let kind = fields.get("type").map(text).unwrap_or_default();
    if !kind.is_empty() && !TYPES.contains(&kind) {
        problems.push(Problem::not_supported(&format!("{path}.type"), kind.into(), &TYPES.map(Value::from)));
    }
    if let Some(reason) = &place.no_default
        && fields.get("default").is_some_and(|value| !value.is_null())
    {
        problems.push(Problem::forbidden(&format!("{path}.default"), &format!("must not be set {reason}")));
    }
    for (field, detail) in FOREIGN {
        let empty = |value: &Value| value.as_object().is_some_and(Map::is_empty) || value == "" || value.is_null();
        if fields.get(field).is_some_and(|value| !empty(value)) {
            problems.push(Problem::forbidden(&format!("{path}.{field}"), detail));
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        problems.push(Problem::forbidden(&format!("{path}.type"), detail));
    }
    if fields.get("items").is_some_and(Value::is_array) {
        problems.push(Problem::forbidden(&format!("{path}.items"), "items must be a schema object and not an array"));
    }
    if place.meta && set(fields, "x-kubernetes-embedded-resource") {
        let path = format!("{path}.x-kubernetes-embedded-resource");
        problems.push(Problem::forbidden(&path, "must not be used inside of resource meta"));
    }
}

fn children(fields: &Map<String, Value>, path: &str, place: &Place, problems: &mut Vec<Problem>) {
    let properties = fields.get("properties").and_then(Value::as_object).filter(|properties| !properties.is_empty());
    if let Some(extra) = fields.get("additionalProperties").filter(|extra| !extra.is_null()) {
        let place_below = if place.meta {
            Place { no_default: Some("inside additionalProperties applying to object metadata".to_owned()), ..place.below() }
        } else {
            place.below()
        };
        let path = format!("{path}.additionalProperties");
        if properties.is_some() && *extra != Value::Bool(true) {
            problems.push(Problem::forbidden(&path, "additionalProperties and properties are mutual exclusive"));
        }
        walk(extra, &path, &place_below, problems);
    }
    let embedded = place.root || set(fields, "x-kubernetes-embedded-resource");
    for (name, child) in properties.into_iter().flatten() {
        let mut below = place.below();
        if embedded && META_FIELDS.contains(&name.as_str()) {
            below.meta = true;
            if place.root {
                below.no_default = Some(format!("in top-level {name}"));
            }
        }
        walk(child, &format!("{path}.properties[{name}]"), &below, problems);
    }
    if let Some(branch) = fields.get("not") {
        walk(branch, &format!("{path}.not"), &place.below(), problems);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        for (index, branch) in fields.get(key).and_then(Value::as_array).into_iter().flatten().enumerate() {
            walk(branch, &format!("{path}.{key}[{index}]"), &place.below(), problems);
        }
    }
    if let Some(items) = fields.get("items") {
        walk(items, &format!("{path}.items"), &place.below(), problems);
    }
}

fn extensions(fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    if fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = format!("{path}.x-kubernetes-preserve-unknown-fields");
        problems.push(Problem::invalid(&path, Value::Bool(false), "must be true or undefined"));
    }
    let kind = fields.get("type").map(text).unwrap_or_default();
    let typed = |wanted: &str, extension: &str, problems: &mut Vec<Problem>| {
        let (path, detail) = (format!("{path}.type"), format!("must be {wanted} if {extension} is specified"));
        if kind.is_empty() {
            problems.push(Problem::required(&path, &detail));
        } else if kind != wanted {
            problems.push(Problem::invalid(&path, kind.into(), &detail));
        }
    };
    if let Some(map) = fields.get("x-kubernetes-map-type").filter(|map| !map.is_null()) {
        typed("object", "x-kubernetes-map-type", problems);
        if !matches!(text(map), "atomic" | "granular") {
            let supported = ["atomic".into(), "granular".into()];
            problems.push(Problem::not_supported(&format!("{path}.x-kubernetes-map-type"), map.clone(), &supported));
        }
    }
    let Some(list) = fields.get("x-kubernetes-list-type").filter(|list| !list.is_null()) else { return };
    if kind != "array" {
        typed("array", "x-kubernetes-list-type", problems);
    } else if list == "set"
        && let Some(items) = fields.get("items").and_then(Value::as_object)
    {
        atomic_items(items, path, problems);
    }
    if !matches!(text(list), "atomic" | "set" | "map") {
        let supported = ["atomic".into(), "set".into(), "map".into()];
        problems.push(Problem::not_supported(&format!("{path}.x-kubernetes-list-type"), list.clone(), &supported));
    }
}

/// Entries of a set have to be whole values.
fn atomic_items(items: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let of = |field: &str| items.get(field).cloned().unwrap_or_default();
    let wrong = match items.get("type").map(text).unwrap_or_default() {
        "array" if !of("x-kubernetes-list-type").is_null() && of("x-kubernetes-list-type") != "atomic" => {
            "x-kubernetes-list-type"
        }
        "object" if of("x-kubernetes-map-type") != "atomic" => "x-kubernetes-map-type",
        _ => return,
    };
    // The reference shows the list type in both cases.
    let shown = canonical_json(&of("x-kubernetes-list-type"));
    problems.push(Problem::invalid_shown(&format!("{path}.items.{wrong}"), &shown, detail));
}

fn lists(fields: &Map<String, Value>, path: &str, problems: &mut Vec<Problem>) {
    let list = fields.get("x-kubernetes-list-type").map(text).unwrap_or_default();
    let keys = fields.get("x-kubernetes-list-map-keys").filter(|keys| keys.as_array().is_some_and(|keys| !keys.is_empty()));
    if keys.is_some() && list != "map" {
        let (path, detail) = (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        if list.is_empty() {
            problems.push(Problem::required(&path, detail));
        } else {
            problems.push(Problem::invalid(&path, list.into(), detail));
        }
    }
    let items = fields.get("items").and_then(Value::as_object);
    if list == "map" {
        if keys.is_none() {
            let detail = "must not be empty if x-kubernetes-list-type is map";
            problems.push(Problem::required(&format!("{path}.x-kubernetes-list-map-keys"), detail));
        }
        match items {
            None => {
                let detail = "must have a schema if x-kubernetes-list-type is map";
                problems.push(Problem::required(&format!("{path}.items"), detail));
            }
            Some(items) => map_items(items, keys, path, problems),
        }
    }
    let Some(items) = items.filter(|_| matches!(list, "map" | "set")) else { return };
    if set(items, "nullable") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list}");
        problems.push(Problem::forbidden(&format!("{path}.items.nullable"), &detail));
    }
    if list == "map" {
        keys_are_there(items, keys, path, problems);
    }
}

fn map_items(items: &Map<String, Value>, keys: Option<&Value>, path: &str, problems: &mut Vec<Problem>) {
    let kind = items.get("type").map(text).unwrap_or_default();
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        problems.push(Problem::invalid(&format!("{path}.items.type"), kind.into(), detail));
        return;
    }
    let all: Vec<&str> = keys.and_then(Value::as_array).into_iter().flatten().map(text).collect();
    let place = format!("{path}.x-kubernetes-list-map-keys");
    for (index, key) in all.iter().enumerate() {
        match items.get("properties").and_then(|properties| properties.get(key)) {
            Some(property) if matches!(text(&property["type"]), "array" | "object") => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                problems.push(Problem::invalid(&format!("{path}.items.properties[{key}].type"), kind.into(), detail));
            }
            Some(_) => {}
            None => {
                let shown = canonical_json(keys.unwrap_or(&Value::Null));
                problems.push(Problem::invalid_shown(&place, &shown, "entries must all be names of item properties"));
            }
        }
        if all[..index].contains(key) {
            let shown = canonical_json(keys.unwrap_or(&Value::Null));
            problems.push(Problem::invalid_shown(&place, &shown, "must not contain duplicate entries"));
        }
    }
}

/// A key that may be absent identifies nothing.
fn keys_are_there(items: &Map<String, Value>, keys: Option<&Value>, path: &str, problems: &mut Vec<Problem>) {
    for key in keys.and_then(Value::as_array).into_iter().flatten().map(text) {
        let Some(property) = items.get("properties").and_then(|properties| properties.get(key)) else { continue };
        let required =
            items.get("required").and_then(Value::as_array).is_some_and(|required| required.iter().any(|name| name == key));
        let place = format!("{path}.items.properties[{key}]");
        if !required && property["default"].is_null() {
            let detail = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            problems.push(Problem::required(&format!("{place}.default"), detail));
        }
        if property["nullable"] == Value::Bool(true) {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            problems.push(Problem::forbidden(&format!("{place}.nullable"), detail));
        }
    }
}

/// The words around each rule; the rules themselves are compiled when all else is well.
fn rules(schema: &Value, path: &str, problems: &mut Vec<Problem>) {
    for (index, rule) in schema["x-kubernetes-validations"].as_array().into_iter().flatten().enumerate() {
        let path = |field: &str| format!("{path}.x-kubernetes-validations[{index}].{field}");
        let lines = |text: &str| text.contains(['\n', '\r']);
        let (source, message) = (text(&rule["rule"]), text(&rule["message"]));
        if source.trim().is_empty() {
            problems.push(Problem::required(&path("rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            problems.push(Problem::invalid(&path("message"), message.into(), "must be non-empty if specified"));
        } else if lines(message.trim()) {
            problems.push(Problem::invalid(&path("message"), message.into(), "must not contain line breaks"));
        } else if lines(source.trim()) && message.trim().is_empty() {
            problems.push(Problem::required(&path("message"), "message must be specified if rule contains line breaks"));
        }
        let expression = text(&rule["messageExpression"]);
        if !expression.is_empty() && expression.trim().is_empty() {
            problems.push(Problem::required(&path("messageExpression"), "messageExpression must be non-empty if specified"));
        }
        if let Some(reason) = rule["reason"].as_str()
            && !REASONS.contains(&reason)
        {
            problems.push(Problem::not_supported(&path("reason"), reason.into(), &REASONS.map(Value::from)));
        }
        let field = text(&rule["fieldPath"]);
        if !field.is_empty() && field.trim().is_empty() {
            problems.push(Problem::invalid(&path("fieldPath"), field.into(), "must be non-empty if specified"));
        }
        if lines(field) {
            problems.push(Problem::invalid(&path("fieldPath"), field.into(), "must not contain line breaks"));
        }
        // A path by keys in brackets is read where it is used.
        if !field.is_empty() && !field.contains('[') && resolve(field, schema).is_err() {
            problems.push(Problem::invalid(&path("fieldPath"), field.into(), "must be a valid path"));
        }
    }
}
