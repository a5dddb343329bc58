//! JSON merge patch (RFC 7386).

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
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(fields) = target else {
        return;
    };
    for (key, change) in changes {
        if change.is_null() {
            fields.shift_remove(key);
        } else {
            merge(fields.entry(key.clone()).or_insert(Value::Null), change);
        }
    }
}
