//! What the schema of a kind says of an object: unknown names, wrong forms, missing fields, each with its path. What fields mean
//! together is judged elsewhere.

use std::sync::LazyLock;

use koan_crds::{DefinitionsError, GeneratedCrd};
use serde_json::{Value, json};

use crate::failure::{Failure, suggest};

/// A field that the schema does not take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldProblem {
    /// Where it stands, as in `spec.services[0].portz`.
    pub(crate) path: String,
    /// What is wrong.
    pub(crate) message: String,
    /// What to do.
    pub(crate) hint: String,
}

/// Read once per command, which may name many objects.
static DEFINITIONS: LazyLock<Result<Vec<GeneratedCrd>, DefinitionsError>> = LazyLock::new(koan_crds::definitions);

/// The problems of an object of Koan's kinds; none where the kind itself is unknown.
///
/// # Errors
/// [`Failure::Definitions`] where this build carries no definitions.
pub(crate) fn check_fields(kind: &str, object: &Value) -> Result<Vec<FieldProblem>, Failure> {
    let mut definitions = DEFINITIONS.as_ref().map_err(Clone::clone)?.iter().map(|crd| &crd.document);
    let definition = definitions.find(|crd| crd["spec"]["names"]["kind"] == kind);
    let Some(definition) = definition else { return Ok(Vec::new()) };
    let mut walk = Walk::default();
    if let Some(fields) = object.as_object() {
        let known = ["apiVersion", "kind", "metadata", "spec", "status"];
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            walk.unknown(name.clone(), name, known.iter().map(|name| (*name).to_owned()));
        }
    }
    walk.value(&metadata(), &object["metadata"], "metadata");
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    if !object["spec"].is_null() || object.get("spec").is_some() {
        walk.value(&schema["properties"]["spec"], &object["spec"], "spec");
    }
    Ok(walk.found)
}

/// What Koan reads of metadata; the server knows the rest.
fn metadata() -> Value {
    let words = json!({"type": "object", "additionalProperties": {"type": "string"}});
    json!({"type": "object", "x-open": true, "properties": {
        "name": {"type": "string"}, "namespace": {"type": "string"}, "labels": words, "annotations": words,
    }})
}

#[derive(Default)]
struct Walk {
    found: Vec<FieldProblem>,
}

impl Walk {
    fn refuse(&mut self, path: &str, message: String, hint: impl Into<String>) {
        self.found.push(FieldProblem { path: path.to_owned(), message, hint: hint.into() });
    }

    fn unknown(&mut self, path: String, name: &str, known: impl IntoIterator<Item = String>) {
        let nearest = suggest(name, known).join(", ");
        let hint = if nearest.is_empty() { "remove it".to_owned() } else { format!("did you mean {nearest}?") };
        self.refuse(&path, format!("unknown field `{name}`"), hint);
    }

    fn value(&mut self, schema: &Value, value: &Value, path: &str) {
        let wanted = schema["type"].as_str().unwrap_or_default();
        let int_or_string = schema["x-kubernetes-int-or-string"] == true;
        match (wanted, value) {
            (_, Value::Null) => {
                if path == "metadata" || schema["nullable"] == true {
                    return;
                }
                self.refuse(path, format!("`{}` has no value", last(path)), "write a value, or remove the key");
            }
            ("object", Value::Object(fields)) => self.object(schema, fields, path),
            ("array", Value::Array(items)) => {
                for (index, item) in items.iter().enumerate() {
                    self.value(&schema["items"], item, &format!("{path}[{index}]"));
                }
            }
            ("string", Value::String(word)) => self.word(schema, word, path),
            ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => self.bounds(schema, value, path),
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("", _) if !int_or_string => {}
            (_, Value::String(_)) if int_or_string => {}
            (_, Value::Number(number)) if int_or_string && (number.is_i64() || number.is_u64()) => {}
            _ => {
                let wanted = if int_or_string { "a whole number or text" } else { article(wanted) };
                self.refuse(path, format!("`{}` is {}; {wanted} is expected", last(path), form(value)), hint(wanted, value));
            }
        }
    }

    fn object(&mut self, schema: &Value, fields: &serde_json::Map<String, Value>, path: &str) {
        let declared = schema["properties"].as_object();
        let free = &schema["additionalProperties"];
        let open = schema["x-kubernetes-preserve-unknown-fields"] == true || schema["x-open"] == true;
        for (name, field) in fields {
            let place = format!("{path}.{name}");
            match declared.and_then(|declared| declared.get(name)) {
                Some(schema) => self.value(schema, field, &place),
                None if free.is_object() => self.value(free, field, &place),
                None if open => {}
                // A schema without properties takes any object; what it holds is not a matter of names.
                None => {
                    if let Some(declared) = declared {
                        self.unknown(place, name, declared.keys().cloned());
                    }
                }
            }
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if !fields.contains_key(name) {
                self.refuse(path, format!("`{name}` is missing"), format!("add {name}:"));
            }
        }
    }

