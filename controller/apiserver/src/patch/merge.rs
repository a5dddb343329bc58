//! JSON merge patch (RFC 7386), with what the reference does beyond it: nothing in a list that is put in place is null but its
//! entries.

use serde_json::{Map, Value};

use super::{PatchError, mistyped};

/// Merges `patch` into `document`: null removes a member, lists are replaced whole.
///
/// # Errors
/// [`PatchError::Malformed`] where the patch is no object.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), PatchError> {
    if patch.is_null() {
        return Err(PatchError::Malformed { detail: "Invalid JSON Patch".to_owned() });
    }
    if !patch.is_object() {
        return Err(mistyped("error decoding patch: ", patch, "map[string]interface {}"));
    }
    merge(document, patch);
    Ok(())
}

fn merge(target: &mut Value, patch: &Value) {
    match (target, patch) {
        (Value::Object(fields), Value::Object(changes)) => {
            for (key, change) in changes {
                if change.is_null() {
                    fields.shift_remove(key);
                } else {
                    merge(fields.entry(key.clone()).or_insert(Value::Null), change);
                }
            }
        }
        // A list stands in the place of an object as it came.
        (target @ Value::Object(_), other) => *target = other.clone(),
        (target, other) => *target = without_nulls(other),
    }
}

/// The value without members that are null, those in lists included, and in order.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            let mut kept: Map<_, _> = kept.map(|(key, value)| (key.clone(), without_nulls(value))).collect();
            kept.sort_keys();
            Value::Object(kept)
        }
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        other => other.clone(),
    }
}
