//! The live object with an applied configuration laid over it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde_json::{Map, Value};

use super::{Address, Fault, Form, Shape, address, below, check_scalar, fault};
use crate::ssa::element::{Element, Step};
use crate::ssa::types::{Atom, ListType, MapType, Relation, Type};

/// Merges `right` over `left`, which both conform to the type: nothing is removed, leaves of `right` win, lists take the order of `right` where it says something.
pub(in crate::ssa) fn merge(ty: &Type, left: &Value, right: Value) -> Result<Value, Vec<Fault>> {
    let (out, faults) = node(ty, Some(left), Some(right));
    if faults.is_empty() { Ok(out.unwrap_or(Value::Null)) } else { Err(faults) }
}

type Merged = (Option<Value>, Vec<Fault>);

fn node(ty: &Type, left: Option<&Value>, right: Option<Value>) -> Merged {
    if left.is_none() || right.is_none() {
        // What one side alone has is taken as it is.
        return leaf(left, right);
    }
    let atom = ty.resolve();
    let (left_shape, right_shape) = (Shape::deduce(atom, left), Shape::deduce(atom, right.as_ref()));
    if left_shape == right_shape {
        form(atom, right_shape, left, right)
    } else {
        let (_, mut faults) = form(atom, left_shape, left, right.clone());
        let (out, more) = form(atom, right_shape, left, right);
        faults.extend(more);
        (out, faults)
    }
}

fn form(atom: &Atom, shape: Shape, left: Option<&Value>, right: Option<Value>) -> Merged {
    match (shape.form(), &atom.map, atom.scalar, &atom.list) {
        (Ok(Form::Map), Some(ty), _, _) => map(ty, left, right),
        (Ok(Form::Scalar), _, Some(scalar), _) => {
            match (check_scalar(scalar, left, "lhs: "), check_scalar(scalar, right.as_ref(), "rhs: ")) {
                (Some(left), Some(right)) => (None, vec![left, right]),
                (Some(_) | None, _) => leaf(left, right),
            }
        }
        (Ok(Form::List), _, _, Some(ty)) => list(ty, left, right),
        (Err(fault), _, _, _) => (None, vec![fault]),
        (Ok(Form::Map | Form::Scalar | Form::List), _, _, _) => (None, Vec::new()),
    }
}

fn leaf(left: Option<&Value>, right: Option<Value>) -> Merged {
    (right.or_else(|| left.cloned()), Vec::new())
}

fn map(ty: &MapType, left: Option<&Value>, right: Option<Value>) -> Merged {
    let left_map = left.and_then(Value::as_object);
    let empty = |map: Option<&Map<String, Value>>| map.is_none_or(Map::is_empty);
    if ty.atomic || (empty(left_map) && empty(right.as_ref().and_then(Value::as_object))) {
        return leaf(left, right);
    }
    let mut right_map = match right {
        Some(Value::Object(fields)) => fields,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_)) | None => Map::new(),
    };
    let mut out = Map::with_capacity(right_map.len().max(left_map.map_or(0, Map::len)));
    let mut faults = Vec::new();
    for (key, value) in left_map.into_iter().flatten() {
        let member = ty.member(key).unwrap_or(Type::none());
        // What is taken out here is passed over below.
        let (merged, more) = node(member, Some(value), right_map.get_mut(key).map(Value::take));
        if let Some(merged) = merged {
            out.insert(key.clone(), merged);
        }
        if !more.is_empty() {
            faults.extend(below(&Element::Field(key.as_str().into()), more));
        }
    }
    // What one side alone has is taken as it is.
    out.extend(right_map.into_iter().filter(|(key, _)| !left_map.is_some_and(|left| left.contains_key(key))));
    (if out.is_empty() { None } else { Some(Value::Object(out)) }, faults)
}

