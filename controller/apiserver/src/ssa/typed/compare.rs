//! What changed between two values of one type.

use std::cmp::Ordering;

use serde_json::Value;

use super::{Address, Fault, Form, Shape, address, below, check_scalar, fault};
use crate::ssa::element::{Element, Step};
use crate::ssa::set::Set;
use crate::ssa::types::{Atom, ListType, MapType, Name, Relation, Type};
use crate::ssa::value::equal;

/// Three disjoint sets of paths; all empty where the values are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::ssa) struct Comparison {
    pub(in crate::ssa) removed: Set,
    pub(in crate::ssa) modified: Set,
    pub(in crate::ssa) added: Set,
}

impl Comparison {
    /// The comparison without these fields and everything below them.
    pub(in crate::ssa) fn without(&self, fields: &Set) -> Self {
        if fields.is_empty() {
            return self.clone();
        }
        Self {
            removed: self.removed.recursive_difference(fields),
            modified: self.modified.recursive_difference(fields),
            added: self.added.recursive_difference(fields),
        }
    }
}

/// Compares `left` with `right`, which both conform to the type but for repeated entries.
pub(in crate::ssa) fn compare(ty: &Type, left: &Value, right: &Value) -> Result<Comparison, Vec<Fault>> {
    let mut walk = Walk { path: Vec::new(), comparison: Comparison::default() };
    let faults = walk.node(ty, Some(left), Some(right));
    if faults.is_empty() { Ok(walk.comparison) } else { Err(faults) }
}

/// The values of both sides; at most one is absent.
type Sides<'a> = (Option<&'a Value>, Option<&'a Value>);

/// A step to where the walk stands: it becomes an element only where something differs.
#[derive(Clone)]
enum At<'a> {
    Field(Name<'a>),
    Entry(Address<'a>),
}

impl Step for At<'_> {
    fn order(&self, element: &Element) -> Ordering {
        match self {
            Self::Field(name) => name.order(element),
            Self::Entry(address) => address.order(element),
        }
    }

    fn element(&self) -> Element {
        match self {
            Self::Field(name) => name.element(),
            Self::Entry(address) => address.element(),
        }
    }
}

struct Walk<'a> {
    path: Vec<At<'a>>,
    comparison: Comparison,
}

impl<'a> Walk<'a> {
    fn node(&mut self, ty: &'a Type, left: Option<&'a Value>, right: Option<&'a Value>) -> Vec<Fault> {
        let atom = ty.resolve();
        let (left_shape, right_shape) = (Shape::deduce(atom, left), Shape::deduce(atom, right));
        let mut faults = Vec::new();
        let leaf;
        if right.is_none() {
            leaf = self.form(atom, left_shape, (left, right), &mut faults);
        } else if left.is_none() || left_shape == right_shape {
            leaf = self.form(atom, right_shape, (left, right), &mut faults);
        } else {
            self.form(atom, left_shape, (left, right), &mut faults);
            leaf = self.form(atom, right_shape, (left, right), &mut faults);
        }
        if !leaf {
            if left.is_none() {
                self.comparison.added.insert_steps(&self.path);
            } else if right.is_none() {
                self.comparison.removed.insert_steps(&self.path);
            }
        }
        faults
    }

    /// Walks one form; true where it was a leaf.
    fn form(&mut self, atom: &'a Atom, shape: Shape, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
        match (shape.form(), &atom.map, atom.scalar, &atom.list) {
            (Ok(Form::Map), Some(map), _, _) => self.map(map, (left, right), faults),
            (Ok(Form::Scalar), _, Some(scalar), _) => {
                let wrong = (check_scalar(scalar, left, "lhs: "), check_scalar(scalar, right, "rhs: "));
                if let (Some(left), Some(right)) = wrong {
                    faults.extend([left, right]);
                    return false;
                }
                self.leaf(left, right);
                true
            }
            (Ok(Form::List), _, _, Some(list)) => self.list(list, (left, right), faults),
            (Err(fault), _, _, _) => {
                faults.push(fault);
                false
            }
            (Ok(Form::Map | Form::Scalar | Form::List), _, _, _) => false,
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.comparison.added.insert_steps(&self.path),
            (Some(_), None) => self.comparison.removed.insert_steps(&self.path),
            (Some(left), Some(right)) if !equal(left, right) => self.comparison.modified.insert_steps(&self.path),
            (Some(_), Some(_)) => {}
        }
    }

