//! What is known of an expression while it is weighed: its type, its largest size, and the values that it can be.

use std::rc::Rc;

use kube_cel::cel::common::ast::LiteralValue;
use serde_json::Value;

use super::super::node::{Extra, Node, Type};
use super::sizes::max_elements;

/// The type of an expression.
#[derive(Clone, Debug)]
pub(super) enum Kind<'a> {
    /// A value at a node of the schema; `true` for a whole resource.
    Node(&'a Node, bool),
    Bool,
    Int,
    Double,
    Text,
    List(Box<Known<'a>>),
    Map,
    Unknown,
}

/// What is known of an expression: its type and its largest size.
#[derive(Clone, Debug)]
pub(super) struct Known<'a> {
    pub(super) kind: Kind<'a>,
    pub(super) size: u64,
    /// The values that it can be, where they are known: then the size is that of the largest of them.
    pub(super) values: Option<Rc<[&'a Value]>>,
}

impl<'a> Known<'a> {
    pub(super) fn of(kind: Kind<'a>) -> Self {
        let size = match &kind {
            Kind::Node(node, _) => max_elements(node),
            Kind::Bool | Kind::Int | Kind::Double => 1,
            Kind::Text | Kind::List(_) | Kind::Map | Kind::Unknown => u64::MAX,
        };
        Self { kind, size, values: None }
    }

    pub(super) fn sized(kind: Kind<'a>, size: u64) -> Self {
        Self { kind, size, values: None }
    }

    /// The same, which is one of these values where they are known.
    pub(super) fn among(self, values: Option<Rc<[&'a Value]>>) -> Self {
        let size = values.as_ref().map_or(self.size, |values| values.iter().map(|value| elements(value)).max().unwrap_or(0));
        Self { size, values, ..self }
    }

    /// What `part` finds in the values that it can be.
    pub(super) fn parts<I: IntoIterator<Item = &'a Value>>(&self, part: impl Fn(&'a Value) -> I) -> Option<Rc<[&'a Value]>> {
        self.values.as_ref().map(|values| values.iter().copied().flat_map(part).collect())
    }

    /// The type as messages call it; `None` where it is not known for certain.
    pub(super) fn name(&self) -> Option<&'static str> {
        match &self.kind {
            Kind::Bool => Some("bool"),
            Kind::Int => Some("int"),
            Kind::Double => Some("double"),
            Kind::Text => Some("string"),
            Kind::Node(node, _) if node.int_or_string => None,
            Kind::Node(node, _) => match node.kind? {
                Type::Boolean => Some("bool"),
                Type::Integer => Some("int"),
                Type::Number => Some("double"),
                Type::String if node.bounds.format.is_none() => Some("string"),
                Type::String | Type::Array | Type::Object => None,
            },
            Kind::List(_) | Kind::Map | Kind::Unknown => None,
        }
    }
}

pub(super) fn literal_of(literal: &LiteralValue) -> Known<'static> {
    match literal {
        LiteralValue::Boolean(_) => Known::of(Kind::Bool),
        LiteralValue::Int(_) => Known::of(Kind::Int),
        LiteralValue::Double(_) => Known::of(Kind::Double),
        LiteralValue::String(text) => Known::sized(Kind::Text, text.inner().chars().count() as u64),
        LiteralValue::Bytes(_) | LiteralValue::Null | LiteralValue::UInt(_) => Known::sized(Kind::Unknown, 1),
    }
}

/// How many entries, fields or bytes a value has.
fn elements(value: &Value) -> u64 {
    let count = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        Value::String(text) => text.len(),
        Value::Null | Value::Bool(_) | Value::Number(_) => 1,
    };
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// An entry of a list, or a key of a map.
pub(super) fn item_of<'a>(range: &Known<'a>) -> Known<'a> {
    let known = any_item_of(range);
    match &range.kind {
        Kind::Node(node, _) if node.items.is_some() => known.among(range.parts(|value| value.as_array().into_iter().flatten())),
        _ => known,
    }
}

fn any_item_of<'a>(range: &Known<'a>) -> Known<'a> {
    match &range.kind {
        Kind::List(item) => item.as_ref().clone(),
        Kind::Node(node, _) => match (&node.items, &node.extra) {
            (Some(items), _) => Known::of(Kind::Node(items, items.embedded)),
            // The reference counts keys as empty.
            (None, Some(_)) => Known::sized(Kind::Text, 0),
            (None, None) => Known::of(Kind::Unknown),
        },
        Kind::Bool | Kind::Int | Kind::Double | Kind::Text | Kind::Map | Kind::Unknown => Known::of(Kind::Unknown),
    }
}

/// An entry of a list, or a value of a map.
pub(super) fn entry_of<'a>(holder: &Known<'a>) -> Known<'a> {
    match &holder.kind {
        Kind::Node(node, _) => match &node.extra {
            Some(Extra::Schema(schema)) => {
                let known = Known::of(Kind::Node(schema, schema.embedded));
                known.among(holder.parts(|value| value.as_object().into_iter().flatten().map(|(_, value)| value)))
            }
            Some(Extra::Any) | None => item_of(holder),
        },
        _ => item_of(holder),
    }
}
