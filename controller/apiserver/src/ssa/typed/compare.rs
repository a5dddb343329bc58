//! What changed between two values of one type.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fault, Form, Shape, below, check_scalar, entry_element, fault};
use crate::ssa::element::{Element, Path};
use crate::ssa::set::Set;
use crate::ssa::types::{Atom, ListType, MapType, Relation, Type};
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

/// Compares `left` with `right`.
pub(in crate::ssa) fn compare(ty: &Type, left: &Value, right: &Value) -> Result<Comparison, Vec<Fault>> {
    let mut walk = Walk { path: Vec::new(), comparison: Comparison::default() };
    let faults = walk.node(ty, Some(left), Some(right));
    if faults.is_empty() { Ok(walk.comparison) } else { Err(faults) }
}

/// The values of both sides; at most one is absent.
type Sides<'a> = (Option<&'a Value>, Option<&'a Value>);

struct Walk {
    path: Path,
    comparison: Comparison,
}

impl Walk {
    fn node(&mut self, ty: &Type, left: Option<&Value>, right: Option<&Value>) -> Vec<Fault> {
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
                self.comparison.added.insert(&self.path);
            } else if right.is_none() {
                self.comparison.removed.insert(&self.path);
            }
        }
        faults
    }

    /// Walks one form; true where it was a leaf.
    fn form(&mut self, atom: &Atom, shape: Shape, (left, right): Sides<'_>, faults: &mut Vec<Fault>) -> bool {
        match (shape.form(), &atom.map, atom.scalar, &atom.list) {
            (Ok(Form::Map), Some(map), _, _) => self.map(map, left, right, faults),
            (Ok(Form::Scalar), _, Some(scalar), _) => {
                let wrong = (check_scalar(scalar, left, "lhs: "), check_scalar(scalar, right, "rhs: "));
                if let (Some(left), Some(right)) = wrong {
                    faults.extend([left, right]);
                    return false;
                }
                self.leaf(left, right);
                true
            }
            (Ok(Form::List), _, _, Some(list)) => self.list(list, left, right, faults),
            (Err(fault), _, _, _) => {
                faults.push(fault);
                false
            }
            (Ok(Form::Map | Form::Scalar | Form::List), _, _, _) => false,
        }
    }

    fn leaf(&mut self, left: Option<&Value>, right: Option<&Value>) {
        match (left, right) {
            (None, _) => self.comparison.added.insert(&self.path),
            (Some(_), None) => self.comparison.removed.insert(&self.path),
            (Some(left), Some(right)) if !equal(left, right) => self.comparison.modified.insert(&self.path),
            (Some(_), Some(_)) => {}
        }
    }

    fn map(&mut self, map: &MapType, left: Option<&Value>, right: Option<&Value>, faults: &mut Vec<Fault>) -> bool {
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
            let ty = map.member(key).unwrap_or(Type::none());
            let element = Element::Field(key.clone());
            faults.extend(self.child(element, ty, left, right));
        }
        false
    }

    fn child(&mut self, element: Element, ty: &Type, left: Option<&Value>, right: Option<&Value>) -> Vec<Fault> {
        self.path.push(element);
        let faults = self.node(ty, left, right);
        match self.path.pop() {
            Some(element) if !faults.is_empty() => below(&element, faults),
            Some(_) | None => faults,
        }
    }

    fn list(&mut self, list: &ListType, left: Option<&Value>, right: Option<&Value>, faults: &mut Vec<Fault>) -> bool {
        let (left_list, right_list) = (left.and_then(Value::as_array), right.and_then(Value::as_array));
        let empty = left_list.is_none_or(Vec::is_empty) && right_list.is_none_or(Vec::is_empty);
        if list.relation == Relation::Atomic || empty {
            self.leaf(left, right);
            return true;
        }
        let left = by_element(list, left_list, faults);
        let right = by_element(list, right_list, faults);
        let right_only = right.keys().filter(|element| !left.contains_key(element));
        let elements: Vec<Element> = left.keys().chain(right_only).cloned().collect();
        for element in elements {
            let (left, right) =
                (left.get(&element).map_or(&[][..], Vec::as_slice), right.get(&element).map_or(&[][..], Vec::as_slice));
            self.entries(list, element, (left, right), faults);
        }
        false
    }

    /// Compares the entries of one address; repeated ones count as one atomic value.
    fn entries(&mut self, list: &ListType, element: Element, (left, right): (&[&Value], &[&Value]), faults: &mut Vec<Fault>) {
        let mut path = self.path.clone();
        path.push(element.clone());
        match (left, right) {
            ([] | [_], [] | [_]) => {
                faults.extend(self.child(element, &list.element, left.first().copied(), right.first().copied()));
            }
            ([_, _, ..], [_, _, ..]) => {
                if left.len() != right.len() || !left.iter().zip(right).all(|(left, right)| equal(left, right)) {
                    self.comparison.modified.insert(&path);
                }
            }
            ([_, _, ..], [] | [_]) => {
                if let Some(right) = right.first() {
                    faults.extend(self.child(element, &list.element, None, Some(right)));
                }
                self.comparison.removed.insert(&path);
            }
            ([] | [_], [_, _, ..]) => {
                if let Some(left) = left.first() {
                    faults.extend(self.child(element, &list.element, Some(left), None));
                }
                self.comparison.added.insert(&path);
            }
        }
    }
}

fn by_element<'a>(list: &ListType, items: Option<&'a Vec<Value>>, faults: &mut Vec<Fault>) -> BTreeMap<Element, Vec<&'a Value>> {
    let mut map: BTreeMap<Element, Vec<&Value>> = BTreeMap::new();
    for (index, item) in items.into_iter().flatten().enumerate() {
        match entry_element(list, item) {
            Ok(element) => map.entry(element).or_default().push(item),
            Err(detail) => faults.push(fault(format!("element {index}: {detail}"))),
        }
    }
    map
}
