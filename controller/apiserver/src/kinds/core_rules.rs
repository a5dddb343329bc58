//! What the built-in kinds do beyond their schema: folding, defaults and immutability.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::resource::{CoreKind, Resource};
use super::{definition, extended, namespace};
use crate::status::Cause;

/// The most bytes that the data of one Secret or ConfigMap may hold.
const MAX_DATA_BYTES: usize = 1024 * 1024;
/// The longest key in the data of a Secret or ConfigMap.
const MAX_KEY_LENGTH: usize = 253;

/// Completes a decoded object before anything is validated.
pub(crate) fn prepare(resource: &Resource, new: &mut Value, old: Option<&Value>) {
    let Some(kind) = resource.core() else { return };
    if kind == CoreKind::CustomResourceDefinition {
        return definition::complete(new, old);
    }
    if kind == CoreKind::Plain {
        return extended::complete(resource, new, old);
    }
    let name = new["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let Some(map) = new.as_object_mut() else { return };
    match kind {
        CoreKind::Secret => secret(map),
        CoreKind::Namespace => namespace::complete(map, &name),
        CoreKind::Event => event(map),
        CoreKind::EventV1 => event_v1(map),
        CoreKind::ServiceAccount => service_account(map),
        CoreKind::Lease => {
            map.entry("spec").or_insert_with(|| json!({}));
        }
        CoreKind::ConfigMap
        | CoreKind::CustomResourceDefinition
        | CoreKind::Plain
        | CoreKind::Pod
        | CoreKind::Review
        | CoreKind::Service => {}
    }
}

/// Sets what no client sets, after it is noted who owns what.
pub(crate) fn settle(resource: &Resource, new: &mut Value, old: Option<&Value>, subresource: &str) {
    if resource.core() == Some(CoreKind::Namespace)
        && let Some(map) = new.as_object_mut()
    {
        namespace::settle(map, old, subresource);
    }
}

fn secret(map: &mut Map<String, Value>) {
    if let Some(Value::Object(plain)) = map.remove("stringData")
        && let Some(data) = map.entry("data").or_insert_with(|| json!({})).as_object_mut()
    {
        for (key, value) in plain {
            if let Some(text) = value.as_str() {
                data.insert(key, Value::String(STANDARD.encode(text)));
            }
        }
    }
    if map.get("type").and_then(Value::as_str).unwrap_or_default().is_empty() {
        map.insert("type".to_owned(), json!("Opaque"));
    }
}

fn event(map: &mut Map<String, Value>) {
    for (field, default) in [
        ("source", json!({})),
        ("firstTimestamp", Value::Null),
        ("lastTimestamp", Value::Null),
        ("eventTime", Value::Null),
        ("reportingComponent", json!("")),
        ("reportingInstance", json!("")),
    ] {
        map.entry(field).or_insert(default);
    }
}

/// The fields that the newer shape always writes.
fn event_v1(map: &mut Map<String, Value>) {
    for (field, default) in
        [("deprecatedSource", json!({})), ("deprecatedFirstTimestamp", Value::Null), ("deprecatedLastTimestamp", Value::Null)]
    {
        map.entry(field).or_insert(default);
    }
}

/// Secrets are named and nothing else: they lie in the account's own namespace.
fn service_account(map: &mut Map<String, Value>) {
    for secret in map.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(secret) = secret.as_object_mut() {
            secret.retain(|field, _| field == "name");
        }
    }
}

/// What a new object of a fixed type holds before anything is set: its creator does not own that. Custom kinds have none.
pub(crate) fn blank(resource: &Resource) -> Option<Value> {
    if resource.core()? == CoreKind::Plain {
        return Some(extended::blank(resource));
    }
    let mut blank = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
    let map = blank.as_object_mut()?;
    match resource.core()? {
        CoreKind::Event => event(map),
        CoreKind::EventV1 => event_v1(map),
        CoreKind::Lease => {
            map.insert("spec".to_owned(), json!({}));
        }
        CoreKind::Namespace => {
            map.insert("spec".to_owned(), json!({}));
            map.insert("status".to_owned(), json!({}));
        }
        CoreKind::CustomResourceDefinition => {
            map.insert("spec".to_owned(), json!({"names": {}}));
        }
        CoreKind::ConfigMap
        | CoreKind::Plain
        | CoreKind::Pod
        | CoreKind::Review
        | CoreKind::Secret
        | CoreKind::Service
        | CoreKind::ServiceAccount => {}
    }
    Some(blank)
}

