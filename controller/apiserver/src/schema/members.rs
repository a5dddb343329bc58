//! A map by name that is made once and then only read, in exactly the memory that its entries need.
//!
//! The maps of a kept schema have a handful of large entries each; a `BTreeMap` reserves eleven places for every one of them,
//! which made the schemas of two kinds 0.9 MB instead of 0.3 (PERF-15).

use std::sync::Arc;

/// Values by name, in the order of the names. Maps of the same names can share them.
#[derive(Debug)]
pub struct Members<V>(Box<[(Arc<str>, V)]>);

impl<V> Default for Members<V> {
    fn default() -> Self {
        Self(Box::default())
    }
}

impl<N: Into<Arc<str>>, V> FromIterator<(N, V)> for Members<V> {
    /// Of several values of one name, the last is kept.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(entries: I) -> Self {
        let mut sorted: Vec<(Arc<str>, V)> = entries.into_iter().map(|(name, value)| (name.into(), value)).collect();
        // Stable, so that of equal names the last given comes first once reversed.
        sorted.reverse();
        sorted.sort_by(|(left, _), (right, _)| left.cmp(right));
        sorted.dedup_by(|(later, _), (kept, _)| later == kept);
        Self(sorted.into_boxed_slice())
    }
}

impl<V> Members<V> {
    /// The value of `name`.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.entry(name).map(|(_, value)| value)
    }

    /// The name as it is kept, and its value.
    pub(crate) fn entry(&self, name: &str) -> Option<(&Arc<str>, &V)> {
        let place = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(place).map(|(name, value)| (name, value))
    }

    /// Names as they are kept, and values.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.0.iter().map(|(name, value)| (name, value))
    }

    /// Whether `name` is in it.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether nothing is in it.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.0.iter().map(|(name, value)| (&**name, value))
    }

    /// The names.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| &**name)
    }

    /// The values.
    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::Members;

    /// K-10, API-14: schemas are walked in the order of the names, and the last of two equal names holds, as in the map of a JSON
    /// document.
    #[test]
    fn members_are_found_by_name_and_walked_in_order() {
        let members: Members<u8> =
            [("b", 1), ("a", 2), ("c", 3), ("b", 4)].map(|(name, value)| (name.to_owned(), value)).into_iter().collect();
        assert_eq!(members.iter().collect::<Vec<_>>(), [("a", &2), ("b", &4), ("c", &3)]);
        assert_eq!((members.get("b"), members.get("bb"), members.contains_key("a")), (Some(&4), None, true));
        assert!(!members.is_empty() && Members::<u8>::default().is_empty());
    }
}
