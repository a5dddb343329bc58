//! What the reference's types say of a field: whether it is there, whether it is a list, and how that merges.

use super::unmergeable;
use crate::go_types::{self, Shape};
use crate::patch::PatchError;

/// The lists that merge, and the key of their entries (empty: plain values); all others are replaced whole. A kind of `*` stands
/// for all.
const MERGED: [(&str, &str, &str); 4] = [
    ("*", "metadata.finalizers", ""),
    ("*", "metadata.ownerReferences", "uid"),
    ("Namespace", "status.conditions", "type"),
    ("ServiceAccount", "secrets", "name"),
];
/// Maps that are replaced whole.
const REPLACED: [(&str, &str); 1] = [("PodDisruptionBudget", "spec.selector")];

/// The merge key of the list at a path of fields, empty for a list of plain values.
type MergeKeys<'a> = &'a dyn Fn(&str) -> Option<&'static str>;

/// Knows a kind.
pub(crate) struct Lookup<'a> {
    kind: &'a str,
    root: Option<&'static str>,
    keys: MergeKeys<'a>,
}

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Strategy {
    /// Replaced whole.
    Atomic,
    /// Merged by the value of a field, or plain values where that is empty.
    Merge,
}

/// A type that is being merged.
#[derive(Clone)]
pub(super) struct Place<'a> {
    lookup: &'a Lookup<'a>,
    path: String,
    /// `None` where the types are not known: nothing is refused then.
    shape: Option<Shape>,
    pub(super) replaces: bool,
}

/// A list that is being merged.
pub(super) struct List<'a> {
    pub(super) strategy: Strategy,
    /// The field that tells entries apart; empty where there is none.
    pub(super) key: &'static str,
    /// What its entries are.
    pub(super) entries: Place<'a>,
}

impl<'a> Lookup<'a> {
    /// Knows a `kind` whose type is `root`; `keys` are its lists that merge, beside those that every kind has.
    pub(crate) fn new(kind: &'a str, root: Option<&'static str>, keys: MergeKeys<'a>) -> Self {
        Self { kind, root, keys }
    }

    pub(super) fn root(&'a self) -> Place<'a> {
        Place { lookup: self, path: String::new(), shape: self.root.map(Shape::Struct), replaces: false }
    }

    fn merge_key(&self, path: &str) -> Option<&'static str> {
        let found = MERGED.iter().find(|(kind, place, _)| (*kind == "*" || *kind == self.kind) && *place == path);
        found.map(|(_, _, key)| *key).or_else(|| (self.keys)(path))
    }
}

impl<'a> Place<'a> {
    /// The field of this name.
    ///
    /// # Errors
    /// There is none.
    pub(super) fn field(&self, name: &str) -> Result<Self, PatchError> {
        let path = if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) };
        let shape = match self.shape {
            None => None,
            Some(Shape::Struct(owner)) => Some(go_types::member(owner, name).ok_or_else(|| {
                let owner = owner.rsplit('.').next().unwrap_or_default();
                unmergeable(format!("unable to find api field in struct {owner} for the json field {name:?}"))
            })?),
            Some(other) => {
                let why = "merging an object in json but data type is not struct, instead is";
                return Err(unmergeable(format!("{why}: {}", other.name())));
            }
        };
        let replaces = REPLACED.contains(&(self.lookup.kind, path.as_str()));
        Ok(Self { lookup: self.lookup, path, shape, replaces })
    }

    /// The list of this name.
    ///
    /// # Errors
    /// There is none, or it is no list.
    pub(super) fn list(&self, name: &str) -> Result<List<'a>, PatchError> {
        let mut entries = self.field(name)?;
        entries.shape = match entries.shape {
            None => None,
            Some(Shape::List(entry)) => Some(entry.map_or(Shape::Scalar, Shape::Struct)),
            Some(_) => return Err(unmergeable("expected slice or array type, but got: struct".to_owned())),
        };
        let key = self.lookup.merge_key(&entries.path);
        let strategy = if key.is_some() { Strategy::Merge } else { Strategy::Atomic };
        Ok(List { strategy, key: key.unwrap_or_default(), entries })
    }

    /// What Go calls the sort of this type.
    pub(super) fn name(&self) -> &'static str {
        self.shape.map_or("struct", Shape::name)
    }
}
