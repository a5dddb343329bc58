//! Who has to look again when an object changes: filled by each reconcile with what it read, so it is rebuilt by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::key::Key;
use super::source::WatchedKind;

/// An object that somebody read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Target {
    /// Kind of the object.
    pub(crate) kind: WatchedKind,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its name.
    pub(crate) name: String,
}

impl Target {
    /// A target.
    pub(crate) fn new(kind: WatchedKind, namespace: &str, name: &str) -> Self {
        Self { kind, namespace: namespace.to_owned(), name: name.to_owned() }
    }
}

#[derive(Debug, Default)]
struct Maps {
    readers: BTreeMap<Target, BTreeSet<Key>>,
    targets: BTreeMap<Key, BTreeSet<Target>>,
    ranks: BTreeMap<Key, Rank>,
}

/// Where a service stands among those of its stack.
#[derive(Clone, Copy, Debug)]
struct Rank {
    place: usize,
    /// Time from its start to the readiness of the last one that waits for it.
    path: Duration,
}

/// Readers by object and objects by reader.
#[derive(Debug, Default)]
pub(crate) struct Interests(Mutex<Maps>);

impl Interests {
    /// Replaces what a key is interested in; empty forgets the key.
    pub(crate) fn set(&self, key: &Key, targets: BTreeSet<Target>) {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let before = maps.targets.remove(key).unwrap_or_default();
        if before == targets && !targets.is_empty() {
            maps.targets.insert(key.clone(), before);
            return;
        }
        for gone in before.difference(&targets) {
            if let Some(readers) = maps.readers.get_mut(gone) {
                readers.remove(key);
                if readers.is_empty() {
                    maps.readers.remove(gone);
                }
            }
        }
        for target in &targets {
            maps.readers.entry(target.clone()).or_default().insert(key.clone());
        }
        if targets.is_empty() {
            maps.ranks.remove(key);
        } else {
            maps.targets.insert(key.clone(), targets);
        }
    }

    /// Who goes first of those that read the same object, such as a gate that opens, and how much lies behind each (PERF-84).
    pub(crate) fn rank(&self, order: impl Iterator<Item = (Key, Duration)>) {
        let mut maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        maps.ranks.extend(order.enumerate().map(|(place, (key, path))| (key, Rank { place, path })));
    }

    /// What lies behind a service; `None` for one that no stack ranked.
    pub(crate) fn path(&self, key: &Key) -> Option<Duration> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).ranks.get(key).map(|rank| rank.path)
    }

    /// Keys that read this object, by rank, those without one after them by name.
    pub(crate) fn of(&self, target: &Target) -> Vec<Key> {
        let maps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut keys: Vec<Key> = maps.readers.get(target).map(|readers| readers.iter().cloned().collect()).unwrap_or_default();
        keys.sort_by_key(|key| maps.ranks.get(key).map_or(usize::MAX, |rank| rank.place));
        keys
    }
}
