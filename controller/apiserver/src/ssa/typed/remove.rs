//! A value without some of its fields and entries.

use serde_json::{Map, Value};

use super::{Form, Shape, address};
use crate::ssa::set::Set;
use crate::ssa::types::{ListType, MapType, Relation, Type};

/// Removes the members of `fields` from `value`. A container that loses its content becomes empty, not absent.
pub(in crate::ssa) fn remove(ty: &Type, value: &Value, fields: &Set) -> Value {
    let atom = ty.resolve();
    let out = match (Shape::deduce(atom, Some(value)).form(), &atom.map, &atom.list) {
        (Ok(Form::Map), Some(map), _) => members(map, value, fields),
        (Ok(Form::List), _, Some(list)) => entries(list, value, fields),
        (Ok(Form::Scalar), _, _) => Some(value.clone()),
        (Ok(Form::Map | Form::List) | Err(_), _, _) => None,
    };
    out.unwrap_or(Value::Null)
}

fn members(map: &MapType, value: &Value, fields: &Set) -> Option<Value> {
    let object = value.as_object().filter(|object| !object.is_empty() && !map.atomic)?;
    let mut out = Map::new();
    let mut touched = false;
    for (key, child) in object {
        let (ty, step) = map.step(key);
        if fields.has_member(&step) {
            continue;
        }
        let below = fields.with_prefix(&step);
        if below.is_empty() {
            out.insert(key.clone(), child.clone());
        } else {
            touched = true;
            out.insert(key.clone(), kept(ty.unwrap_or(Type::none()), child, below));
        }
    }
    if out.is_empty() && !touched { None } else { Some(Value::Object(out)) }
}

fn entries(list: &ListType, value: &Value, fields: &Set) -> Option<Value> {
    let items = value.as_array().filter(|items| !items.is_empty() && list.relation != Relation::Atomic)?;
    let mut out = Vec::new();
    let mut touched = false;
    for item in items {
        let Ok(element) = address(list, item) else {
            out.push(item.clone());
            continue;
        };
        if fields.has_member(&element) {
            continue;
        }
        let below = fields.with_prefix(&element);
        if below.is_empty() {
            out.push(item.clone());
        } else {
            touched = true;
            out.push(kept(&list.element, item, below));
        }
    }
    if out.is_empty() && !touched { None } else { Some(Value::Array(out)) }
}

fn kept(ty: &Type, child: &Value, below: &Set) -> Value {
    match (remove(ty, child, below), child) {
        (Value::Null, Value::Object(_)) => Value::Object(Map::new()),
        (Value::Null, Value::Array(_)) => Value::Array(Vec::new()),
        (rest, _) => rest,
    }
}