    fn word(&mut self, schema: &Value, word: &str, path: &str) {
        let Some(words) = schema["enum"].as_array() else { return };
        let words: Vec<&str> = words.iter().filter_map(Value::as_str).collect();
        if words.contains(&word) {
            return;
        }
        let nearest = words.iter().find(|known| known.eq_ignore_ascii_case(word)).map(|known| vec![(*known).to_owned()]);
        let nearest = nearest.unwrap_or_else(|| suggest(word, words.iter().map(|known| (*known).to_owned())));
        let hint = match nearest.as_slice() {
            [] => format!("one of {}", words.join(", ")),
            nearest => format!("did you mean {}? one of {}", nearest.join(" or "), words.join(", ")),
        };
        self.refuse(path, format!("`{word}` is no {}", last(path)), hint);
    }

    fn bounds(&mut self, schema: &Value, value: &Value, path: &str) {
        let (Some(low), Some(high)) = (schema["minimum"].as_f64(), schema["maximum"].as_f64()) else { return };
        if value.as_f64().is_some_and(|number| number < low || number > high) {
            self.refuse(path, format!("{value} is no {}", last(path)), format!("a whole number from {low} to {high}"));
        }
    }
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

fn article(wanted: &str) -> &'static str {
    match wanted {
        "object" => "a map",
        "array" => "a list",
        "string" => "text",
        "integer" => "a whole number",
        "number" => "a number",
        "boolean" => "true or false",
        _ => "another form",
    }
}

fn form(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

fn hint(wanted: &str, value: &Value) -> &'static str {
    match (wanted, value) {
        ("text", Value::Number(_) | Value::Bool(_)) => "put it in quotes",
        ("a list", _) => "write one entry a line, each after `- `",
        ("a map", _) => "write key: value below it",
        ("true or false", Value::String(_)) => "write true or false without quotes",
        ("a whole number" | "a number", Value::String(_)) => "write the number without quotes",
        _ => "see docs/manifest.md",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(spec: Value) -> Vec<(String, String)> {
        let object = json!({"apiVersion": "x", "kind": "DevStack", "metadata": {"name": "shop"}, "spec": spec});
        check_fields("DevStack", &object).unwrap().into_iter().map(|problem| (problem.path, problem.message)).collect()
    }

    /// CLI-6, K-3: an unknown key is found at any depth, keys of free maps are none, and nearest names are given.
    #[test]
    fn unknown_fields_are_found_at_any_depth() {
        let service = json!({"name": "db", "portz": [], "health": {"tcpp": {}}, "credentials": {"literals": {"any": "x"}}});
        let object = json!({"spek": {}, "spec": {"services": [service], "profil": "ci"}});
        let found = check_fields("DevStack", &object).unwrap();
        let paths: Vec<&str> = found.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["spek", "spec.services[0].portz", "spec.services[0].health.tcpp", "spec.profil"]);
        assert_eq!((found[0].hint.as_str(), found[1].hint.as_str()), ("did you mean spec?", "did you mean ports?"));
        assert_eq!(problems(json!({"services": [{"name": "db"}]})), []);
    }

    /// CLI-22, B-10: a wrong form, word, number, empty value or missing field is named by its path, before anything is decoded.
    #[test]
    fn wrong_forms_are_named_by_their_path() {
        let rows = [
            (json!("x"), "spec", "`spec` is text; a map is expected"),
            (json!(null), "spec", "`spec` has no value"),
            (json!({"services": {"db": {}}}), "spec.services", "`services` is a map; a list is expected"),
            (json!({"services": ["db"]}), "spec.services[0]", "is text; a map is expected"),
            (json!({"services": [{}]}), "spec.services[0]", "`name` is missing"),
            (json!({"profile": "lokal"}), "spec.profile", "`lokal` is no profile"),
            (json!({"suspend": "true"}), "spec.suspend", "`suspend` is text; true or false is expected"),
            (
                json!({"services": [{"name": "a", "ports": [{"name": "x", "containerPort": 70000}]}]}),
                "spec.services[0].ports[0].containerPort",
                "70000 is no containerPort",
            ),
            (
                json!({"services": [{"name": "a", "env": [{"name": "A", "value": 5}]}]}),
                "spec.services[0].env[0].value",
                "`value` is a number; text is expected",
            ),
        ];
        for (spec, path, message) in rows {
            let found = problems(spec.clone());
            assert!(found.iter().any(|(at, text)| at == path && text.contains(message)), "{spec}: {found:?}");
        }
    }

    /// CLI-22: metadata that would crash an apply is named too.
    #[test]
    fn metadata_has_its_forms() {
        let object = json!({"metadata": {"name": "shop", "annotations": "x", "labels": {"a": 1}, "generateName": "y"}});
        let found = check_fields("DevStack", &object).unwrap();
        let paths: Vec<&str> = found.iter().map(|problem| problem.path.as_str()).collect();
        assert_eq!(paths, ["metadata.annotations", "metadata.labels.a"]);
    }
}
