//! How the entries of associative lists are told apart, without a copy of what they say.

use std::cmp::Ordering;
use std::sync::Arc;

use serde_json::Value;

use crate::schema::go_quote;
use crate::ssa::element::{Element, Rank, Step, compare_keys, pairs};
use crate::ssa::types::{ListType, Relation, Type};
use crate::ssa::value::compare;

/// A key field of an entry.
type KeyField<'a> = (&'a Arc<str>, &'a Value);

/// The address of one entry; it orders as the [`Element`] that it becomes.
#[derive(Clone, Debug)]
pub(in crate::ssa) enum Address<'a> {
    /// An entry of a set.
    Value(&'a Value),
    /// The key fields by name: the first, and the others where there are more.
    Key(KeyField<'a>, Vec<KeyField<'a>>),
}

impl Address<'_> {
    fn keys(&self) -> impl Iterator<Item = (&str, &Value)> {
        let (first, others) = match self {
            Self::Value(_) => (None, &[][..]),
            Self::Key(first, others) => (Some(first), others.as_slice()),
        };
        first.into_iter().chain(others).map(|(name, value)| (&***name, *value))
    }

    fn rank(&self) -> Rank {
        match self {
            Self::Value(_) => Rank::Value,
            Self::Key(..) => Rank::Key,
        }
    }
}

impl Step for Address<'_> {
    fn order(&self, element: &Element) -> Ordering {
        match (self, element) {
            (Self::Key(..), Element::Key(fields)) => compare_keys(self.keys(), pairs(fields)),
            (Self::Value(value), Element::Value(other)) => compare(value, other),
            _ => self.rank().cmp(&element.rank()),
        }
    }

    fn element(&self) -> Element {
        match self {
            Self::Value(value) => Element::Value(Arc::new((*value).clone())),
            Self::Key(first, others) => {
                let own = |(name, value): &KeyField<'_>| (Arc::clone(name), (*value).clone());
                Element::Key(if others.is_empty() {
                    Arc::new([own(first)])
                } else {
                    std::iter::once(first).chain(others).map(own).collect()
                })
            }
        }
    }
}

impl Ord for Address<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Key(..), Self::Key(..)) => compare_keys(self.keys(), other.keys()),
            (Self::Value(left), Self::Value(right)) => compare(left, right),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

impl PartialOrd for Address<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Address<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Address<'_> {}

/// The address of `entry`.
///
/// # Errors
/// The reference's words for an entry that has none.
pub(in crate::ssa) fn address<'a>(list: &'a ListType, entry: &'a Value) -> Result<Address<'a>, String> {
    match &list.relation {
        Relation::Atomic => Err("invalid indexing of non-associative list".to_owned()),
        Relation::Set => match entry {
            Value::Object(_) => Err("associative list without keys has an element that's a map type".to_owned()),
            Value::Array(_) => Err("not supported: associative list with lists as elements".to_owned()),
            Value::Null => Err("associative list without keys has an element that's an explicit null".to_owned()),
            Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(Address::Value(entry)),
        },
        Relation::Keyed(keys) => keyed(list, keys, entry),
    }
}

fn keyed<'a>(list: &'a ListType, keys: &'a [Arc<str>], entry: &'a Value) -> Result<Address<'a>, String> {
    let fields = match entry {
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        Value::Object(fields) => fields,
        Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            return Err("associative list with keys may not have non-map elements".to_owned());
        }
    };
    let found = |key: &'a Arc<str>| match fields.get(&**key) {
        Some(value) => Ok(Some((key, value))),
        None => key_default(&list.element, key).map(|value| value.map(|value| (key, value))),
    };
    if let [key] = keys {
        return found(key)?.map(|field| Address::Key(field, Vec::new())).ok_or_else(|| keyless(keys));
    }
    let mut all = keys.iter().filter_map(|key| found(key).transpose()).collect::<Result<Vec<_>, _>>()?;
    all.sort_by(|left, right| left.0.cmp(right.0));
    if all.is_empty() { Err(keyless(keys)) } else { Ok(Address::Key(all.remove(0), all)) }
}

fn keyless(keys: &[Arc<str>]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| go_quote(key)).collect();
    let omitted = format!("associative list with keys has an element that omits all key fields [{}]", quoted.join(" "));
    format!("{omitted} (and doesn't have default values for any key fields)")
}

fn key_default<'a>(element: &'a Type, key: &str) -> Result<Option<&'a Value>, String> {
    let Some(map) = &element.resolve().map else {
        return Err(format!("couldn't find default value for {key}: associative list may not have non-map types"));
    };
    Ok(map.fields.get(key).and_then(|field| field.default.as_deref()))
}
