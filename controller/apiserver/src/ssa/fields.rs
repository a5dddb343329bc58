//! `fieldsV1`: sets as the JSON of `metadata.managedFields`.

use std::fmt;
use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value};
use thiserror::Error;

use super::element::Element;
use super::set::Set;
use super::types::{Atom, Type};

/// Deepest nesting of `fieldsV1` that is read.
const MAX_DEPTH: usize = 128;

/// Why a `fieldsV1` is none.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum FieldsError {
    /// A key that is no path element.
    #[error("parsing key as path element: {key:?}: {detail}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A value that is no object.
    #[error("fieldsV1 must be nested objects, got {found}")]
    Shape {
        /// What was found.
        found: String,
    },
    /// Nested too deeply.
    #[error("fieldsV1 is nested deeper than {limit} levels")]
    TooDeep {
        /// The limit.
        limit: usize,
    },
}

impl Set {
    /// The set as `fieldsV1`.
    pub fn to_fields(&self) -> Value {
        Value::Object(self.to_map(false))
    }

    fn to_map(&self, include_self: bool) -> Map<String, Value> {
        let mut map = Map::new();
        if include_self && !(self.members.is_empty() && self.children.is_empty()) {
            map.insert(".".to_owned(), Value::Object(Map::new()));
        }
        let mut members = self.members.iter().peekable();
        let mut children = self.children.iter().peekable();
        loop {
            let order = match (members.peek(), children.peek()) {
                (Some(member), Some((element, _))) => (*member).cmp(element),
                (Some(_), None) => std::cmp::Ordering::Less,
                (None, Some(_)) => std::cmp::Ordering::Greater,
                (None, None) => return map,
            };
            if order.is_lt() {
                if let Some(member) = members.next() {
                    map.insert(to_key(member), Value::Object(Map::new()));
                }
                continue;
            }
            if let Some((element, child)) = children.next() {
                map.insert(to_key(element), Value::Object(child.to_map(order.is_eq())));
            }
            if order.is_eq() {
                members.next();
            }
        }
    }

    /// Reads `fieldsV1`; unknown kinds of path elements are dropped.
    ///
    /// # Errors
    /// [`FieldsError`] for keys and shapes that are no field set.
    pub fn from_fields(fields: &Value) -> Result<Self, FieldsError> {
        Self::from_fields_of(Type::none(), fields)
    }

    /// [`Self::from_fields`] of an object of type `ty`, whose names the set shares.
    ///
    /// # Errors
    /// As for it.
    pub(super) fn from_fields_of(ty: &Type, fields: &Value) -> Result<Self, FieldsError> {
        Ok(read(ty, fields, 0)?.0.unwrap_or_default())
    }
}

/// The set below a node and whether the node itself is a member.
fn read(ty: &Type, node: &Value, depth: usize) -> Result<(Option<Set>, bool), FieldsError> {
    if depth > MAX_DEPTH {
        return Err(FieldsError::TooDeep { limit: MAX_DEPTH });
    }
    let fields = node.as_object().ok_or_else(|| FieldsError::Shape { found: node.to_string() })?;
    let atom = ty.resolve();
    let mut set: Option<Set> = None;
    let mut is_member = false;
    for (key, below) in fields {
        if key == "." {
            is_member = true;
            continue;
        }
        let Some((element, ty)) = from_key(atom, key)? else { continue };
        let (child, child_is_member) = read(ty.unwrap_or(Type::none()), below, depth + 1)?;
        let set = set.get_or_insert_default();
        if child_is_member {
            set.members.push(element.clone());
        }
        if let Some(child) = child {
            set.children.push((element, child));
        }
    }
    let is_member = is_member || set.is_none();
    Ok((set.map(in_order), is_member))
}

/// The set in order. What this server wrote is so already, but for a few keys.
fn in_order(set: Set) -> Set {
    let members = set.members.is_sorted_by(|left, right| left < right);
    if members && set.children.is_sorted_by(|left, right| left.0 < right.0) {
        return set;
    }
    let mut sorted = Set::default();
    for member in set.members {
        sorted.insert(&[member]);
    }
    for (element, child) in set.children {
        *sorted.descend(&element) = child;
    }
    sorted
}

fn to_key(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Key(fields) => {
            let map: Map<String, Value> = fields.iter().map(|(name, value)| (name.to_string(), value.clone())).collect();
            format!("k:{}", Value::Object(map))
        }
        Element::Value(value) => format!("v:{value}"),
        Element::Index(index) => format!("i:{index}"),
    }
}

/// The element that a key names, and the type of what it leads to.
fn from_key<'a>(atom: &'a Atom, key: &str) -> Result<Option<(Element, Option<&'a Type>)>, FieldsError> {
    let fail = |detail: String| FieldsError::Key { key: key.to_owned(), detail };
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| fail(error.to_string()));
    let Some((kind, text)) = key.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        return Err(fail("missing colon".to_owned()));
    };
    let entry = atom.list.as_ref().map(|list| &list.element);
    Ok(match kind {
        "f" => Some(match atom.map.as_ref().and_then(|map| map.fields.entry(text)) {
            Some((name, field)) => (Element::Field(Arc::clone(name)), Some(&field.ty)),
            None => (Element::Field(text.into()), atom.map.as_ref().and_then(|map| map.element.as_ref())),
        }),
        "v" => Some((Element::Value(Arc::new(json(text)?)), entry)),
        "i" => Some((Element::Index(text.parse().map_err(|_| fail("not an index".to_owned()))?), entry)),
        "k" => {
            let mut fields = match serde_json::from_str::<KeyFields>(text) {
                Ok(fields) => fields.0,
                Err(_) => {
                    let Value::Object(map) = json(text)? else { return Err(fail("not an object".to_owned())) };
                    map.into_iter().map(|(name, value)| (name.into(), value)).collect()
                }
            };
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Some((Element::Key(fields.into()), entry))
        }
        _ => None,
    })
}

/// A JSON object as a list of its members; one that repeats a name or writes it with escapes is none.
struct KeyFields(Vec<(Arc<str>, Value)>);

impl<'de> Deserialize<'de> for KeyFields {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        reader.deserialize_map(KeyFieldsVisitor)
    }
}

struct KeyFieldsVisitor;

impl<'de> Visitor<'de> for KeyFieldsVisitor {
    type Value = KeyFields;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<KeyFields, A::Error> {
        let mut fields: Vec<(Arc<str>, Value)> = Vec::with_capacity(1);
        while let Some((name, value)) = members.next_entry::<&'de str, Value>()? {
            if fields.iter().any(|(known, _)| **known == *name) {
                return Err(serde::de::Error::custom("a repeated name"));
            }
            fields.push((name.into(), value));
        }
        Ok(KeyFields(fields))
    }
}
