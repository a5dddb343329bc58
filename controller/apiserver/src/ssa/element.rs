//! Steps of a field path.

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::value::{compare, in_path};

/// A path from an object's root.
pub type Path = Vec<Element>;

/// One step: a member, or an entry of a list by key, value or index. A copy shares what it holds.
#[derive(Clone, Debug)]
pub enum Element {
    /// A member of an object.
    Field(Arc<str>),
    /// An entry of a map list by its key fields, sorted by name.
    Key(Arc<[(Arc<str>, Value)]>),
    /// An entry of a set.
    Value(Arc<Value>),
    /// An entry of any other list.
    Index(i64),
}

/// What finds its place among elements, and becomes one only where a set lacks it.
pub(crate) trait Step {
    /// The order beside an element.
    fn order(&self, element: &Element) -> Ordering;

    /// The step as an element.
    fn element(&self) -> Element;
}

impl Step for Element {
    fn order(&self, element: &Element) -> Ordering {
        self.cmp(element)
    }

    fn element(&self) -> Element {
        self.clone()
    }
}

/// The place of a kind of elements among the others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    Field,
    Key,
    Value,
    Index,
}

impl Element {
    pub(super) fn rank(&self) -> Rank {
        match self {
            Self::Field(_) => Rank::Field,
            Self::Key(_) => Rank::Key,
            Self::Value(_) => Rank::Value,
            Self::Index(_) => Rank::Index,
        }
    }
}

impl Ord for Element {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Field(left), Self::Field(right)) => left.cmp(right),
            (Self::Key(left), Self::Key(right)) => compare_keys(pairs(left), pairs(right)),
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

/// Key fields as names and values.
pub(super) fn pairs(fields: &[(Arc<str>, Value)]) -> impl Iterator<Item = (&str, &Value)> {
    fields.iter().map(|(name, value)| (&**name, value))
}

/// The order of two lists of key fields, which are sorted by name.
pub(super) fn compare_keys<'l, 'r>(
    mut left: impl Iterator<Item = (&'l str, &'l Value)>,
    mut right: impl Iterator<Item = (&'r str, &'r Value)>,
) -> Ordering {
    loop {
        let order = match (left.next(), right.next()) {
            (Some(left), Some(right)) => left.0.cmp(right.0).then_with(|| compare(left.1, right.1)),
            (Some(_), None) => Ordering::Greater,
            (None, Some(_)) => Ordering::Less,
            (None, None) => return Ordering::Equal,
        };
        if order.is_ne() {
            return order;
        }
    }
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
