//! Strategic merge patch of the built-in kinds, step by step as the reference does it: lists merge by key where its types say so.
//!
//! Directives: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<field>`, `$deleteFromPrimitiveList/<field>`. Custom resources
//! take no strategic merge patch. What makes the reference hang up (it compares lists and maps by hash) is refused.

mod lists;
mod lookup;
mod order;

use serde_json::{Map, Value};

use self::lookup::Place;
use super::{PatchError, mistyped};
use crate::codec::go_type;
use crate::schema::go_value;

pub(crate) use self::lookup::Lookup;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder";
const DELETE_LIST: &str = "$deleteFromPrimitiveList";

/// Merges `patch` into `document`, an object of a built-in kind. On an error the document is as before. What the merge left of the
/// patch comes back, as refusals show it.
///
/// # Errors
/// [`PatchError::Malformed`] for misused directives, [`PatchError::Unmergeable`] for entries without their merge key.
pub(crate) fn apply(document: &mut Value, patch: &Value, lookup: &Lookup<'_>) -> Result<Value, PatchError> {
    let mut patch = match patch {
        Value::Object(patch) => patch.clone(),
        Value::Null => Map::new(),
        other => return Err(mistyped("", other, "map[string]interface {}")),
    };
    let original = document.as_object().cloned().unwrap_or_default();
    *document = Value::Object(map(original, &mut patch, &lookup.root())?);
    Ok(Value::Object(patch))
}

/// Merges a map into another one.
fn map(
    mut original: Map<String, Value>,
    patch: &mut Map<String, Value>,
    place: &Place<'_>,
) -> Result<Map<String, Value>, PatchError> {
    match patch.get(DIRECTIVE) {
        None => {}
        Some(Value::String(directive)) if directive == "replace" => {
            patch.shift_remove(DIRECTIVE);
            return Ok(patch.clone());
        }
        Some(Value::String(directive)) if directive == "delete" => return Ok(Map::new()),
        Some(other) => return Err(unknown_directive(other, patch)),
    }
    retain_keys(&mut original, patch)?;
    order::merge(&mut original, patch, place)?;
    let keys: Vec<String> = patch.keys().cloned().collect();
    for key in keys {
        let (name, deletes) = match key.strip_prefix(DELETE_LIST) {
            None => (key.as_str(), false),
            Some(rest) => (rest.strip_prefix('/').ok_or_else(|| malformed("invalid patch format of primitive list"))?, true),
        };
        if let Some(change) = patch.get_mut(&key) {
            member(&mut original, name, change, deletes, place)?;
        }
    }
    Ok(original)
}

/// Merges one member; `deletes` says that `change` lists what goes.
fn member(
    original: &mut Map<String, Value>,
    name: &str,
    change: &mut Value,
    deletes: bool,
    place: &Place<'_>,
) -> Result<(), PatchError> {
    if change.is_null() {
        original.shift_remove(name);
        return Ok(());
    }
    match (original.get_mut(name), &mut *change) {
        (Some(Value::Object(known)), Value::Object(change)) => {
            let field = place.field(name)?;
            *known = if field.replaces { change.clone() } else { map(std::mem::take(known), change, &field)? };
        }
        (Some(Value::Array(known)), Value::Array(change)) => {
            let field = place.list(name)?;
            *known = lists::handled(std::mem::take(known), change, &field, deletes)?;
        }
        _ if deletes => {}
        _ => {
            discard_nulls(change);
            match without_directives(change) {
                Some(value) => _ = original.insert(name.to_owned(), value),
                None => _ = original.shift_remove(name),
            }
        }
    }
    Ok(())
}

/// `$retainKeys`: members of the original that are not listed go; the patch may set listed ones only.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), PatchError> {
    let Some(list) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let bad = || malformed("invalid patch format of retainKeys");
    let list = list.as_array().filter(|list| list.iter().all(is_hashable)).ok_or_else(bad)?;
    let listed = |key: &str| list.iter().any(|name| name == key);
    let stray = |(key, value): (&String, &Value)| {
        !value.is_null() && !key.starts_with(DELETE_LIST) && !key.starts_with(ORDER) && !listed(key)
    };
    if patch.iter().any(stray) {
        return Err(bad());
    }
    original.retain(|key, _| listed(key));
    Ok(())
}

/// Whether Go can look a value up.
fn is_hashable(value: &Value) -> bool {
    !value.is_object() && !value.is_array()
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(discard_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}

/// The value without what is addressed to the merge, which is taken out of its maps; `None` where all of it is.
fn without_directives(value: &mut Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            fields.retain(|_, value| match without_directives(value) {
                Some(kept) => {
                    *value = kept;
                    true
                }
                None => false,
            });
            Some(value.clone())
        }
        Value::Array(items) => Some(Value::Array(items.iter_mut().filter_map(without_directives).collect())),
        other => Some(other.clone()),
    }
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> PatchError {
    let directive = if directive.is_null() { "%!s(<nil>)".to_owned() } else { as_text(directive) };
    unmergeable(format!("unknown patch type: {directive} in map: {}", go_value(&Value::Object(map.clone()))))
}

/// A value as Go prints it where it expects a text.
fn as_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "<nil>".to_owned(),
        Value::Bool(_) | Value::Number(_) => format!("%!s({}={})", go_type(value), go_value(value)),
        Value::Array(items) => format!("[{}]", items.iter().map(as_text).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut fields: Vec<String> = fields.iter().map(|(key, value)| format!("{key}:{}", as_text(value))).collect();
            fields.sort();
            format!("map[{}]", fields.join(" "))
        }
    }
}

fn bad_type(wanted: &str, found: &Value) -> PatchError {
    let found = if found.is_null() { "%!s(<nil>)" } else { go_type(found) };
    unmergeable(format!("expected a {wanted}, but received a {found}"))
}

fn not_a_list(found: &Value) -> PatchError {
    bad_type("[]interface {}", found)
}

fn not_a_map(found: &Value) -> PatchError {
    bad_type("map[string]interface {}", found)
}

fn without_key(entry: &Map<String, Value>, key: &str) -> PatchError {
    unmergeable(format!("map: {} does not contain declared merge key: {key}", go_value(&Value::Object(entry.clone()))))
}

fn unmergeable(detail: String) -> PatchError {
    PatchError::Unmergeable { detail }
}

fn malformed(detail: &str) -> PatchError {
    PatchError::Malformed { detail: detail.to_owned() }
}
