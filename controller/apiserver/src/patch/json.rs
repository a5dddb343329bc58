//! JSON patch as the reference applies it.
//!
//! Departures from RFC 6902, each relied upon by clients: `test` of null passes on an absent member, `replace` of an absent member adds
//! it, indices may be negative, an absent `value` is null. Stock crates refuse these, so operations are applied here.

use serde_json::{Map, Value};

use super::{PatchError, mistyped};

/// Most operations of one patch.
pub const MAX_OPERATIONS: usize = 10_000;
/// Most bytes that `copy` operations of one patch may copy in all.
pub const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

const DECODING: &str = "error decoding patch: ";
const NAMES: [&str; 6] = ["add", "remove", "replace", "move", "copy", "test"];

/// Applies `patch`, a list of operations, to `document`. On an error the document is as before.
///
/// # Errors
/// [`PatchError::Malformed`] for what is no JSON patch, the limits, and [`PatchError::DoesNotApply`] for the first operation that fails.
pub fn apply(document: &mut Value, patch: &Value) -> Result<(), PatchError> {
    if patch.is_null() {
        // No operations.
        return Ok(());
    }
    let operations = patch.as_array().ok_or_else(|| mistyped(DECODING, patch, "[]handlers.jsonPatchOp"))?;
    if operations.len() > MAX_OPERATIONS {
        return Err(PatchError::TooManyOperations { limit: MAX_OPERATIONS, count: operations.len() });
    }
    if let Some(wrong) = operations.iter().find(|operation| !operation.is_object() && !operation.is_null()) {
        return Err(mistyped(DECODING, wrong, "handlers.jsonPatchOp"));
    }
    let mut patched = document.clone();
    let mut copied = 0;
    let nothing = Map::new();
    for operation in operations {
        step(&mut patched, operation.as_object().unwrap_or(&nothing), &mut copied)?;
    }
    *document = patched;
    Ok(())
}

fn step(document: &mut Value, operation: &Map<String, Value>, copied: &mut usize) -> Result<(), PatchError> {
    let name = operation.get("op").and_then(Value::as_str).unwrap_or("unknown");
    if !NAMES.contains(&name) {
        return Err(refused(format!("Unexpected kind: {name}")));
    }
    let text = |key: &str| operation.get(key).and_then(Value::as_str);
    let path = text("path").ok_or_else(|| refused(format!("{name} operation failed to decode path: missing value")))?;
    let from = || text("from").ok_or_else(|| refused(format!("{name} operation failed to decode from: missing value")));
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match name {
        "add" => {
            let missing = || format!("add operation does not apply: doc is missing path: \"{path}\": missing value");
            add(find(document, path, missing)?, value())
                .map_err(|error| refused(format!("error in add for path: '{path}': {error}")))
        }
        "remove" => {
            let missing = || format!("remove operation does not apply: doc is missing path: \"{path}\": missing value");
            let removed = remove(find(document, path, missing)?);
            removed.map(|_| ()).map_err(|error| refused(format!("error in remove for path: '{path}': {error}")))
        }
        "replace" => replace(document, path, value()),
        "move" => {
            let from = from()?;
            let missing = || format!("move operation does not apply: doc is missing from path: {from}: missing value");
            let value = remove(find(document, from, missing)?)
                .map_err(|error| refused(format!("error in move for path: '{from}': {error}")))?;
            let missing = || format!("move operation does not apply: doc is missing destination path: {path}: missing value");
            add(find(document, path, missing)?, value)
                .map_err(|error| refused(format!("error in move for path: '{path}': {error}")))
        }
        "copy" => copy(document, from()?, path, copied),
        _ => test(document, path, &value()),
    }
}

/// A member of an object or an entry of a list, present or not.
struct Place<'a> {
    parent: &'a mut Value,
    key: String,
}

fn find<'a>(document: &'a mut Value, path: &str, missing: impl Fn() -> String) -> Result<Place<'a>, PatchError> {
    let mut parts: Vec<String> = path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect();
    let key = parts.pop().ok_or_else(|| refused(missing()))?;
    let mut parent = document;
    for part in parts {
        parent = match parent {
            Value::Object(fields) => fields.get_mut(&part),
            Value::Array(items) => index(&part, items.len(), items.len()).ok().and_then(|index| items.get_mut(index)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
        }
        .ok_or_else(|| refused(missing()))?;
    }
    if parent.is_object() || parent.is_array() { Ok(Place { parent, key }) } else { Err(refused(missing())) }
}

