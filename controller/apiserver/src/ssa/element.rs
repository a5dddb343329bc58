//! Steps of a field path.

use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

use super::value::{compare, in_path};

/// A path from an object's root.
pub type Path = Vec<Element>;

/// One step: a member, or an entry of a list by key, value or index.
#[derive(Clone, Debug)]
pub enum Element {
    /// A member of an object.
    Field(String),
    /// An entry of a map list by its key fields, sorted by name.
    Key(Vec<(String, Value)>),
    /// An entry of a set.
    Value(Value),
    /// An entry of any other list.
    Index(i64),
}

impl Element {
    fn rank(&self) -> u8 {
        match self {
            Self::Field(_) => 0,
            Self::Key(_) => 1,
            Self::Value(_) => 2,
            Self::Index(_) => 3,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => compare_keys(left, right),
            (Self::Value(left), Self::Value(right)) => compare(left, right),
            (Self::Index(left), Self::Index(right)) => left.cmp(right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Element {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Element {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Element {}

fn compare_keys(left: &[(String, Value)], right: &[(String, Value)]) -> Ordering {
    let by_field = left
        .iter()
        .zip(right)
        .map(|(left, right)| left.0.cmp(&right.0).then_with(|| compare(&left.1, &right.1)))
        .find(|order| order.is_ne());
    by_field.unwrap_or_else(|| left.len().cmp(&right.len()))
}

impl fmt::Display for Element {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Field(name) => write!(formatter, ".{name}"),
            Self::Key(fields) => {
                let shown: Vec<String> = fields.iter().map(|(name, value)| format!("{name}={}", in_path(value))).collect();
                write!(formatter, "[{}]", shown.join(","))
            }
            Self::Value(value) => write!(formatter, "[={}]", in_path(value)),
            Self::Index(index) => write!(formatter, "[{index}]"),
        }
    }
}

/// The path as conflicts show it, for example `.spec.services[name="db"].port`.
pub(crate) fn path_text(path: &[Element]) -> String {
    path.iter().map(ToString::to_string).collect()
}
