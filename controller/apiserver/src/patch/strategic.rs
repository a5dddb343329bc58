//! Strategic merge patch of the built-in kinds: lists merge by key where the reference's types say so.
//!
//! Directives: `$patch: replace|delete`, `$retainKeys`, `$setElementOrder/<field>`, `$deleteFromPrimitiveList/<field>`. Custom resources
//! take no strategic merge patch.

use serde_json::{Map, Value};

use super::{PatchError, mistyped};
use crate::schema::go_value;

const DIRECTIVE: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const ORDER: &str = "$setElementOrder/";
const DELETE_LIST: &str = "$deleteFromPrimitiveList/";

/// How a list merges: entries by the value of a field, or plain values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ListMerge {
    ByKey(&'static str),
    Values,
}

/// The lists that merge; all others are replaced whole. A kind of `*` stands for all.
const MERGED: [(&str, &str, ListMerge); 4] = [
    ("*", "metadata.finalizers", ListMerge::Values),
    ("*", "metadata.ownerReferences", ListMerge::ByKey("uid")),
    ("Namespace", "status.conditions", ListMerge::ByKey("type")),
    ("ServiceAccount", "secrets", ListMerge::ByKey("name")),
];

/// Merges `patch` into `document`, an object of the built-in `kind`. On an error the document is as before.
///
/// # Errors
/// [`PatchError::Malformed`] for misused directives, [`PatchError::Unmergeable`] for entries without their merge key.
pub fn apply(document: &mut Value, patch: &Value, kind: &str) -> Result<(), PatchError> {
    apply_with(document, patch, kind, &|_| None)
}

/// [`apply`] for a kind with more lists that merge: `keys` gives the merge key of the list at a path of fields, empty for a list
/// of plain values.
pub(crate) fn apply_with(document: &mut Value, patch: &Value, kind: &str, keys: MergeKeys<'_>) -> Result<(), PatchError> {
    let patch = match patch {
        Value::Object(patch) => patch,
        Value::Null => return Ok(()),
        other => return Err(mistyped("", other, "map[string]interface {}")),
    };
    let original = document.as_object().cloned().unwrap_or_default();
    *document = Value::Object(Merge { kind, keys }.map(original, patch.clone(), "")?);
    Ok(())
}

/// The merge key of the list at a path.
type MergeKeys<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

struct Merge<'a> {
    kind: &'a str,
    keys: MergeKeys<'a>,
}

