//! The visible state: objects by resource in key order, their past, and the indexes of uids and owners.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::ring::{Event, EventKind, Lag, Portion, Ring};
use super::{Key, Object};
use crate::kinds::Resource;

/// The most memory that all rings together keep alive, in bytes of object versions.
const RINGS_LIMIT_BYTES: usize = 64 * 1024 * 1024;

/// Which part of a resource a list or watch covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Scope {
    All,
    Namespace(String),
}

impl Scope {
    pub(crate) fn contains(&self, path: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Namespace(namespace) => path.strip_prefix(namespace.as_str()).is_some_and(|rest| rest.starts_with('/')),
        }
    }

    fn start(&self) -> String {
        match self {
            Scope::All => String::new(),
            Scope::Namespace(namespace) => format!("{namespace}/"),
        }
    }
}

/// A part of a list: the objects, and whether more follow.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) revision: u64,
    pub(crate) objects: Vec<Arc<Object>>,
    pub(crate) more: bool,
    /// How many objects follow this page; counted only on request.
    pub(crate) remaining: usize,
}

/// What a list asks of the state.
pub(crate) struct Query<'a> {
    pub(crate) scope: &'a Scope,
    /// The key behind which the page starts.
    pub(crate) after: Option<&'a str>,
    pub(crate) limit: usize,
    /// The snapshot to read; none for the latest.
    pub(crate) at: Option<u64>,
    pub(crate) keep: &'a dyn Fn(&Object) -> bool,
    /// Whether to count what follows the page.
    pub(crate) count: bool,
}

/// The bytes of an object in another layout; `None` where it has that one.
type Reshape = Box<dyn Fn(&Object) -> Option<Bytes> + Send + Sync>;

/// How the objects of a resource read since its definition was last written.
pub(crate) struct Layout {
    /// What gives a write this layout.
    pub(crate) current: Vec<Arc<Resource>>,
    pub(crate) reshape: Reshape,
}

impl Layout {
    /// The object in this layout; `None` where it has it.
    fn of(&self, object: &Object) -> Option<Object> {
        let bytes = (self.reshape)(object)?;
        Some(Object { meta: Arc::clone(&object.meta), revision: object.revision, bytes, proven: None })
    }
}

impl std::fmt::Debug for Layout {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Layout").field("current", &self.current.len()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub(super) struct Kind {
    objects: BTreeMap<String, Arc<Object>>,
    ring: Ring,
    layout: Option<Layout>,
    pub(super) changed: watch::Sender<u64>,
}

impl Kind {
    fn new(revision: u64) -> Self {
        Self { objects: BTreeMap::new(), ring: Ring::new(revision), layout: None, changed: watch::Sender::new(revision) }
    }

    pub(super) fn len(&self) -> usize {
        self.objects.len()
    }
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) revision: u64,
    /// The revision at which this process opened the store; nothing before it is remembered.
    opened: u64,
    /// The last revision before that: who has seen it has seen everything.
    resumed: u64,
    pub(super) kinds: HashMap<Arc<str>, Kind>,
    pub(super) uids: HashMap<String, Key>,
    pub(super) dependents: HashMap<String, BTreeSet<Key>>,
    pub(super) objects: usize,
}

impl State {
    /// A state that starts at `revision`, after a last one at `known`.
    pub(super) fn new(revision: u64, known: u64) -> Self {
        Self {
            revision,
            opened: revision,
            resumed: known,
            kinds: HashMap::new(),
            uids: HashMap::new(),
            dependents: HashMap::new(),
            objects: 0,
        }
    }

    pub(super) fn kind(&mut self, kind: &Arc<str>) -> &mut Kind {
        let opened = self.opened;
        self.kinds.entry(Arc::clone(kind)).or_insert_with(|| Kind::new(opened))
    }

