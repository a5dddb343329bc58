//! Field names that the schema of a kind does not know, each with its path; values are judged elsewhere.

use serde_json::Value;

use crate::failure::suggest;

/// A field that no schema declares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UnknownField {
    /// Where it stands, as in `spec.services[0].portz`.
    pub(crate) path: String,
    /// Names that may have been meant.
    pub(crate) nearest: Vec<String>,
}

/// The unknown fields of an object of Koan's kinds; none where the kind itself is unknown.
pub(crate) fn unknown_fields(kind: &str, object: &Value) -> Vec<UnknownField> {
    // The definitions are constants of this program: that they serialise is proved where they are written.
    let definitions = koan_crds::generated().unwrap_or_default();
    let definition = definitions.iter().map(|crd| &crd.document).find(|crd| crd["spec"]["names"]["kind"] == kind);
    let mut found = Vec::new();
    if let Some(definition) = definition {
        let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        walk(&schema["properties"]["spec"], &object["spec"], "spec", &mut found);
    }
    found
}

fn walk(schema: &Value, value: &Value, path: &str, found: &mut Vec<UnknownField>) {
    match value {
        Value::Object(fields) => {
            let declared = schema["properties"].as_object();
            let open = schema["additionalProperties"].is_object() || schema["x-kubernetes-preserve-unknown-fields"] == true;
            for (name, field) in fields {
                let path = format!("{path}.{name}");
                match declared.and_then(|declared| declared.get(name)) {
                    Some(schema) => walk(schema, field, &path, found),
                    None if open => walk(&schema["additionalProperties"], field, &path, found),
                    // A schema without properties takes any object; what it holds is not a matter of names.
                    None => {
                        if let Some(declared) = declared {
                            found.push(UnknownField { path, nearest: suggest(name, declared.keys().cloned()) });
                        }
                    }
                }
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{path}[{index}]"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// CLI-6, K-3: an unknown key is found at any depth, keys of free maps are none, and nearest names are given.
    #[test]
    fn unknown_fields_are_found_at_any_depth() {
        let service = json!({"name": "db", "portz": [], "health": {"tcpp": {}}, "credentials": {"literals": {"any": "x"}}});
        let found = unknown_fields("DevStack", &json!({"spec": {"services": [service], "profil": "ci"}}));
        let paths: Vec<&str> = found.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(paths, ["spec.services[0].portz", "spec.services[0].health.tcpp", "spec.profil"]);
        assert_eq!(found[0].nearest.first().map(String::as_str), Some("ports"));
        assert_eq!(unknown_fields("DevStack", &json!({"spec": {"services": [{"name": "db"}]}})), []);
    }
}
