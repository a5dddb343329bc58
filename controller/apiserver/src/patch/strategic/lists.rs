//! Lists into lists: plain values as sets, maps by their keys.

use serde_json::{Map, Value};

use super::lookup::{List, Strategy};
use super::order::{self, Sort};
use super::{DIRECTIVE, map, not_a_map, unknown_directive, unmergeable, without_key};
use crate::codec::go_type;
use crate::patch::PatchError;
use crate::schema::go_value;

/// The list that comes of `original` and a patch of it; `deletes` says that the patch lists what goes.
pub(super) fn handled(
    original: Vec<Value>,
    patch: &mut [Value],
    list: &List<'_>,
    deletes: bool,
) -> Result<Vec<Value>, PatchError> {
    if list.strategy == Strategy::Merge || deletes { merged(original, patch, list, deletes) } else { Ok(patch.to_vec()) }
}

fn merged(original: Vec<Value>, patch: &mut [Value], list: &List<'_>, deletes: bool) -> Result<Vec<Value>, PatchError> {
    if original.is_empty() && patch.is_empty() {
        return Ok(original);
    }
    let sort = element_sort(&original, patch)?;
    let (kept, server, merged) = match sort {
        Sort::Plain if deletes => return Ok(original.into_iter().filter(|value| !patch.contains(value)).collect()),
        Sort::Plain => {
            let both = original.iter().chain(patch.iter()).cloned();
            (patch.to_vec(), original.clone(), distinct(both))
        }
        Sort::Map if list.key.is_empty() => {
            return Err(unmergeable(format!("cannot merge lists without merge key for {}", list.entries.name())));
        }
        Sort::Map => keyed(original, patch, list)?,
    };
    order::normal(merged, &kept, &server, list.key, sort, &kept)
}

fn distinct(values: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut seen: Vec<Value> = Vec::new();
    values.for_each(|value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
    });
    seen
}

/// What all entries of both lists are, which is one and no list.
pub(super) fn element_sort(original: &[Value], patch: &[Value]) -> Result<Sort, PatchError> {
    let mut entries = original.iter().chain(patch);
    let first = entries.next().ok_or_else(|| unmergeable("no elements in any of the given slices".to_owned()))?;
    if first.is_array() {
        return Err(PatchError::DoesNotApply { detail: "lists of lists are not supported".to_owned() });
    }
    if entries.any(|entry| go_type(entry) != go_type(first)) {
        let lists = Value::Array(vec![Value::Array(original.to_vec()), Value::Array(patch.to_vec())]);
        return Err(unmergeable(format!("list element types are not identical: {}", go_value(&lists))));
    }
    Ok(if first.is_object() { Sort::Map } else { Sort::Plain })
}

/// The entries of the patch that are no directives, the list that they are merged into, and what comes of it.
type Keyed = (Vec<Value>, Vec<Value>, Vec<Value>);

fn keyed(mut original: Vec<Value>, patch: &mut [Value], list: &List<'_>) -> Result<Keyed, PatchError> {
    let mut places = Vec::with_capacity(patch.len());
    let mut replace = false;
    for (place, entry) in patch.iter().enumerate() {
        let fields = entry.as_object().ok_or_else(|| not_a_map(entry))?;
        match fields.get(DIRECTIVE) {
            None => places.push(place),
            Some(Value::String(directive)) if directive == "delete" => {
                let value = key_of(fields, list.key)?;
                original.retain(|candidate| candidate.get(list.key) != Some(value));
            }
            Some(Value::String(directive)) if directive == "replace" => replace = true,
            Some(Value::String(directive)) if directive == "merge" => {
                return Err(unmergeable("merging lists cannot yet be specified in the patch".to_owned()));
            }
            Some(other) => return Err(unknown_directive(other, fields)),
        }
    }
    let entries = |patch: &[Value]| places.iter().map(|place| patch[*place].clone()).collect::<Vec<_>>();
    if replace {
        // What replaces is the list, and nothing is merged into it.
        let kept = entries(patch);
        return Ok((Vec::new(), kept.clone(), kept));
    }
    let server = original.clone();
    let mut merged = original;
    for place in &places {
        let Some(fields) = patch[*place].as_object_mut() else { continue };
        let value = key_of(fields, list.key)?.clone();
        match merged.iter_mut().find(|candidate| candidate.get(list.key) == Some(&value)) {
            Some(Value::Object(found)) => *found = map(std::mem::take(found), fields, &list.entries)?,
            Some(_) | None => merged.push(Value::Object(fields.clone())),
        }
    }
    Ok((entries(patch), server, merged))
}

pub(super) fn key_of<'a>(entry: &'a Map<String, Value>, key: &str) -> Result<&'a Value, PatchError> {
    entry.get(key).ok_or_else(|| without_key(entry, key))
}
