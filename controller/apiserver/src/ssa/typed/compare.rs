//! What changed between two values of one type.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Fault, Form, Shape, below, check_scalar, entry_element, fault};
use crate::ssa::element::Element;
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

/// Compares `left` with `right`, which both conform to the type but for repeated entries.
pub(in crate::ssa) fn compare(ty: &Type, left: &Value, right: &Value) -> Result<Comparison, Vec<Fault>> {
    let mut walk = Walk { path: Vec::new(), comparison: Comparison::default() };
    let faults = walk.node(ty, Some(left), Some(right));
    if faults.is_empty() { Ok(walk.comparison) } else { Err(faults) }
}

/// The values of both sides; at most one is absent.
type Sides<'a> = (Option<&'a Value>, Option<&'a Value>);

/// A step to where the walk stands: a path is made of them only where something differs.
#[derive(Clone)]
enum Step<'a> {
    Field(&'a str),
    Entry(Element),
}

impl Step<'_> {
    fn element(&self) -> Element {
        match self {
            Self::Field(name) => Element::Field((*name).to_owned()),
            Self::Entry(element) => element.clone(),
        }
    }
}

struct Walk<'a> {
    path: Vec<Step<'a>>,
    comparison: Comparison,
}

fn insert(set: &mut Set, path: &[Step<'_>]) {
    let path: Vec<Element> = path.iter().map(Step::element).collect();
    set.insert(&path);
}

impl<'a> Walk<'a> {
    fn node(&mut self, ty: &Type, left: Option<&'a Value>, right: Option<&'a Value>) -> Vec<Fault> {
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
                insert(&mut self.comparison.added, &self.path);
            } else if right.is_none() {
                insert(&mut self.comparison.removed, &self.path);
            }
        }
        faults
    }

    /// Walks one form; true where it was a leaf.
    fn form(&mut self, atom: &Atom, shape: Shape, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
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
            (None, _) => insert(&mut self.comparison.added, &self.path),
            (Some(_), None) => insert(&mut self.comparison.removed, &self.path),
            (Some(left), Some(right)) if !equal(left, right) => insert(&mut self.comparison.modified, &self.path),
            (Some(_), Some(_)) => {}
        }
    }

    fn map(&mut self, map: &MapType, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
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
            let ty = map.member(key).unwrap_or(Type::none());
            faults.extend(self.child(Step::Field(key), ty, left, right));
        }
        false
    }

    fn child(&mut self, step: Step<'a>, ty: &Type, left: Option<&'a Value>, right: Option<&'a Value>) -> Vec<Fault> {
        self.path.push(step);
        let faults = self.node(ty, left, right);
        match self.path.pop() {
            Some(step) if !faults.is_empty() => below(&step.element(), faults),
            Some(_) | None => faults,
        }
    }

    fn list(&mut self, list: &ListType, (left, right): Sides<'a>, faults: &mut Vec<Fault>) -> bool {
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

    fn insert_below(&mut self, step: Step<'a>, which: impl Fn(&mut Comparison) -> &mut Set) {
        self.path.push(step);
        insert(which(&mut self.comparison), &self.path);
        self.path.pop();
    }

    /// Compares the entries of one address; repeated ones count as one atomic value.
    fn entries(
        &mut self,
        list: &ListType,
        element: Element,
        (left, right): (&[&'a Value], &[&'a Value]),
        faults: &mut Vec<Fault>,
    ) {
        let step = Step::Entry(element);
        match (left, right) {
            ([] | [_], [] | [_]) => {
                faults.extend(self.child(step, &list.element, left.first().copied(), right.first().copied()));
            }
            ([_, _, ..], [_, _, ..]) => {
                if left.len() != right.len() || !left.iter().zip(right).all(|(left, right)| equal(left, right)) {
                    self.insert_below(step, |comparison| &mut comparison.modified);
                }
            }
            ([_, _, ..], [] | [_]) => {
                if let Some(right) = right.first() {
                    faults.extend(self.child(step.clone(), &list.element, None, Some(right)));
                }
                self.insert_below(step, |comparison| &mut comparison.removed);
            }
            ([] | [_], [_, _, ..]) => {
                if let Some(left) = left.first() {
                    faults.extend(self.child(step.clone(), &list.element, Some(left), None));
                }
                self.insert_below(step, |comparison| &mut comparison.added);
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
