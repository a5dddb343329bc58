//! The order of merged lists: what a patch sets with `$setElementOrder`, and where entries of the server stand between.

use serde_json::{Map, Value};

use super::lists::{element_sort, handled, key_of};
use super::lookup::Place;
use super::{DIRECTIVE, ORDER, is_hashable, malformed, not_a_list, not_a_map, unmergeable, without_directives};
use crate::patch::PatchError;
use crate::schema::go_value;

/// What the entries of a list are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    Map,
    Plain,
}

/// Merges the lists that come with an order, which is taken out of the patch with them.
pub(super) fn merge(
    merged: &mut Map<String, Value>,
    patch: &mut Map<String, Value>,
    place: &Place<'_>,
) -> Result<(), PatchError> {
    let keys: Vec<String> = patch.keys().filter(|key| key.starts_with(ORDER)).cloned().collect();
    for key in keys {
        let order = patch.shift_remove(&key).unwrap_or_default();
        let order = order.as_array().ok_or_else(|| not_a_list(&order))?;
        let field = key.strip_prefix(ORDER).and_then(|rest| rest.strip_prefix('/'));
        let field = field.ok_or_else(|| malformed("invalid patch format of setElementOrder list"))?;
        let list_in = |map: &Map<String, Value>| match map.get(field) {
            None => Ok(None),
            Some(Value::Array(entries)) => Ok(Some(entries.clone())),
            Some(other) => Err(not_a_list(other)),
        };
        let (original, mut changes) = (list_in(merged)?, list_in(patch)?);
        let list = place.list(field)?;
        check(changes.as_deref().unwrap_or_default(), order, list.key)?;
        let made = match (original.clone(), &mut changes) {
            (None, None) => continue,
            (Some(original), None) => original,
            (None, Some(changes)) => changes.iter_mut().filter_map(without_directives).collect(),
            (Some(original), Some(changes)) => handled(original, changes, &list, false)?,
        };
        let (original, changes) = (original.unwrap_or_default(), changes.unwrap_or_default());
        let parts = partition(made, order, list.key)?;
        let sort = element_sort(&original, &changes)?;
        let made = interleaved(parts, order, &original, list.key, sort)?;
        merged.insert(field.to_owned(), Value::Array(made));
        patch.shift_remove(field);
    }
    Ok(())
}

/// The entries of the patch must appear in the order that it sets.
fn check(changes: &[Value], order: &[Value], key: &str) -> Result<(), PatchError> {
    if order.is_empty() || changes.is_empty() {
        return Ok(());
    }
    let mut rest = Vec::with_capacity(changes.len());
    for change in changes {
        let gone =
            !key.is_empty() && change.as_object().ok_or_else(|| not_a_map(change))?.get(DIRECTIVE) == Some(&"delete".into());
        if !gone {
            rest.push(change);
        }
    }
    let (mut rest, mut places) = (rest.into_iter().peekable(), order.iter());
    while let Some(change) = rest.peek() {
        if change.get(DIRECTIVE).is_some() {
            rest.next();
            continue;
        }
        let Some(place) = places.next() else {
            let shown = |list: &[Value]| go_value(&Value::Array(list.to_vec()));
            let (changes, order) = (shown(changes), shown(order));
            return Err(unmergeable(format!("The order in patch list:\n{changes}\n doesn't match {ORDER} list:\n{order}\n")));
        };
        if same(change, place, key)? {
            rest.next();
        }
    }
    Ok(())
}

fn same(left: &Value, right: &Value, key: &str) -> Result<bool, PatchError> {
    if key.is_empty() {
        return Ok(left == right);
    }
    let fields = |value: &'_ Value| value.as_object().cloned().ok_or_else(|| not_a_map(value));
    let (left, right) = (fields(left)?, fields(right)?);
    Ok(key_of(&left, key)? == key_of(&right, key)?)
}

/// Puts `merged` in order: entries that `by` lists as in `order`, the others as the server had them.
pub(super) fn normal(
    merged: Vec<Value>,
    by: &[Value],
    server: &[Value],
    key: &str,
    sort: Sort,
    order: &[Value],
) -> Result<Vec<Value>, PatchError> {
    interleaved(partition(merged, by, key)?, order, server, key, sort)
}

/// Entries that a list has, and those that it has not.
type Parts = (Vec<Value>, Vec<Value>);

fn partition(entries: Vec<Value>, by: &[Value], key: &str) -> Result<Parts, PatchError> {
    let (mut listed, mut others) = (Vec::new(), Vec::new());
    if key.is_empty() {
        // Go looks plain values up by their hash.
        if let Some(wrong) = by.iter().chain(&entries).find(|value| !is_hashable(value)) {
            return Err(unmergeable(format!("an order of entries without a key cannot list {}", go_value(wrong))));
        }
        for entry in entries {
            if by.contains(&entry) { &mut listed } else { &mut others }.push(entry);
        }
        return Ok((listed, others));
    }
    for entry in entries {
        let value = key_of(entry.as_object().ok_or_else(|| not_a_map(&entry))?, key)?;
        let mut found = false;
        for (index, candidate) in by.iter().enumerate() {
            let candidate = candidate.as_object().ok_or_else(|| unmergeable(format!("value for key {index} is not a map")))?;
            if candidate.get(key) == Some(value) {
                found = true;
                break;
            }
        }
        if found { &mut listed } else { &mut others }.push(entry);
    }
    Ok((listed, others))
}

fn interleaved(
    (listed, others): Parts,
    order: &[Value],
    server: &[Value],
    key: &str,
    sort: Sort,
) -> Result<Vec<Value>, PatchError> {
    let listed = sorted(listed, order, key, sort)?;
    let others = sorted(others, server, key, sort)?;
    let mut made = Vec::with_capacity(listed.len() + others.len());
    let (mut listed, mut others) = (listed.into_iter().peekable(), others.into_iter().peekable());
    loop {
        let other_first = match (others.peek(), listed.peek()) {
            (None, None) => return Ok(made),
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(entry)) => match (index(server, other, key, sort), index(server, entry, key, sort)) {
                (Some(other), Some(entry)) => other < entry,
                _ => false,
            },
        };
        made.extend(if other_first { others.next() } else { listed.next() });
    }
}

/// Sorts by the places in `order`. An entry that is not there goes before all that stood before it, as the reference's comparison
/// has it.
fn sorted(entries: Vec<Value>, order: &[Value], key: &str, sort: Sort) -> Result<Vec<Value>, PatchError> {
    if sort == Sort::Map {
        for entry in entries.iter().chain(order) {
            key_of(entry.as_object().ok_or_else(|| not_a_map(entry))?, key)?;
        }
    }
    let gone = |entry: &Value| sort == Sort::Map && entry.get(DIRECTIVE) == Some(&"delete".into());
    let (last, entries): Parts = entries.into_iter().partition(gone);
    let mut made: Vec<Value> = Vec::with_capacity(entries.len());
    for entry in entries {
        let place = index(order, &entry, key, sort);
        let before = |known: &Value| match (place, index(order, known, key, sort)) {
            (Some(place), Some(known)) => place < known,
            _ => true,
        };
        let end = made.iter().rposition(|known| !before(known)).map_or(0, |known| known + 1);
        made.insert(end, entry);
    }
    made.extend(last);
    Ok(made)
}

fn index(list: &[Value], entry: &Value, key: &str, sort: Sort) -> Option<usize> {
    list.iter().position(|known| match sort {
        Sort::Map => known.get(key) == entry.get(key),
        Sort::Plain => known == entry,
    })
}
