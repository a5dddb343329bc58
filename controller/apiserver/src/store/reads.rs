//! What the store answers: from memory, at one revision, never waiting for the journal.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;

use super::commit::Store;
use super::ring::{Event, Lag, Portion};
use super::state::{Page, Query, Scope};
use super::{Key, Object};

impl Store {
    pub(crate) fn get(&self, key: &Key) -> Option<Arc<Object>> {
        self.inner.read().get(key).cloned()
    }

    /// The key of the live object with this uid.
    pub(crate) fn find_uid(&self, uid: &str) -> Option<Key> {
        self.inner.read().uids.get(uid).cloned()
    }

    /// The objects that name `uid` as an owner.
    pub(crate) fn dependents(&self, uid: &str) -> Vec<Key> {
        self.inner.read().dependents.get(uid).map(|keys| keys.iter().cloned().collect()).unwrap_or_default()
    }

    /// All objects with an owner.
    pub(crate) fn owned(&self) -> BTreeMap<String, Vec<Key>> {
        self.inner.read().dependents.iter().map(|(uid, keys)| (uid.clone(), keys.iter().cloned().collect())).collect()
    }

    /// Every object of one kind within `scope` that `keep` accepts.
    pub(crate) fn list(&self, kind: &Arc<str>, scope: &Scope, keep: &dyn Fn(&Object) -> bool) -> (u64, Vec<Arc<Object>>) {
        let query = Query { scope, after: None, limit: usize::MAX, at: None, keep, count: false };
        let state = self.inner.read();
        let objects = state.page(kind, &query).map(|page| page.objects).unwrap_or_default();
        (state.revision, objects)
    }

    /// One page of a list; `None` when the snapshot `at` is forgotten.
    pub(crate) fn page(&self, kind: &Arc<str>, query: &Query<'_>) -> Option<Page> {
        self.inner.read().page(kind, query)
    }

    pub(crate) fn revision(&self) -> u64 {
        self.inner.read().revision
    }

    /// The first revision from which `kind` can be watched.
    pub(crate) fn compacted(&self, kind: &Arc<str>) -> u64 {
        self.inner.read().compacted(kind)
    }

    /// The first events of `kind` after `revision`, and the revision up to which they are complete; `None` when forgotten.
    pub(crate) fn events(&self, kind: &Arc<str>, revision: u64, portion: Portion) -> Option<(u64, Vec<Arc<Event>>)> {
        self.inner.read().events(kind, revision, portion)
    }

    /// How much of `kind` lies after `revision`; `None` when some of it is forgotten.
    pub(crate) fn lag(&self, kind: &Arc<str>, revision: u64) -> Option<Lag> {
        self.inner.read().lag(kind, revision)
    }

    /// A receiver that changes whenever `kind` does.
    pub(crate) fn subscribe(&self, kind: &Arc<str>) -> watch::Receiver<u64> {
        self.inner.write().kind(kind).changed.subscribe()
    }

    /// A receiver that changes whenever anything does.
    pub(crate) fn settled(&self) -> watch::Receiver<u64> {
        self.inner.settled.subscribe()
    }
}