    fn map(&mut self, map: &'a MapType, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
        let (left_map, right_map) = (left.and_then(Value::as_object), right.and_then(Value::as_object));
        let empty = left_map.is_none_or(serde_json::Map::is_empty) && right_map.is_none_or(serde_json::Map::is_empty);
        if map.atomic || empty {
            self.leaf(left, right);
            return true;
        }
        let right_only = right_map.into_iter().flatten().filter(|(key, _)| !left_map.is_some_and(|left| left.contains_key(*key)));
        let keys = left_map.into_iter().flatten().chain(right_only).map(|(key, _)| key);
        for key in keys {
            let left = left_map.and_then(|map| map.get(key));
            let right = right_map.and_then(|map| map.get(key));
            // Both sides conform to the type, so what is equal holds neither a change nor a fault.
            if let (Some(left), Some(right)) = (left, right)
                && equal(left, right)
            {
                continue;
            }
            let (ty, name) = map.step(key);
            faults.extend(self.child(At::Field(name), ty.unwrap_or(Type::none()), left, right));
        }
        false
    }

    fn child(&mut self, step: At<'a>, ty: &'a Type, left: Option<&'a Value>, right: Option<&'a Value>) -> Vec<Fault> {
        self.path.push(step);
        let faults = self.node(ty, left, right);
        match self.path.pop() {
            Some(step) if !faults.is_empty() => below(&step.element(), faults),
            Some(_) | None => faults,
        }
    }

    fn list(&mut self, list: &'a ListType, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
        let (left_list, right_list) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
        let empty = left_list.is_none_or(Vec::is_empty) && right_list.is_none_or(Vec::is_empty);
        if list.relation == Relation::Atomic || empty {
            self.leaf(left, right);
            return true;
        }
        let left = by_address(list, left_list, faults);
        let right = by_address(list, right_list, faults);
        for entries in left.chunk_by(|one, next| one.0 == next.0) {
            self.entries(list, (entries, same(&right, entries)), faults);
        }
        for entries in right.chunk_by(|one, next| one.0 == next.0).filter(|entries| same(&left, entries).is_empty()) {
            self.entries(list, (&[], entries), faults);
        }
        false
    }

    fn insert_below(&mut self, step: At<'a>, which: impl Fn(&mut Comparison) -> &mut Set) {
        self.path.push(step);
        which(&mut self.comparison).insert_steps(&self.path);
        self.path.pop();
    }

    /// Compares the entries of one address; repeated ones count as one atomic value.
    fn entries(&mut self, list: &'a ListType, (left, right): (&[Entry<'a>], &[Entry<'a>]), faults: &mut Vec<Fault>) {
        let Some((address, _)) = left.first().or(right.first()) else { return };
        let step = At::Entry(address.clone());
        let value = |entry: &Entry<'a>| entry.1;
        match (left, right) {
            ([] | [_], [] | [_]) => {
                faults.extend(self.child(step, &list.element, left.first().map(value), right.first().map(value)));
            }
            ([_, _, ..], [_, _, ..]) => {
                if left.len() != right.len() || !left.iter().zip(right).all(|(left, right)| equal(left.1, right.1)) {
                    self.insert_below(step, |comparison| &mut comparison.modified);
                }
            }
            ([_, _, ..], [] | [_]) => {
                if let Some(right) = right.first() {
                    faults.extend(self.child(step.clone(), &list.element, None, Some(right.1)));
                }
                self.insert_below(step, |comparison| &mut comparison.removed);
            }
            ([] | [_], [_, _, ..]) => {
                if let Some(left) = left.first() {
                    faults.extend(self.child(step.clone(), &list.element, Some(left.1), None));
                }
                self.insert_below(step, |comparison| &mut comparison.added);
            }
        }
    }
}

/// An entry of a list and its address.
type Entry<'a> = (Address<'a>, &'a Value);

/// The entries sorted by address; those of one address stay in their order.
fn by_address<'a>(list: &'a ListType, items: Option<&'a Vec<Value>>, faults: &mut Vec<Fault>) -> Vec<Entry<'a>> {
    let mut entries = Vec::with_capacity(items.map_or(0, Vec::len));
    for (index, item) in items.into_iter().flatten().enumerate() {
        match address(list, item) {
            Ok(address) => entries.push((address, item)),
            Err(detail) => faults.push(fault(format!("element {index}: {detail}"))),
        }
    }
    entries.sort_by(|left, right| left.0.cmp(&right.0));
    entries
}

/// The entries of `side`, which is sorted, that have the address of `entries`.
fn same<'s, 'a>(side: &'s [Entry<'a>], entries: &[Entry<'a>]) -> &'s [Entry<'a>] {
    let Some((address, _)) = entries.first() else { return &[] };
    let start = side.partition_point(|entry| entry.0 < *address);
    let length = side[start..].partition_point(|entry| entry.0 == *address);
    &side[start..start + length]
}
