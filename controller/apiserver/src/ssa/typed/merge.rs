//! The live object with an applied configuration laid over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::{Fault, Form, Shape, below, check_scalar, entry_element, fault};
use crate::ssa::element::Element;
use crate::ssa::types::{Atom, ListType, MapType, Relation, Type};

/// Merges `right` over `left`, which both conform to the type: nothing is removed, leaves of `right` win, lists take the order of `right` where it says something.
pub(in crate::ssa) fn merge(ty: &Type, left: &Value, right: &Value) -> Result<Value, Vec<Fault>> {
    let (out, faults) = node(ty, Some(left), Some(right));
    if faults.is_empty() { Ok(out.unwrap_or(Value::Null)) } else { Err(faults) }
}

type Merged = (Option<Value>, Vec<Fault>);

fn node(ty: &Type, left: Option<&Value>, right: Option<&Value>) -> Merged {
    if left.is_none() || right.is_none() {
        // What one side alone has is taken as it is.
        return leaf(left, right);
    }
    let atom = ty.resolve();
    let (left_shape, right_shape) = (Shape::deduce(atom, left), Shape::deduce(atom, right));
    if left_shape == right_shape {
        form(atom, right_shape, left, right)
    } else {
        let (_, mut faults) = form(atom, left_shape, left, right);
        let (out, more) = form(atom, right_shape, left, right);
        faults.extend(more);
        (out, faults)
    }
}

fn form(atom: &Atom, shape: Shape, left: Option<&Value>, right: Option<&Value>) -> Merged {
    match (shape.form(), &atom.map, atom.scalar, &atom.list) {
        (Ok(Form::Map), Some(ty), _, _) => map(ty, left, right),
        (Ok(Form::Scalar), _, Some(scalar), _) => {
            match (check_scalar(scalar, left, "lhs: "), check_scalar(scalar, right, "rhs: ")) {
                (Some(left), Some(right)) => (None, vec![left, right]),
                (Some(_) | None, _) => leaf(left, right),
            }
        }
        (Ok(Form::List), _, _, Some(ty)) => list(ty, left, right),
        (Err(fault), _, _, _) => (None, vec![fault]),
        (Ok(Form::Map | Form::Scalar | Form::List), _, _, _) => (None, Vec::new()),
    }
}

fn leaf(left: Option<&Value>, right: Option<&Value>) -> Merged {
    (right.or(left).cloned(), Vec::new())
}

fn map(ty: &MapType, left: Option<&Value>, right: Option<&Value>) -> Merged {
    let (left_map, right_map) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
    let empty = left_map.is_none_or(Map::is_empty) && right_map.is_none_or(Map::is_empty);
    if ty.atomic || empty {
        return leaf(left, right);
    }
    let mut out = Map::new();
    let mut faults = Vec::new();
    let right_only = right_map.into_iter().flatten().filter(|(key, _)| !left_map.is_some_and(|left| left.contains_key(*key)));
    for (key, _) in left_map.into_iter().flatten().chain(right_only) {
        let member = ty.member(key).unwrap_or(Type::none());
        let (merged, more) = node(member, left_map.and_then(|map| map.get(key)), right_map.and_then(|map| map.get(key)));
        if let Some(merged) = merged {
            out.insert(key.clone(), merged);
        }
        if !more.is_empty() {
            faults.extend(below(&Element::Field(key.clone()), more));
        }
    }
    (if out.is_empty() { None } else { Some(Value::Object(out)) }, faults)
}

fn list(ty: &ListType, left: Option<&Value>, right: Option<&Value>) -> Merged {
    let (left_list, right_list) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
    let empty = left_list.is_none_or(Vec::is_empty) && right_list.is_none_or(Vec::is_empty);
    if ty.relation == Relation::Atomic || empty {
        return leaf(left, right);
    }
    let mut faults = Vec::new();
    let right = Index::new(ty, right_list, false, &mut faults);
    let left = Index::new(ty, left_list, true, &mut faults);
    if !faults.is_empty() {
        return (None, faults);
    }
    let out = interleave(ty, &left, &right);
    (if out.is_empty() { None } else { Some(Value::Array(out)) }, faults)
}

/// The entries of a list in order and by address; repeated ones are merged with nothing.
struct Index<'a> {
    order: Vec<(Element, &'a Value)>,
    by_element: BTreeMap<Element, &'a Value>,
}

impl<'a> Index<'a> {
    fn new(ty: &ListType, items: Option<&'a Vec<Value>>, allow_duplicates: bool, faults: &mut Vec<Fault>) -> Self {
        static NULL: Value = Value::Null;
        let mut index = Self { order: Vec::new(), by_element: BTreeMap::new() };
        for (position, item) in items.into_iter().flatten().enumerate() {
            let element = match entry_element(ty, item) {
                Ok(element) => element,
                Err(detail) => {
                    faults.push(fault(format!("element {position}: {detail}")));
                    continue;
                }
            };
            let repeated = index.by_element.contains_key(&element);
            if repeated && !allow_duplicates {
                faults.push(fault(format!("duplicate entries for key {element}")));
                continue;
            }
            index.by_element.insert(element.clone(), if repeated { &NULL } else { item });
            index.order.push((element, item));
        }
        index
    }
}

/// Walks both orders at once: entries of `left` alone stay where they are, the others follow `right`.
fn interleave(ty: &ListType, left: &Index<'_>, right: &Index<'_>) -> Vec<Value> {
    let mut out = Vec::with_capacity(left.order.len().max(right.order.len()));
    let mut merged: BTreeSet<&Element> = BTreeSet::new();
    let mut shared: VecDeque<&Element> =
        right.order.iter().map(|(element, _)| element).filter(|element| left.by_element.contains_key(element)).collect();
    let mut next_shared = shared.pop_front();
    let (mut l, mut r) = (0, 0);
    // What faults lie inside an entry was found when both sides were validated.
    let mut push = |l: Option<&Value>, r: Option<&Value>| out.extend(node(&ty.element, l, r).0);
    while l < left.order.len() || r < right.order.len() {
        if let (Some((element, _)), Some((other, _))) = (left.order.get(l), right.order.get(r)) {
            if element == other {
                merged.insert(element);
                push(left.by_element.get(element).copied(), right.by_element.get(element).copied());
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if right.by_element.contains_key(element) && next_shared.is_some_and(|next| next != element) {
                l += 1;
                continue;
            }
        }
        if let Some((element, item)) = left.order.get(l) {
            if !right.by_element.contains_key(element) {
                push(Some(item), None);
                l += 1;
                continue;
            }
            if merged.contains(element) {
                l += 1;
            }
        }
        if let Some((element, _)) = right.order.get(r) {
            merged.insert(element);
            push(left.by_element.get(element).copied(), right.by_element.get(element).copied());
            r += 1;
            if next_shared == Some(element) {
                next_shared = shared.pop_front();
            }
        }
    }
    out
}
