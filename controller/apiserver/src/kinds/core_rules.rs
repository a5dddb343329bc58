//! What the built-in kinds do beyond their schema: folding, defaults and immutability.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use super::resource::{CoreKind, Resource};
use super::{data_rules, definition, event_rules, extended, namespace, scale_rules};
use crate::go_types;
use crate::status::Cause;

/// Completes a decoded object before anything is validated: its full form, conversions and defaults.
pub(crate) fn prepare(resource: &Resource, new: &mut Value, old: Option<&Value>) {
    let Some(kind) = resource.core() else { return };
    if kind == CoreKind::CustomResourceDefinition {
        return definition::complete(new, old);
    }
    if kind == CoreKind::Plain {
        return extended::complete(resource, new, old);
    }
    whole(resource, new);
    let name = new["metadata"]["name"].as_str().unwrap_or_default().to_owned();
    let Some(map) = new.as_object_mut() else { return };
    match kind {
        CoreKind::Secret => secret(map),
        CoreKind::Namespace => namespace::complete(map, &name),
        CoreKind::ConfigMap
        | CoreKind::CustomResourceDefinition
        | CoreKind::Event
        | CoreKind::EventV1
        | CoreKind::Lease
        | CoreKind::Plain
        | CoreKind::Pod
        | CoreKind::Review
        | CoreKind::Service
        | CoreKind::ServiceAccount => {}
    }
}

fn whole(resource: &Resource, object: &mut Value) {
    if let (Some(root), Some(map)) = (go_types::root(&resource.api_version(), &resource.kind), object.as_object_mut()) {
        whole_of(root, map);
    }
}

/// Brings an object of a fixed type into its full form; its metadata has rules of its own.
pub(super) fn whole_of(root: &'static str, map: &mut Map<String, Value>) {
    let metadata = map.shift_remove("metadata");
    let mut made = go_types::full(root, std::mem::take(map), &|_, _| {});
    made.shift_remove("metadata");
    made.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    *map = made;
}

/// Sets what no client sets, after it is noted who owns what.
pub(crate) fn settle(resource: &Resource, new: &mut Value, old: Option<&Value>, subresource: &str) {
    if resource.core() == Some(CoreKind::Plain) {
        return extended::settle(resource, new, old);
    }
    let Some(map) = new.as_object_mut() else { return };
    match resource.core() {
        Some(CoreKind::Namespace) => namespace::settle(map, old, subresource),
        Some(CoreKind::ServiceAccount) => service_account(map),
        Some(CoreKind::Lease) => uncoordinated(map),
        Some(
            CoreKind::ConfigMap
            | CoreKind::CustomResourceDefinition
            | CoreKind::Event
            | CoreKind::EventV1
            | CoreKind::Plain
            | CoreKind::Pod
            | CoreKind::Review
            | CoreKind::Secret
            | CoreKind::Service,
        )
        | None => {}
    }
}

/// What of an object is stored: of an empty list of the extended mode nothing is.
pub(crate) fn rest(resource: &Resource, new: &mut Value) {
    if resource.core() != Some(CoreKind::Plain) {
        return;
    }
    if let (Some(root), Some(map)) = (go_types::root(&resource.api_version(), &resource.kind), new.as_object_mut()) {
        let metadata = map.shift_remove("metadata");
        go_types::forget_empty(root, map);
        map.extend(metadata.map(|metadata| ("metadata".to_owned(), metadata)));
    }
}

fn secret(map: &mut Map<String, Value>) {
    if let Some(Value::Object(plain)) = map.shift_remove("stringData")
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

/// Secrets are named and nothing else: they lie in the account's own namespace.
fn service_account(map: &mut Map<String, Value>) {
    for secret in map.get_mut("secrets").and_then(Value::as_array_mut).into_iter().flatten() {
        if let Some(secret) = secret.as_object_mut() {
            secret.retain(|field, _| field == "name");
        }
    }
}

/// The reference elects no holder by a strategy unless it is told to, and drops what asks for one.
fn uncoordinated(map: &mut Map<String, Value>) {
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, _| !matches!(field.as_str(), "strategy" | "preferredHolder"));
    }
}

/// What a new object of a fixed type holds before anything is set: its creator does not own that. Custom kinds have none.
pub(crate) fn blank(resource: &Resource) -> Option<Value> {
    if resource.core()? == CoreKind::Plain {
        return Some(extended::blank(resource));
    }
    let mut blank = json!({"apiVersion": resource.api_version(), "kind": resource.kind});
    if resource.core()? == CoreKind::CustomResourceDefinition {
        blank["spec"] = json!({"names": {}});
    } else {
        whole(resource, &mut blank);
    }
    Some(blank)
}

/// Every violation of a kind's own rules, beside its schema.
pub(crate) fn validate(resource: &Resource, new: &Value, old: Option<&Value>, subresource: &str) -> Vec<Cause> {
    match resource.core() {
        Some(CoreKind::ConfigMap) => data_rules::config_map(new, old),
        Some(CoreKind::Secret) => data_rules::secret(new, old),
        Some(CoreKind::Lease) => lease(new),
        Some(CoreKind::Event | CoreKind::EventV1) => event_rules::validate(resource, new, old),
        Some(CoreKind::Namespace) => namespace::validate(new, old),
        Some(CoreKind::Plain) => extended::validate(resource, new, old),
        Some(
            CoreKind::CustomResourceDefinition | CoreKind::Pod | CoreKind::Review | CoreKind::Service | CoreKind::ServiceAccount,
        ) => Vec::new(),
        None => scale_rules::validate(resource, new, subresource),
    }
}

/// What is taken in an object of a built-in kind but said to be unwise.
pub(crate) fn warnings(resource: &Resource, object: &dyn Fn() -> Value) -> Vec<String> {
    if resource.core() == Some(CoreKind::Secret) { data_rules::secret_warnings(&object()) } else { Vec::new() }
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
        let causes = validate(&secrets(), &new, Some(&old), "");
        assert_eq!(causes.len(), 1);
        assert_eq!(causes[0].field, "data");
    }
}
