//! Whether a value conforms to its type.

use serde_json::Value;

use super::{Fault, Form, Shape, address, below, check_scalar, fault, list_of, map_of};
use crate::ssa::element::{Element, Step as _};
use crate::ssa::types::{ListType, MapType, Relation, Type};

/// Every violation of `ty`; repeated entries of associative lists count unless `allow_duplicates`.
pub(in crate::ssa) fn validate(ty: &Type, value: &Value, allow_duplicates: bool) -> Vec<Fault> {
    let atom = ty.resolve();
    match (Shape::deduce(atom, Some(value)).form(), atom) {
        (Err(fault), _) => vec![fault],
        (Ok(Form::Map), atom) => atom.map.as_ref().map_or_else(Vec::new, |map| members(map, value, allow_duplicates)),
        (Ok(Form::Scalar), atom) => atom.scalar.and_then(|scalar| check_scalar(scalar, Some(value), "")).into_iter().collect(),
        (Ok(Form::List), atom) => atom.list.as_ref().map_or_else(Vec::new, |list| entries(list, value, allow_duplicates)),
    }
}

fn members(map: &MapType, value: &Value, allow_duplicates: bool) -> Vec<Fault> {
    let fields = match map_of(value) {
        Ok(Some(fields)) => fields,
        Ok(None) => return Vec::new(),
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    for (key, child) in fields {
        let at = |found| below(&Element::Field(key.as_str().into()), found);
        let Some(ty) = map.member(key) else {
            faults.extend(at(vec![fault("field not declared in schema".to_owned())]));
            break;
        };
        let found = validate(ty, child, allow_duplicates);
        if !found.is_empty() {
            faults.extend(at(found));
        }
    }
    faults
}

fn entries(list: &ListType, value: &Value, allow_duplicates: bool) -> Vec<Fault> {
    let items = match list_of(value) {
        Ok(Some(items)) => items,
        Ok(None) => return Vec::new(),
        Err(fault) => return vec![fault],
    };
    let mut faults = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in items.iter().enumerate() {
        let place = if list.relation == Relation::Atomic {
            None
        } else {
            match address(list, item) {
                Ok(place) => Some(place),
                Err(detail) => {
                    faults.push(fault(format!("element {index}: {detail}")));
                    return faults;
                }
            }
        };
        let found = validate(&list.element, item, allow_duplicates);
        let element = || place.as_ref().map_or(Element::Index(i64::try_from(index).unwrap_or(i64::MAX)), |place| place.element());
        if !allow_duplicates && place.as_ref().is_some_and(|place| seen.contains(place)) {
            faults.push(fault(format!("duplicate entries for key {}", element())));
        }
        if !found.is_empty() {
            faults.extend(below(&element(), found));
        }
        if !allow_duplicates {
            seen.extend(place);
        }
    }
    faults
}