impl Merge<'_> {
    fn list_merge(&self, path: &str) -> Option<ListMerge> {
        let found = MERGED.iter().find(|(kind, place, _)| (*kind == "*" || *kind == self.kind) && *place == path);
        let known = found.map(|(_, _, merge)| *merge);
        known.or_else(|| {
            let key = (self.keys)(path)?;
            Some(if key.is_empty() { ListMerge::Values } else { ListMerge::ByKey(key) })
        })
    }

    fn map(
        &self,
        original: Map<String, Value>,
        mut patch: Map<String, Value>,
        path: &str,
    ) -> Result<Map<String, Value>, PatchError> {
        match patch.get(DIRECTIVE).cloned() {
            None => {}
            Some(Value::String(directive)) if directive == "replace" => {
                patch.shift_remove(DIRECTIVE);
                return Ok(patch);
            }
            Some(Value::String(directive)) if directive == "delete" => return Ok(Map::new()),
            Some(other) => return Err(unknown_directive(&other, &patch)),
        }
        let mut merged = original;
        retain_keys(&mut merged, &mut patch)?;
        self.ordered_lists(&mut merged, &mut patch, path)?;
        for (key, change) in patch {
            if let Some(field) = key.strip_prefix(DELETE_LIST) {
                delete_values(&mut merged, field, &change);
            } else {
                self.member(&mut merged, key, change, path)?;
            }
        }
        Ok(merged)
    }

    fn member(&self, merged: &mut Map<String, Value>, key: String, change: Value, path: &str) -> Result<(), PatchError> {
        if change.is_null() {
            merged.shift_remove(&key);
            return Ok(());
        }
        let path = joined(path, &key);
        match (merged.get_mut(&key), change) {
            (Some(Value::Object(original)), Value::Object(change)) => {
                *original = self.map(std::mem::take(original), change, &path)?;
            }
            (Some(Value::Array(original)), Value::Array(change)) => {
                *original = match self.list_merge(&path) {
                    Some(merge) => self.list(std::mem::take(original), change, merge, &path)?,
                    None => change,
                };
            }
            (_, change) => match without_directives(without_nulls(change)) {
                Some(change) => {
                    merged.insert(key, change);
                }
                None => {
                    merged.shift_remove(&key);
                }
            },
        }
        Ok(())
    }

    fn list(&self, original: Vec<Value>, patch: Vec<Value>, merge: ListMerge, path: &str) -> Result<Vec<Value>, PatchError> {
        if original.is_empty() && patch.is_empty() {
            return Ok(original);
        }
        alike(&original, &patch)?;
        let (kept, merged) = match merge {
            ListMerge::Values => {
                let mut merged = original.clone();
                merged.extend(patch.iter().cloned());
                let mut seen: Vec<Value> = Vec::new();
                merged.retain(|value| {
                    !seen.contains(value) && {
                        seen.push(value.clone());
                        true
                    }
                });
                (patch, merged)
            }
            ListMerge::ByKey(key) => self.keyed(original.clone(), patch, key, path)?,
        };
        arranged(merged, &kept, &original, merge)
    }

    /// The entries of the patch that are no directives, and the merged list before it is put in order.
    fn keyed(
        &self,
        mut original: Vec<Value>,
        patch: Vec<Value>,
        key: &str,
        path: &str,
    ) -> Result<(Vec<Value>, Vec<Value>), PatchError> {
        let mut kept = Vec::with_capacity(patch.len());
        let mut replace = false;
        for entry in patch {
            let Value::Object(fields) = &entry else {
                let found = Value::Array(vec![entry]);
                return Err(unmergeable(format!("list element types are not identical: [{}]", go_value(&found))));
            };
            match fields.get(DIRECTIVE).map(|directive| directive.as_str().unwrap_or_default()) {
                None => kept.push(entry),
                Some("delete") => {
                    let value = key_of(&entry, key)?.clone();
                    original.retain(|candidate| candidate.get(key) != Some(&value));
                }
                Some("replace") => replace = true,
                Some("merge") => return Err(unmergeable("merging lists cannot yet be specified in the patch".to_owned())),
                Some(_) => return Err(unknown_directive(&fields[DIRECTIVE], fields)),
            }
        }
        if replace {
            return Ok((kept.clone(), kept));
        }
        let mut merged = original;
        for entry in &kept {
            let value = key_of(entry, key)?;
            match merged.iter_mut().find(|candidate| candidate.get(key) == Some(value)) {
                Some(Value::Object(found)) => {
                    let change = entry.as_object().cloned().unwrap_or_default();
                    *found = self.map(std::mem::take(found), change, path)?;
                }
                Some(_) | None => merged.push(entry.clone()),
            }
        }
        Ok((kept, merged))
    }

    /// Lists that come with `$setElementOrder`: merged and put into that order, server-only entries between them.
    fn ordered_lists(
        &self,
        merged: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
        path: &str,
    ) -> Result<(), PatchError> {
        let fields: Vec<String> = patch.keys().filter_map(|key| key.strip_prefix(ORDER).map(str::to_owned)).collect();
        for field in fields {
            let order = match patch.shift_remove(&format!("{ORDER}{field}")) {
                Some(Value::Array(order)) => order,
                other => return Err(not_a_list(&other.unwrap_or_default())),
            };
            let path = joined(path, &field);
            let merge = self.list_merge(&path).unwrap_or(ListMerge::Values);
            let changes = match patch.shift_remove(&field) {
                None => None,
                Some(Value::Array(changes)) => Some(changes),
                Some(other) => return Err(not_a_list(&other)),
            };
            let original = match merged.get(&field) {
                None | Some(Value::Null) => None,
                Some(Value::Array(original)) => Some(original.clone()),
                Some(other) => return Err(not_a_list(other)),
            };
            check_order(changes.as_deref().unwrap_or_default(), &order, merge)?;
            let list = match (original.clone(), changes) {
                (None, None) => continue,
                (Some(original), None) => original,
                (None, Some(changes)) => changes.into_iter().filter_map(without_directives).collect(),
                (Some(original), Some(changes)) => self.list(original, changes, merge, &path)?,
            };
            let list = arranged(list, &order, &original.unwrap_or_default(), merge)?;
            merged.insert(field, Value::Array(list));
        }
        Ok(())
    }
}