    /// `revision`, or the opening one for a reader who left off at the end of the last run.
    ///
    /// Revisions between the two were never given out here: they come from a store that was wiped or set back.
    fn resume(&self, revision: u64) -> u64 {
        if revision == self.resumed { self.opened } else { revision }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Arc<Object>> {
        self.kinds.get(&key.kind)?.objects.get(&key.path)
    }

    /// Puts an object in place without an event: for what the journal already had.
    pub(super) fn restore(&mut self, key: Key, object: Arc<Object>) {
        assert!(object.revision <= self.resumed, "{}: restored from after the end (D-8)", key.path);
        self.index(&key, &object);
        let twice = self.kind(&key.kind).objects.insert(key.path, object);
        assert!(twice.is_none(), "an object is in the journal once");
        self.objects += 1;
    }

    /// Makes a durable change visible.
    pub(super) fn apply(&mut self, key: &Key, event: Event) -> Arc<Event> {
        let event = Arc::new(event);
        assert!(event.revision() > self.revision, "{}: a version is shown once (D-1)", key.path);
        assert!(event.path == key.path, "{} is stored as {}", event.path, key.path);
        let of_it = self.get(key).map(|object| object.revision) == event.previous.as_ref().map(|previous| previous.revision);
        assert!(of_it, "{}: an event follows the version that was shown last (D-4)", key.path);
        self.revision = event.revision();
        if let Some(previous) = &event.previous {
            self.forget(key, previous);
        }
        match event.kind {
            EventKind::Added | EventKind::Modified => {
                self.index(key, &event.object);
                let replaced = self.kind(&key.kind).objects.insert(key.path.clone(), Arc::clone(&event.object));
                assert!(replaced.is_none() == (event.kind == EventKind::Added), "{}: {:?}", key.path, event.kind);
                self.objects += usize::from(replaced.is_none());
            }
            EventKind::Deleted => {
                let removed = self.kind(&key.kind).objects.remove(&key.path);
                assert!(removed.is_some(), "{}: what is not there is not deleted", key.path);
                self.objects -= 1;
            }
        }
        self.kind(&key.kind).ring.push(Arc::clone(&event));
        self.bound_rings(RINGS_LIMIT_BYTES);
        event
    }

    fn index(&mut self, key: &Key, object: &Object) {
        self.uids.insert(object.meta.uid.clone(), key.clone());
        for owner in &object.meta.owner_references {
            self.dependents.entry(owner.uid.clone()).or_default().insert(key.clone());
        }
    }

    fn forget(&mut self, key: &Key, object: &Object) {
        self.uids.remove(&object.meta.uid);
        for owner in &object.meta.owner_references {
            if let Some(keys) = self.dependents.get_mut(&owner.uid) {
                keys.remove(key);
                if keys.is_empty() {
                    self.dependents.remove(&owner.uid);
                }
            }
        }
    }

    /// Forgets the oldest events until those that are left keep at most `limit` bytes.
    pub(super) fn bound_rings(&mut self, limit: usize) {
        let total: usize = self.kinds.values().map(|kind| kind.ring.weight()).sum();
        let mut over = total.saturating_sub(limit);
        while over > 0 {
            let Some(heaviest) = self.kinds.values_mut().max_by_key(|kind| kind.ring.weight()) else { return };
            let before = heaviest.ring.weight();
            heaviest.ring.forget_oldest();
            over = over.saturating_sub(before - heaviest.ring.weight());
            if before == heaviest.ring.weight() {
                return;
            }
        }
    }

    /// The first events of `kind` after `revision`, and the revision up to which they are complete; `None` when some are
    /// forgotten.
    pub(super) fn events(&self, kind: &Arc<str>, revision: u64, portion: Portion) -> Option<(u64, Vec<Arc<Event>>)> {
        let revision = self.resume(revision);
        let events = match self.kinds.get(kind) {
            Some(found) => found.ring.after(revision, portion)?,
            None if revision < self.opened => return None,
            None => Vec::new(),
        };
        let last = events.last().map_or(revision, |event| event.revision());
        let rest = self.lag(kind, last)?;
        Some((if rest.events == 0 { self.revision.max(last) } else { last }, events))
    }

    /// How much of `kind` lies after `revision`; `None` when some of it is forgotten.
    pub(super) fn lag(&self, kind: &Arc<str>, revision: u64) -> Option<Lag> {
        let revision = self.resume(revision);
        match self.kinds.get(kind) {
            Some(found) => found.ring.lag(revision),
            None => (revision >= self.opened).then_some(Lag { events: 0, bytes: 0 }),
        }
    }

    /// One page of `kind`; `None` when the snapshot asked for is forgotten.
    pub(super) fn page(&self, kind: &Arc<str>, query: &Query<'_>) -> Option<Page> {
        let revision = query.at.unwrap_or(self.revision);
        let mut page = Page { revision, objects: Vec::new(), more: false, remaining: 0 };
        let Some(found) = self.kinds.get(kind) else {
            return (self.resume(revision) >= self.opened).then_some(page);
        };
        let undone = undone(found, self.resume(revision))?;
        let start = query.scope.start();
        let after = query.after.filter(|after| *after >= start.as_str());
        let lower = after.map_or(Bound::Included(start.as_str()), Bound::Excluded);
        let bounds = (lower, Bound::Unbounded);
        let mut current = found.objects.range::<str, _>(bounds).peekable();
        let mut past = undone.range::<str, _>(bounds).peekable();
        loop {
            let next = match (current.peek(), past.peek()) {
                (None, None) => break,
                (Some((path, _)), Some((old, _))) if path < old => current.next().map(|(path, object)| (path, Some(object))),
                (Some(_), None) => current.next().map(|(path, object)| (path, Some(object))),
                (Some((path, _)), Some((old, _))) => {
                    if path == old {
                        current.next();
                    }
                    past.next().map(|(path, object)| (path, object.as_ref()))
                }
                (None, Some(_)) => past.next().map(|(path, object)| (path, object.as_ref())),
            };
            let Some((path, object)) = next else { break };
            if !query.scope.contains(path) {
                break;
            }
            let Some(object) = object.filter(|object| (query.keep)(object)) else { continue };
            if page.objects.len() < query.limit {
                page.objects.push(Arc::clone(object));
                continue;
            }
            page.more = true;
            page.remaining += 1;
            if !query.count {
                break;
            }
        }
        assert!(page.objects.len() <= query.limit, "a page is no longer than what was asked for (API-7)");
        assert!(page.more || page.remaining == 0, "what follows a page is more (API-7)");
        Some(page)
    }

    /// Replaces bytes in place; indexes and revisions stay.
    pub(super) fn lay_out(&mut self, kind: &Arc<str>, layout: Layout) {
        let kind = self.kind(kind);
        for object in kind.objects.values_mut() {
            if let Some(changed) = layout.of(object) {
                assert!(changed.revision == object.revision, "a layout makes no version (API-2)");
                *object = Arc::new(changed);
            }
        }
        kind.layout = Some(layout);
    }

    /// `object`, which was made through `through`, as its kind is laid out now; `None` where it is so already.
    pub(super) fn laid_out(&self, kind: &Arc<str>, through: Option<&Arc<Resource>>, object: &Object) -> Option<Object> {
        let layout = self.kinds.get(kind)?.layout.as_ref()?;
        let through = through?;
        if layout.current.iter().any(|current| Arc::ptr_eq(current, through)) {
            return None;
        }
        layout.of(object)
    }

    pub(super) fn compacted(&self, kind: &Arc<str>) -> u64 {
        self.kinds.get(kind).map_or(self.opened, |found| found.ring.compacted())
    }
}

/// What to put back to see `kind` as it was at `revision`: the older object, or `None` where there was none.
fn undone(kind: &Kind, revision: u64) -> Option<BTreeMap<String, Option<Arc<Object>>>> {
    let mut undone = BTreeMap::new();
    for event in kind.ring.after(revision, Portion::ALL)? {
        undone.entry(event.path.clone()).or_insert_with(|| event.previous.clone());
    }
    Some(undone)
}
