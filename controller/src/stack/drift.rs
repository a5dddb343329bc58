//! Whether an object still is what was applied: what somebody added elsewhere is left alone, what was ours is put back.

use koan_crds::labels;
use koan_crds::names::hex;
use kube::ResourceExt;
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest, Sha256};

/// Hash of a rendered object.
pub(super) fn hash(body: &Value) -> String {
    hex(&Sha256::digest(body.to_string().as_bytes())[..16])
}

/// True when `object` lacks something of `body`, or was applied from another one.
pub(super) fn differs<K: ResourceExt + Serialize>(body: &Value, object: &K) -> bool {
    let wanted = body.pointer("/metadata/annotations").and_then(|all| all.get(labels::SPEC_HASH)).and_then(Value::as_str);
    let applied = object.annotations().get(labels::SPEC_HASH).map(String::as_str);
    if wanted != applied {
        return true;
    }
    serde_json::to_value(object).map_or(true, |object| !contains(&object, body))
}

/// True when everything of `part` is in `whole`. Lists of named entries are compared by name, other lists as they are.
pub(super) fn contains(whole: &Value, part: &Value) -> bool {
    match (whole, part) {
        (Value::Object(whole), Value::Object(part)) => {
            part.iter().all(|(key, value)| whole.get(key).is_some_and(|found| contains(found, value)) || is_empty(value))
        }
        (Value::Array(whole), Value::Array(part)) => match key_of(part) {
            Some(key) => {
                part.iter().all(|entry| whole.iter().any(|found| found.get(key) == entry.get(key) && contains(found, entry)))
            }
            None => part.iter().all(|entry| whole.contains(entry)),
        },
        (whole, part) => whole == part,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

/// The key of a list of entries, as the schema names it (K-10).
fn key_of(list: &[Value]) -> Option<&'static str> {
    let first = list.first()?;
    ["uid", "target", "name", "path"].into_iter().find(|key| first.get(key).is_some())
}
