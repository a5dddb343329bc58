//! A YAML tree that remembers where each value stood, so that a violation can name file, line and column.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};
use serde_saphyr::Spanned;

/// Line and column, both from 1, in one of the files that a document comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    /// Number of the file; 0 is the manifest, the others override it.
    pub(crate) file: usize,
    pub(crate) line: u64,
    pub(crate) column: u64,
}

/// The begin of a file.
const START: Position = Position { file: 0, line: 1, column: 1 };

/// A value with its place.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    pub(crate) at: Position,
}

/// What stands there.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    /// Keys in the order of the file, each with its own place.
    Map(Vec<(String, Position, Node)>),
}

impl Node {
    /// The plain value.
    pub(crate) fn to_json(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(number) => Value::Number(number.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Map(entries) => {
                Value::Object(entries.iter().map(|(key, _, node)| (key.clone(), node.to_json())).collect::<Map<_, _>>())
            }
        }
    }

    /// The same tree, said to stand in file number `file`.
    #[must_use]
    pub(crate) fn in_file(self, file: usize) -> Self {
        let kind = match self.kind {
            Kind::List(items) => Kind::List(items.into_iter().map(|item| item.in_file(file)).collect()),
            Kind::Map(entries) => {
                Kind::Map(entries.into_iter().map(|(key, at, node)| (key, Position { file, ..at }, node.in_file(file))).collect())
            }
            other @ (Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_)) => other,
        };
        Self { kind, at: Position { file, ..self.at } }
    }

    /// A value that stands nowhere in particular.
    pub(crate) fn from_json(value: &Value) -> Self {
        let kind = match value {
            Value::Null => Kind::Null,
            Value::Bool(value) => Kind::Bool(*value),
            Value::Number(number) => Kind::Number(number.clone()),
            Value::String(text) => Kind::Text(text.clone()),
            Value::Array(items) => Kind::List(items.iter().map(Self::from_json).collect()),
            Value::Object(fields) => {
                Kind::Map(fields.iter().map(|(key, value)| (key.clone(), START, Self::from_json(value))).collect())
            }
        };
        Self { kind, at: START }
    }

    /// The value under `key`, where this is a map that has it.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(entries) => entries.iter().find(|(name, _, _)| name == key).map(|(_, _, node)| node),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) | Kind::List(_) => None,
        }
    }

    /// The place of a field path such as `spec.services[0].health`; of the nearest ancestor where the path ends early.
    pub(crate) fn locate(&self, path: &str) -> Position {
        let mut node = self;
        let mut at = self.at;
        for step in steps(path) {
            let next = match (&node.kind, &step) {
                (Kind::Map(entries), Step::Key(key)) => {
                    entries.iter().find(|(name, _, _)| name == key).map(|(_, place, inner)| (*place, inner))
                }
                (Kind::List(items), Step::Index(index)) => items.get(*index).map(|inner| (inner.at, inner)),
                (Kind::List(items), Step::Key(name)) => {
                    items.iter().find(|item| item.text_of("name") == Some(name)).map(|inner| (inner.at, inner))
                }
                _ => None,
            };
            let Some((place, inner)) = next else { break };
            (node, at) = (inner, place);
        }
        at
    }

    /// The text under `key`.
    pub(crate) fn text_of(&self, key: &str) -> Option<&str> {
        match &self.get(key)?.kind {
            Kind::Text(text) => Some(text),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::List(_) | Kind::Map(_) => None,
        }
    }

    /// Calls `visit` with each key of each map and its place.
    pub(crate) fn each_key(&self, visit: &mut impl FnMut(&str, Position)) {
        match &self.kind {
            Kind::Map(entries) => {
                for (key, place, node) in entries {
                    visit(key, *place);
                    node.each_key(visit);
                }
            }
            Kind::List(items) => items.iter().for_each(|item| item.each_key(visit)),
            Kind::Null | Kind::Bool(_) | Kind::Number(_) | Kind::Text(_) => {}
        }
    }
}

enum Step {
    Key(String),
    Index(usize),
}

/// Splits `a.b[3].c` and `a[name="x"].c` into steps.
fn steps(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for part in path.split('.') {
        let (key, brackets) = part.split_once('[').map_or((part, ""), |(key, rest)| (key, rest));
        if !key.is_empty() {
            steps.push(Step::Key(key.to_owned()));
        }
        for inner in brackets.split('[').map(|text| text.trim_end_matches(']')).filter(|text| !text.is_empty()) {
            steps.push(match inner.parse() {
                Ok(index) => Step::Index(index),
                Err(_) => Step::Key(inner.rsplit('=').next().unwrap_or(inner).trim_matches('"').to_owned()),
            });
        }
    }
    steps
}

fn position(place: &serde_saphyr::Location) -> Position {
    Position { file: 0, line: place.line(), column: place.column() }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Kind>::deserialize(deserializer)?;
        let at = position(&spanned.referenced);
        Ok(Self { kind: spanned.value, at })
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Kind, D::Error> {
        Kind::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Kind, E> {
        Ok(Kind::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Kind, E> {
        Number::from_f64(value).map(Kind::Number).ok_or_else(|| E::custom("a number that JSON cannot hold"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Kind, E> {
        Ok(Kind::Text(value.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Kind::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Kind, A::Error> {
        let mut entries = Vec::new();
        while let Some(key) = access.next_key::<Spanned<String>>()? {
            let place = position(&key.referenced);
            entries.push((key.value, place, access.next_value()?));
        }
        Ok(Kind::Map(entries))
    }
}
