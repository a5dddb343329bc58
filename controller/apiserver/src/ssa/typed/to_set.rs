//! The fields that a value mentions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Form, Shape, entry_element};
use crate::ssa::element::{Element, Path};
use crate::ssa::set::Set;
use crate::ssa::types::{ListType, MapType, Relation, Type};

/// Every leaf, every list entry and every undeclared member of `value`.
pub(in crate::ssa) fn to_set(ty: &Type, value: &Value) -> Set {
    let mut set = Set::default();
    walk(ty, value, &mut Vec::new(), &mut set);
    set
}

fn walk(ty: &Type, value: &Value, path: &mut Path, set: &mut Set) {
    let atom = ty.resolve();
    match (Shape::deduce(atom, Some(value)).form(), &atom.map, &atom.list) {
        (Ok(Form::Map), Some(map), _) => members(map, value, path, set),
        (Ok(Form::List), _, Some(list)) => entries(list, value, path, set),
        (Ok(Form::Scalar), _, _) => set.insert(path),
        (Ok(Form::Map | Form::List) | Err(_), _, _) => {}
    }
}

fn members(map: &MapType, value: &Value, path: &mut Path, set: &mut Set) {
    if map.atomic {
        set.insert(path);
        return;
    }
    let Some(fields) = value.as_object() else { return };
    for (key, child) in fields {
        path.push(Element::Field(key.clone()));
        walk(map.member(key).unwrap_or(Type::none()), child, path, set);
        let empty = child.is_null() || child.as_object().is_some_and(serde_json::Map::is_empty);
        if empty || !map.fields.contains_key(key) {
            set.insert(path);
        }
        path.pop();
    }
}

fn entries(list: &ListType, value: &Value, path: &mut Path, set: &mut Set) {
    if list.relation == Relation::Atomic {
        set.insert(path);
        return;
    }
    let Some(items) = value.as_array() else { return };
    let elements: Vec<Option<Element>> = items.iter().map(|item| entry_element(list, item).ok()).collect();
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<&Element> = elements.iter().flatten().filter(|element| !seen.insert(*element)).collect();
    for (item, element) in items.iter().zip(&elements) {
        let Some(element) = element else { continue };
        path.push(element.clone());
        if !repeated.contains(element) {
            walk(&list.element, item, path, set);
        }
        set.insert(path);
        path.pop();
    }
}