fn list(ty: &ListType, left: Option<&Value>, right: Option<Value>) -> Merged {
    let left_list = left.and_then(Value::as_array);
    let empty = |list: Option<&Vec<Value>>| list.is_none_or(Vec::is_empty);
    if ty.relation == Relation::Atomic || (empty(left_list) && empty(right.as_ref().and_then(Value::as_array))) {
        return leaf(left, right);
    }
    let mut right_list = match right {
        Some(Value::Array(items)) => items,
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_)) | None => Vec::new(),
    };
    let mut faults = Vec::new();
    let pairs = {
        let right = Index::new(ty, &right_list, false, &mut faults);
        let left = Index::new(ty, left_list.map_or(&[], Vec::as_slice), true, &mut faults);
        if !faults.is_empty() {
            return (None, faults);
        }
        interleave(&left, &right)
    };
    let left_list = left_list.map_or(&[][..], Vec::as_slice);
    // What faults lie inside an entry was found when both sides were validated.
    let merged = pairs.into_iter().filter_map(|(left, right)| {
        let right = right.and_then(|place| right_list.get_mut(place)).map(Value::take);
        node(&ty.element, left.and_then(|left| left.of(left_list)), right).0
    });
    let out: Vec<Value> = merged.collect();
    (if out.is_empty() { None } else { Some(Value::Array(out)) }, faults)
}

/// The value that stands for the entries of an address.
#[derive(Clone, Copy)]
enum Found {
    /// The entry at this place.
    At(usize),
    /// Several: they are merged with nothing.
    Repeated,
}

impl Found {
    fn of(self, items: &[Value]) -> Option<&Value> {
        static NULL: Value = Value::Null;
        match self {
            Self::At(place) => items.get(place),
            Self::Repeated => Some(&NULL),
        }
    }
}

/// The entries of a list in order, by their places, and by address.
struct Index<'a> {
    order: Vec<(Address<'a>, usize)>,
    by_address: BTreeMap<Address<'a>, Found>,
}

impl<'a> Index<'a> {
    fn new(ty: &'a ListType, items: &'a [Value], allow_duplicates: bool, faults: &mut Vec<Fault>) -> Self {
        let mut index = Self { order: Vec::with_capacity(items.len()), by_address: BTreeMap::new() };
        for (position, item) in items.iter().enumerate() {
            let address = match address(ty, item) {
                Ok(address) => address,
                Err(detail) => {
                    faults.push(fault(format!("element {position}: {detail}")));
                    continue;
                }
            };
            let repeated = index.by_address.contains_key(&address);
            if repeated && !allow_duplicates {
                faults.push(fault(format!("duplicate entries for key {}", Step::element(&address))));
                continue;
            }
            index.by_address.insert(address.clone(), if repeated { Found::Repeated } else { Found::At(position) });
            index.order.push((address, position));
        }
        index
    }

    fn found(&self, address: &Address<'a>) -> Option<Found> {
        self.by_address.get(address).copied()
    }

    /// The place of the entry, in a list that repeats none.
    fn place(&self, address: &Address<'a>) -> Option<usize> {
        match self.found(address) {
            Some(Found::At(place)) => Some(place),
            Some(Found::Repeated) | None => None,
        }
    }
}

/// An entry of the merged list: what of the left side and which entry of the right one it is made of.
type Pair = (Option<Found>, Option<usize>);

/// Walks both orders at once: entries of `left` alone stay where they are, the others follow `right`.
fn interleave<'a>(left: &Index<'a>, right: &Index<'a>) -> Vec<Pair> {
    let mut out: Vec<Pair> = Vec::with_capacity(left.order.len().max(right.order.len()));
    let mut merged: BTreeSet<&Address<'a>> = BTreeSet::new();
    let mut shared: VecDeque<&Address<'a>> =
        right.order.iter().map(|(address, _)| address).filter(|address| left.by_address.contains_key(address)).collect();
    let mut next_shared = shared.pop_front();
    let (mut l, mut r) = (0, 0);
    while l < left.order.len() || r < right.order.len() {
        if let (Some((address, _)), Some((other, _))) = (left.order.get(l), right.order.get(r)) {
            if address == other {
                merged.insert(address);
                out.push((left.found(address), right.place(address)));
                l += 1;
                r += 1;
                next_shared = shared.pop_front();
                continue;
            }
            if right.by_address.contains_key(address) && next_shared.is_some_and(|next| next != address) {
                l += 1;
                continue;
            }
        }
        if let Some((address, place)) = left.order.get(l) {
            if !right.by_address.contains_key(address) {
                out.push((Some(Found::At(*place)), None));
                l += 1;
                continue;
            }
            if merged.contains(address) {
                l += 1;
            }
        }
        if let Some((address, _)) = right.order.get(r) {
            merged.insert(address);
            out.push((left.found(address), right.place(address)));
            r += 1;
            if next_shared == Some(address) {
                next_shared = shared.pop_front();
            }
        }
    }
    out
}
