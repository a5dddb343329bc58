//! Equality of values, quicker where two maps are in one order.

use serde_json::{Map, Value};

/// Exactly `left == right`. Two maps in one order are compared without looking up a key.
pub(crate) fn identical(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| identical(left, right))
        }
        (Value::Object(left), Value::Object(right)) => same_members(left, right, identical),
        _ => left == right,
    }
}

/// Whether two maps have the same members, in any order.
pub(crate) fn same_members(left: &Map<String, Value>, right: &Map<String, Value>, same: fn(&Value, &Value) -> bool) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|((key, value), (other, candidate))| {
            if key == other { same(value, candidate) } else { right.get(key).is_some_and(|found| same(value, found)) }
        })
}