/// An index below `bound`; negative ones count from `length`.
fn index(key: &str, length: usize, bound: usize) -> Result<usize, String> {
    let number: i64 = key.parse().map_err(|_| format!("value was not a proper array index: '{key}'"))?;
    let wrapped = if number < 0 { i64::try_from(length).unwrap_or(i64::MAX) + number } else { number };
    let inside = usize::try_from(wrapped).ok().filter(|index| *index < bound);
    inside.ok_or_else(|| format!("Unable to access invalid index: {number}: invalid index referenced"))
}

/// The value at a place, `None` where an object lacks it.
fn get<'a>(place: &'a Place<'_>) -> Result<Option<&'a Value>, String> {
    match &*place.parent {
        Value::Object(fields) => Ok(fields.get(&place.key)),
        Value::Array(items) => index(&place.key, items.len(), items.len()).map(|index| items.get(index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(None),
    }
}

fn add(place: Place<'_>, value: Value) -> Result<(), String> {
    match place.parent {
        Value::Object(fields) => {
            fields.insert(place.key, value);
        }
        Value::Array(items) if place.key == "-" => items.push(value),
        Value::Array(items) => {
            let size = items.len() + 1;
            let index = index(&place.key, size, size)?;
            items.insert(index, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

fn remove(place: Place<'_>) -> Result<Value, String> {
    match place.parent {
        Value::Object(fields) => fields
            .shift_remove(&place.key)
            .ok_or_else(|| format!("Unable to remove nonexistent key: {}: missing value", place.key)),
        Value::Array(items) => index(&place.key, items.len(), items.len()).map(|index| items.remove(index)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Value::Null),
    }
}

fn replace(document: &mut Value, path: &str, value: Value) -> Result<(), PatchError> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return Err(refused("replace operation value must be object or array".to_owned()));
        }
        *document = value;
        return Ok(());
    }
    let place = find(document, path, || format!("replace operation does not apply: doc is missing path: {path}: missing value"))?;
    get(&place).map_err(|_| refused(format!("replace operation does not apply: doc is missing key: {path}: missing value")))?;
    match place.parent {
        Value::Array(items) => {
            let length = items.len();
            if let Ok(index) = index(&place.key, length, length) {
                items[index] = value;
            }
        }
        Value::Object(fields) => {
            fields.insert(place.key, value);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    Ok(())
}

fn copy(document: &mut Value, from: &str, path: &str, copied: &mut usize) -> Result<(), PatchError> {
    let source =
        find(document, from, || format!("copy operation does not apply: doc is missing from path: {from}: missing value"))?;
    let value = get(&source).map_err(|error| refused(format!("error in copy for from: '{from}': {error}")))?;
    let value = value.cloned().unwrap_or(Value::Null);
    *copied = copied.saturating_add(value.to_string().len());
    if *copied > MAX_COPIED_BYTES {
        return Err(PatchError::TooMuchCopied { limit: MAX_COPIED_BYTES, bytes: *copied });
    }
    let missing = || format!("copy operation does not apply: doc is missing destination path: {path}: missing value");
    add(find(document, path, missing)?, value).map_err(|error| refused(format!("error while adding value during copy: {error}")))
}

fn test(document: &mut Value, path: &str, expected: &Value) -> Result<(), PatchError> {
    let failed = || refused(format!("testing value {path} failed: test failed"));
    if path.is_empty() {
        return if document == expected { Ok(()) } else { Err(failed()) };
    }
    let place = find(document, path, || format!("test operation does not apply: is missing path: {path}: missing value"))?;
    let actual = get(&place).map_err(|error| refused(format!("error in test for path: '{path}': {error}")))?;
    if actual.unwrap_or(&Value::Null) == expected { Ok(()) } else { Err(failed()) }
}

fn refused(detail: String) -> PatchError {
    PatchError::DoesNotApply { detail }
}