/// All entries of lists that merge are of one type, which is no list.
fn alike(original: &[Value], patch: &[Value]) -> Result<(), PatchError> {
    let mut entries = original.iter().chain(patch);
    let Some(first) = entries.next() else { return Ok(()) };
    if first.is_array() {
        return Err(PatchError::DoesNotApply { detail: "lists of lists are not supported".to_owned() });
    }
    if entries.all(|entry| go_type(entry) == go_type(first)) {
        return Ok(());
    }
    let lists = Value::Array(vec![Value::Array(original.to_vec()), Value::Array(patch.to_vec())]);
    Err(unmergeable(format!("list element types are not identical: {}", go_value(&lists))))
}

fn joined(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

fn key_of<'a>(entry: &'a Value, key: &str) -> Result<&'a Value, PatchError> {
    entry.get(key).ok_or_else(|| unmergeable(format!("map: {} does not contain declared merge key: {key}", go_value(entry))))
}

/// `$retainKeys`: members of the original that are not listed go; the patch may set listed ones only.
fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), PatchError> {
    let Some(list) = patch.shift_remove(RETAIN_KEYS) else { return Ok(()) };
    let bad = || malformed("invalid patch format of retainKeys");
    let list = list.as_array().ok_or_else(bad)?;
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

fn delete_values(merged: &mut Map<String, Value>, field: &str, gone: &Value) {
    if let (Some(Value::Array(values)), Value::Array(gone)) = (merged.get_mut(field), gone) {
        values.retain(|value| !gone.contains(value));
    }
}

/// The patch's entries must appear in the order that it sets.
fn check_order(changes: &[Value], order: &[Value], merge: ListMerge) -> Result<(), PatchError> {
    if order.is_empty() {
        return Ok(());
    }
    let mut places = order.iter();
    for change in changes.iter().filter(|change| change.get(DIRECTIVE).is_none()) {
        if !places.any(|place| address(place, merge) == address(change, merge)) {
            let shown = |list: &[Value]| go_value(&Value::Array(list.to_vec()));
            let (changes, order) = (shown(changes), shown(order));
            return Err(unmergeable(format!(
                "The order in patch list:\n{changes}\n doesn't match $setElementOrder list:\n{order}\n"
            )));
        }
    }
    Ok(())
}

fn address(entry: &Value, merge: ListMerge) -> Option<&Value> {
    match merge {
        ListMerge::ByKey(key) => entry.get(key),
        ListMerge::Values => Some(entry),
    }
}

/// Entries of `order` in that order; the others stay where the server had them.
fn arranged(list: Vec<Value>, order: &[Value], server: &[Value], merge: ListMerge) -> Result<Vec<Value>, PatchError> {
    if let ListMerge::ByKey(key) = merge {
        list.iter().chain(order).try_for_each(|entry| key_of(entry, key).map(|_| ()))?;
    }
    let place = |list: &[Value], entry: &Value| list.iter().position(|other| address(other, merge) == address(entry, merge));
    let (mut patched, mut others): (Vec<Value>, Vec<Value>) = list.into_iter().partition(|entry| place(order, entry).is_some());
    patched.sort_by_key(|entry| place(order, entry));
    others.sort_by_key(|entry| place(server, entry));
    let mut out = Vec::with_capacity(patched.len() + others.len());
    let (mut patched, mut others) = (patched.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let server_first = match (others.peek(), patched.peek()) {
            (None, None) => return Ok(out),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(entry)) => match (place(server, other), place(server, entry)) {
                (Some(other), Some(entry)) => other < entry,
                _ => false,
            },
        };
        out.extend(if server_first { others.next() } else { patched.next() });
    }
}

fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}

/// The value without what is addressed to the merge; `None` where all of it is.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields.into_iter().filter_map(|(key, value)| without_directives(value).map(|value| (key, value)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        other => Some(other),
    }
}

fn unknown_directive(directive: &Value, map: &Map<String, Value>) -> PatchError {
    unmergeable(format!("unknown patch type: {} in map: {}", go_value(directive), go_value(&Value::Object(map.clone()))))
}

fn not_a_list(found: &Value) -> PatchError {
    unmergeable(format!("expected a []interface {{}}, but received a {}", go_type(found)))
}

/// What Go holds a JSON value in.
fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "nil",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn unmergeable(detail: String) -> PatchError {
    PatchError::Unmergeable { detail }
}

fn malformed(detail: &str) -> PatchError {
    PatchError::Malformed { detail: detail.to_owned() }
}
