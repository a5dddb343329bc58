//! `fieldsV1`: sets as the JSON of `metadata.managedFields`.

use serde_json::{Map, Value};
use thiserror::Error;

use super::element::Element;
use super::set::Set;

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
        Ok(read(fields, 0)?.0.unwrap_or_default())
    }
}

/// The set below a node and whether the node itself is a member.
fn read(node: &Value, depth: usize) -> Result<(Option<Set>, bool), FieldsError> {
    if depth > MAX_DEPTH {
        return Err(FieldsError::TooDeep { limit: MAX_DEPTH });
    }
    let fields = node.as_object().ok_or_else(|| FieldsError::Shape { found: node.to_string() })?;
    let mut set: Option<Set> = None;
    let mut is_member = false;
    for (key, below) in fields {
        if key == "." {
            is_member = true;
            continue;
        }
        let Some(element) = from_key(key)? else { continue };
        let (child, child_is_member) = read(below, depth + 1)?;
        if child_is_member {
            set.get_or_insert_default().insert(std::slice::from_ref(&element));
        }
        if let Some(child) = child {
            *set.get_or_insert_default().descend(&element) = child;
        }
    }
    let is_member = is_member || set.is_none();
    Ok((set, is_member))
}

fn to_key(element: &Element) -> String {
    match element {
        Element::Field(name) => format!("f:{name}"),
        Element::Key(fields) => {
            let map: Map<String, Value> = fields.iter().cloned().collect();
            format!("k:{}", Value::Object(map))
        }
        Element::Value(value) => format!("v:{value}"),
        Element::Index(index) => format!("i:{index}"),
    }
}

fn from_key(key: &str) -> Result<Option<Element>, FieldsError> {
    let fail = |detail: String| FieldsError::Key { key: key.to_owned(), detail };
    let json = |text: &str| serde_json::from_str::<Value>(text).map_err(|error| fail(error.to_string()));
    let Some((kind, text)) = key.split_once(':').filter(|(kind, _)| kind.len() == 1) else {
        return Err(fail("missing colon".to_owned()));
    };
    Ok(match kind {
        "f" => Some(Element::Field(text.to_owned())),
        "v" => Some(Element::Value(json(text)?)),
        "i" => Some(Element::Index(text.parse().map_err(|_| fail("not an index".to_owned()))?)),
        "k" => {
            let Value::Object(map) = json(text)? else { return Err(fail("not an object".to_owned())) };
            let mut fields: Vec<(String, Value)> = map.into_iter().collect();
            fields.sort_by(|left, right| left.0.cmp(&right.0));
            Some(Element::Key(fields))
        }
        _ => None,
    })
}
