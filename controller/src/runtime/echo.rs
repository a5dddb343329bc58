//! Remembers the versions that Koan itself wrote, so that the echo of a write costs no reconcile (PERF-71).

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use super::key::Key;

/// Own versions that are remembered per object; a reconcile writes fewer.
const VERSIONS_PER_KEY: usize = 8;

/// Own versions by object. Losing them costs a reconcile that writes nothing.
#[derive(Debug, Default)]
pub(crate) struct Echoes(Mutex<BTreeMap<Key, VecDeque<String>>>);

impl Echoes {
    /// Notes a version that we wrote.
    pub(crate) fn note(&self, key: Key, version: String) {
        assert!(!version.is_empty(), "{key}: a write without a version has no echo");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let versions = all.entry(key).or_default();
        if versions.len() == VERSIONS_PER_KEY {
            versions.pop_front();
        }
        versions.push_back(version);
        assert!(versions.len() <= VERSIONS_PER_KEY, "more versions are kept than may be");
    }

    /// True when we wrote that version of that object.
    pub(crate) fn is_own(&self, key: &Key, version: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(key).is_some_and(|versions| versions.iter().any(|own| own == version))
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
