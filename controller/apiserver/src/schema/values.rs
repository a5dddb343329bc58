//! Types and bounds of single values.

use std::collections::HashSet;

use serde_json::{Number, Value};

use super::node::{Node, Type};
use super::problem::Problem;
use super::render::{canonical_json, go_float};
use super::validate::{Walk, type_name, unplaced};

pub(super) fn check_type(node: &Node, value: &Value, walk: &mut Walk) {
    let expected = match (node.kind, node.int_or_string) {
        (_, true) => "integer,string",
        (Some(kind), false) => kind.name(),
        (None, false) => return,
    };
    let fits = match value {
        Value::Null => node.nullable,
        Value::Bool(_) => node.kind == Some(Type::Boolean),
        Value::String(_) => node.int_or_string || node.kind == Some(Type::String),
        Value::Array(_) => node.kind == Some(Type::Array),
        Value::Object(_) => node.kind == Some(Type::Object),
        Value::Number(number) => {
            let whole = number.as_f64().is_none_or(|float| !number.is_f64() || float.fract() == 0.0);
            node.kind == Some(Type::Number) || (whole && (node.int_or_string || node.kind == Some(Type::Integer)))
        }
    };
    if !fits {
        // Where an integer has a width, the reference compares that with the width of the number.
        let width = node.bounds.format.as_deref().filter(|_| node.kind == Some(Type::Integer) && value.is_number());
        let (expected, actual) = width.map_or((expected, type_name(value)), |width| (width, "float64"));
        let detail = format!("{} in body must be of type {expected}: \"{actual}\"", walk.path);
        walk.problems.push(Problem::type_invalid(&walk.path, actual.into(), &detail));
    }
}

pub(super) fn check_enum(node: &Node, value: &Value, walk: &mut Walk) {
    let allowed = &node.bounds.values;
    if !allowed.is_empty() && !allowed.iter().any(|candidate| !candidate.is_null() && same(candidate, value)) {
        walk.problems.push(Problem::not_supported(&walk.path, value.clone(), allowed));
    }
}

fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(left), Value::Number(right)) => left == right || left.as_f64() == right.as_f64(),
        _ => left == right,
    }
}

pub(super) fn check_string(node: &Node, text: &str, walk: &mut Walk) {
    let bounds = &node.bounds;
    let length = || text.chars().count() as u64;
    if let Some(max) = bounds.max_length
        && text.len() as u64 > max
        && length() > max
    {
        walk.problems.push(Problem::too_long(&walk.path, max));
        return;
    }
    if let Some(min) = bounds.min_length
        && length() < min
    {
        walk.invalid(text.into(), &format!("should be at least {min} chars long"));
        return;
    }
    if let Some(pattern) = &bounds.pattern
        && !pattern.regex().is_ok_and(|regex| regex.is_match(text))
    {
        walk.invalid(text.into(), &format!("should match '{}'", pattern.text));
    }
}

pub(super) fn check_number(node: &Node, number: &Number, walk: &mut Walk) {
    let bounds = &node.bounds;
    check_range(node, number, walk);
    let Some(value) = number.as_f64() else { return };
    // Bounds lose their fraction beside a whole value.
    let bound = |bound: f64| if number.is_f64() { bound } else { bound.trunc() };
    let shown = || Value::Number(number.clone());
    if let Some(factor) = bounds.multiple_of
        && (value / bound(factor)).fract() != 0.0
    {
        walk.invalid(shown(), &format!("should be a multiple of {}", go_float(bound(factor))));
    }
    if let Some(max) = bounds.maximum.map(bound) {
        let (broken, words) =
            if bounds.exclusive_maximum { (value >= max, "less than") } else { (value > max, "less than or equal to") };
        if broken {
            walk.invalid(shown(), &format!("should be {words} {}", go_float(max)));
        }
    }
    if let Some(min) = bounds.minimum.map(bound) {
        let (broken, words) =
            if bounds.exclusive_minimum { (value <= min, "greater than") } else { (value < min, "greater than or equal to") };
        if broken {
            walk.invalid(shown(), &format!("should be {words} {}", go_float(min)));
        }
    }
}

/// Whether a number fits the width that an integer type or format gives it.
fn check_range(node: &Node, number: &Number, walk: &mut Walk) {
    if node.kind != Some(Type::Integer) {
        return;
    }
    let whole = number.as_i64();
    let (fits, form) = match node.bounds.format.as_deref() {
        Some("int32") => (whole.is_some_and(|whole| i32::try_from(whole).is_ok()), "with format int32"),
        Some("int64") => (whole.is_some(), "with format int64"),
        Some(_) | None => (whole.is_some() || number.as_f64().is_some_and(|float| float.fract() == 0.0), "(default format)"),
    };
    if !fits {
        walk.problems.push(unplaced(&format!("Checked value must be of type integer {form} in {}", walk.path)));
    }
}

pub(super) fn check_items(node: &Node, items: &[Value], walk: &mut Walk) {
    let size = items.len() as u64;
    if let Some(min) = node.bounds.min_items
        && size < min
    {
        walk.invalid(size.into(), &format!("should have at least {min} items"));
    }
    if let Some(max) = node.bounds.max_items
        && size > max
    {
        walk.problems.push(Problem::too_many(&walk.path, size, max));
    }
    if node.bounds.unique_items {
        let mut seen = HashSet::new();
        if !items.iter().all(|item| seen.insert(canonical_json(item))) {
            walk.invalid("".into(), "shouldn't contain duplicates");
        }
    }
}

pub(super) fn check_size(node: &Node, size: u64, walk: &mut Walk) {
    if let Some(min) = node.bounds.min_properties
        && size < min
    {
        walk.invalid(size.into(), &format!("should have at least {min} properties"));
    }
    if let Some(max) = node.bounds.max_properties
        && size > max
    {
        walk.problems.push(Problem::too_many(&walk.path, size, max));
    }
}
