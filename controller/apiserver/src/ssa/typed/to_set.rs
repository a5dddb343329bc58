//! The fields that a value mentions.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{Address, Form, Shape, address};
use crate::ssa::element::Step as _;
use crate::ssa::set::Set;
use crate::ssa::types::{ListType, MapType, Name, Relation, Type};

/// Every leaf, every list entry and every undeclared member of `value`.
pub(in crate::ssa) fn to_set(ty: &Type, value: &Value) -> Set {
    walk(ty, value).below
}

/// What one value adds to the set.
#[derive(Default)]
struct Mentioned {
    /// The value's own path is a member.
    itself: bool,
    below: Set,
}

impl Mentioned {
    fn itself() -> Self {
        Self { itself: true, below: Set::default() }
    }
}

fn walk(ty: &Type, value: &Value) -> Mentioned {
    let atom = ty.resolve();
    match (Shape::deduce(atom, Some(value)).form(), &atom.map, &atom.list) {
        (Ok(Form::Map), Some(map), _) => members(map, value),
        (Ok(Form::List), _, Some(list)) => entries(list, value),
        (Ok(Form::Scalar), _, _) => Mentioned::itself(),
        (Ok(Form::Map | Form::List) | Err(_), _, _) => Mentioned::default(),
    }
}

fn members(map: &MapType, value: &Value) -> Mentioned {
    if map.atomic {
        return Mentioned::itself();
    }
    let Some(fields) = value.as_object() else { return Mentioned::default() };
    let mut set = Set::default();
    for (key, child) in fields {
        let (ty, step) = map.step(key);
        let declared = matches!(step, Name::Declared(_));
        let found = walk(ty.unwrap_or(Type::none()), child);
        let empty = child.is_null() || child.as_object().is_some_and(serde_json::Map::is_empty);
        set.push(step.element(), found.itself || empty || !declared, found.below);
    }
    set.sort();
    Mentioned { itself: false, below: set }
}

fn entries(list: &ListType, value: &Value) -> Mentioned {
    if list.relation == Relation::Atomic {
        return Mentioned::itself();
    }
    let Some(items) = value.as_array() else { return Mentioned::default() };
    let elements: Vec<Option<Address<'_>>> = items.iter().map(|item| address(list, item).ok()).collect();
    let mut seen = BTreeSet::new();
    let repeated: BTreeSet<&Address<'_>> = elements.iter().flatten().filter(|element| !seen.insert(*element)).collect();
    let mut told = BTreeSet::new();
    let mut set = Set::default();
    for (item, element) in items.iter().zip(&elements) {
        let Some(element) = element else { continue };
        if !repeated.contains(element) {
            set.push(element.element(), true, walk(&list.element, item).below);
        } else if told.insert(element) {
            set.push(element.element(), true, Set::default());
        }
    }
    set.sort();
    Mentioned { itself: false, below: set }
}
