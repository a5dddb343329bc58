//! How much a value of a schema can hold at most, and how often it can stand in one request.

use super::super::node::{Extra, Node, Type};

/// The largest request, which bounds every value.
const REQUEST_BYTES: u64 = 3 * 1024 * 1024;

/// The most entries or bytes that a value at `node` can have.
pub(super) fn max_elements(node: &Node) -> u64 {
    let text = || node.bounds.max_length.map_or(REQUEST_BYTES - 2, |length| length.saturating_mul(4));
    if node.int_or_string {
        return text();
    }
    match node.kind {
        Some(Type::Array) => node.bounds.max_items.unwrap_or_else(|| {
            let least = node.items.as_deref().map_or(1, |items| min_size(items, items.embedded));
            (REQUEST_BYTES - 2) / (least + 1)
        }),
        Some(Type::Object) => match &node.extra {
            Some(Extra::Schema(values)) => {
                node.bounds.max_properties.unwrap_or_else(|| (REQUEST_BYTES - 2) / (min_size(values, values.embedded) + 6))
            }
            Some(Extra::Any) | None => 0,
        },
        Some(Type::String) => match node.bounds.format.as_deref() {
            Some("date") => 12,
            Some("duration" | "date-time" | "datetime") => 32,
            Some("byte") => node.bounds.max_length.unwrap_or(REQUEST_BYTES - 2),
            Some(_) | None if node.bounds.max_length.is_some() || node.bounds.values.is_empty() => text(),
            Some(_) | None => {
                node.bounds.values.iter().filter_map(|value| value.as_str()).map(|text| text.len() as u64).max().unwrap_or(0)
            }
        },
        Some(Type::Boolean | Type::Integer | Type::Number) | None => 0,
    }
}

/// The fewest bytes that a value at `node` takes in JSON.
fn min_size(node: &Node, resource: bool) -> u64 {
    if node.int_or_string {
        return 1;
    }
    match node.kind {
        Some(Type::Object) => {
            let own = |name: &String| node.properties.get(name).filter(|child| child.default.is_none());
            let required = node.bounds.required.iter().filter(|name| !(resource && name.as_str() == "metadata"));
            let fields = required.filter_map(|name| Some(name.len() as u64 + min_size(own(name)?, false) + 4));
            2 + fields.sum::<u64>()
        }
        Some(Type::Array) => 2,
        Some(Type::String) => match node.bounds.format.as_deref() {
            Some("duration") => 3,
            Some("date") => 12,
            Some("date-time" | "datetime") => 21,
            Some(_) | None => 2,
        },
        Some(Type::Boolean) => 4,
        Some(Type::Integer | Type::Number) | None => 1,
    }
}

/// How often a value at a node can stand in one request, where no limit on the way says.
pub(super) fn cardinality(node: &Node, resource: bool) -> u64 {
    REQUEST_BYTES / (min_size(node, resource) + 1)
}
