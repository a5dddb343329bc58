//! Objects that `kubectl apply` manages on the client's side: their annotation is honoured by the manager `kubectl`.

use serde_json::Value;

use super::element::Path;
use super::set::Set;
use super::typed::{compare, to_set, validate};
use super::types::Type;
use crate::schema::canonical_json;

const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// The manager that takes over from client-side apply.
pub(super) const MANAGER: &str = "kubectl";
/// Most bytes of all annotations together.
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// The fields that client-side apply owns: applied last and unchanged since. `None` without a usable annotation.
pub(super) fn owned(ty: &Type, live: &Value, api_version: &str) -> Option<Set> {
    let text = annotation(live)?;
    let last: Value = serde_json::from_str(text).ok()?;
    if last.get("apiVersion").and_then(Value::as_str) != Some(api_version) || !validate(ty, &last, false).is_empty() {
        return None;
    }
    let comparison = compare(ty, &last, live).ok()?;
    Some(to_set(ty, &last).difference(&comparison.modified).difference(&comparison.added).difference(&comparison.removed))
}

/// The conflicts that remain once `owned` is conceded.
pub(super) fn remaining(conflicts: Vec<(String, Path)>, owned: &Set) -> Vec<(String, Path)> {
    conflicts.into_iter().filter(|(_, path)| !owned.has(path)).collect()
}

/// Keeps the annotation up to date with what `kubectl` applies, where there is one.
pub(super) fn refresh(object: &mut Value, applied: &Value) {
    if annotation(object).is_none_or(str::is_empty) {
        return;
    }
    let mut config = applied.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.shift_remove(ANNOTATION);
    }
    let text = format!("{}\n", canonical_json(&config));
    let Some(annotations) = object.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) else { return };
    annotations.insert(ANNOTATION.to_owned(), text.into());
    let size: usize = annotations.iter().map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > MAX_ANNOTATION_BYTES {
        annotations.shift_remove(ANNOTATION);
    }
}

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str()
}