/// Every violation of a built-in kind's own rules.
pub(crate) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    match resource.core() {
        Some(CoreKind::ConfigMap) => data(new, old, &["data", "binaryData"]),
        Some(CoreKind::Secret) => {
            let mut causes = data(new, old, &["data"]);
            if let Some(old) = old
                && old["type"] != new["type"]
            {
                causes.push(Cause::invalid("type", &new["type"].to_string(), "field is immutable"));
            }
            causes
        }
        Some(CoreKind::Lease) => lease(new),
        Some(CoreKind::Event) => event_namespace(new),
        Some(CoreKind::Namespace) => namespace::validate(new, old),
        Some(CoreKind::Plain) => extended::validate(resource, new, old),
        Some(
            CoreKind::CustomResourceDefinition
            | CoreKind::EventV1
            | CoreKind::Pod
            | CoreKind::Review
            | CoreKind::Service
            | CoreKind::ServiceAccount,
        )
        | None => Vec::new(),
    }
}

fn lease(new: &Value) -> Vec<Cause> {
    let mut causes = Vec::new();
    if let Some(seconds) = new["spec"]["leaseDurationSeconds"].as_i64()
        && seconds <= 0
    {
        causes.push(Cause::invalid("spec.leaseDurationSeconds", &seconds.to_string(), "must be greater than 0"));
    }
    if let Some(count) = new["spec"]["leaseTransitions"].as_i64()
        && count < 0
    {
        causes.push(Cause::invalid("spec.leaseTransitions", &count.to_string(), "must be greater than or equal to 0"));
    }
    causes
}

fn event_namespace(new: &Value) -> Vec<Cause> {
    let own = new["metadata"]["namespace"].as_str().unwrap_or_default();
    let about = new["involvedObject"]["namespace"].as_str().unwrap_or_default();
    if own == about || (about.is_empty() && own == "default") {
        return Vec::new();
    }
    vec![Cause::invalid("involvedObject.namespace", &format!("{about:?}"), "does not match event.namespace")]
}

fn data(new: &Value, old: Option<&Value>, fields: &[&str]) -> Vec<Cause> {
    let mut causes = Vec::new();
    let mut bytes = 0;
    for field in fields {
        let Some(entries) = new[field].as_object() else { continue };
        for (key, value) in entries {
            causes.extend(key_problem(field, key));
            bytes += data_length(field, value);
        }
    }
    if let (Some(plain), Some(binary)) = (new["data"].as_object(), new["binaryData"].as_object()) {
        for key in plain.keys().filter(|key| binary.contains_key(*key)) {
            causes.push(Cause::invalid(format!("data[{key}]"), &format!("{key:?}"), "duplicate of key present in binaryData"));
        }
    }
    if bytes > MAX_DATA_BYTES {
        causes.push(Cause::new("FieldValueTooLong", "data", format!("Too long: may not be more than {MAX_DATA_BYTES} bytes")));
    }
    if let Some(old) = old
        && old["immutable"] == Value::Bool(true)
    {
        if new["immutable"] != Value::Bool(true) {
            causes.push(Cause::forbidden("immutable", "field is immutable when `immutable` is set"));
        }
        for field in fields.iter().filter(|field| old[**field] != new[**field]) {
            causes.push(Cause::forbidden(*field, "field is immutable when `immutable` is set"));
        }
    }
    causes
}

/// The bytes that a value holds: decoded where it is base64.
fn data_length(field: &str, value: &Value) -> usize {
    let text = value.as_str().unwrap_or_default();
    if field == "data" && !text.is_empty() { STANDARD.decode(text).map_or(text.len(), |bytes| bytes.len()) } else { text.len() }
}

fn key_problem(field: &str, key: &str) -> Option<Cause> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.');
    let path = format!("{field}[{key}]");
    if key.len() > MAX_KEY_LENGTH {
        return Some(Cause::invalid(path, &format!("{key:?}"), "must be no more than 253 bytes"));
    }
    if key.is_empty() || key == "." || key == ".." || key.starts_with("..") || !key.chars().all(allowed) {
        return Some(Cause::invalid(
            path,
            &format!("{key:?}"),
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or \
             'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
        ));
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Registry;

    fn secrets() -> std::sync::Arc<Resource> {
        std::sync::Arc::clone(Registry::new(Vec::new()).find("", "v1", "secrets").unwrap())
    }

    /// API-10: a Secret's `stringData` is folded into `data` and its type defaults to `Opaque`.
    #[test]
    fn string_data_is_folded() {
        let mut secret = json!({"metadata": {"name": "a"}, "stringData": {"user": "x"}, "data": {"other": "eQ=="}});
        prepare(&secrets(), &mut secret, None);
        assert_eq!(secret["data"], json!({"other": "eQ==", "user": "eA=="}));
        assert_eq!(secret["type"], "Opaque");
        assert!(secret.get("stringData").is_none());
    }

    /// API-12: an immutable Secret refuses a change of its data and names the field.
    #[test]
    fn immutable_data_is_refused() {
        let old = json!({"immutable": true, "type": "Opaque", "data": {"a": "eA=="}});
        let new = json!({"immutable": true, "type": "Opaque", "data": {"a": "eQ=="}});
        let causes = validate(&secrets(), &new, Some(&old));
        assert_eq!(causes.len(), 1);
        assert_eq!(causes[0].field, "data");
    }
}
