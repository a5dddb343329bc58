//! The one writer: checks a write against the latest version, gives it a revision, has it journalled and then shows it.
//!
//! Guarantees: versions become visible in revision order and only when durable; two writes based on one version never
//! both succeed; writes that arrive while a sync runs share the next one.
//! Assumptions: whoever writes has read the version that it names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use bytes::Bytes;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::{oneshot, watch};

use super::ring::{Event, EventKind};
use super::state::State;
use super::{Key, Meta, Object};
use crate::journal::{Change, Journal, Loaded, Row};
use crate::kinds::{Draft, NAMESPACES, is_mirror};
use crate::ports::Clock;
use crate::schema::SchemaId;

/// Writes that may wait for the journal; beyond it the server asks clients to come again.
const QUEUE_LENGTH: usize = 4096;
/// Writes that share one sync at most.
const BATCH_LENGTH: usize = 512;
/// Bytes from which on a batch takes no further write, so that the write-ahead log stays far below its limit.
const BATCH_BYTES: usize = 16 * 1024 * 1024;
/// Objects of all kinds that the store holds at most.
const OBJECT_LIMIT: usize = 100_000;

/// What a write is based on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Absent,
    Revision(u64),
}

/// A write that has been decided but not yet numbered.
#[derive(Debug)]
pub(crate) struct Write {
    pub(crate) key: Key,
    pub(crate) expected: Expected,
    /// The new version, or the last state of an object that goes.
    pub(crate) draft: Draft,
    pub(crate) delete: bool,
    /// The compiled schema whose rules the new version keeps.
    pub(crate) proven: Option<SchemaId>,
}

/// Why a write was not made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CommitError {
    #[error("another object has this name")]
    Exists,
    #[error("the object has changed or is gone")]
    Stale,
    #[error("namespace {0} does not exist")]
    NamespaceMissing(String),
    #[error("namespace {0} is being terminated")]
    NamespaceTerminating(String),
    #[error("the store holds {count} objects, most of them {largest}; delete some")]
    Full { count: usize, largest: String },
    #[error("too many writes are waiting")]
    Overloaded,
    #[error("{0}")]
    Journal(String),
}

type Reply = oneshot::Sender<Result<Arc<Object>, CommitError>>;

/// What the store tells its owner about each visible change.
pub(crate) type Observer = Box<dyn Fn(&Key, &Event) + Send + Sync>;

struct Numbered {
    key: Key,
    object: Arc<Object>,
    delete: bool,
}

struct Writer {
    last: u64,
    pending: BTreeSet<Key>,
}

pub(super) struct Inner {
    state: RwLock<State>,
    writer: Mutex<Writer>,
    /// Counts publications and refusals; whoever waits for the state to move waits here.
    pub(super) settled: watch::Sender<u64>,
    /// Why the journal refused the last batch; nothing after one that it took.
    refusal: Mutex<Option<String>>,
    clock: Arc<dyn Clock>,
    observer: Observer,
}

enum Backend {
    /// Journal and publication happen in the caller, under the writer's lock.
    Inline(Mutex<Box<dyn Journal>>),
    /// A thread of its own waits for the disk.
    Thread { queue: Option<Sender<(Numbered, Reply)>>, handle: Option<JoinHandle<()>> },
}

/// The store; cheap to read from any thread.
pub(crate) struct Store {
    pub(super) inner: Arc<Inner>,
    backend: Backend,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows durable changes, in order.
    fn publish(&self, batch: &[Numbered]) {
        let now = self.clock.now();
        let mut shown = Vec::with_capacity(batch.len());
        {
            let mut state = self.write();
            for entry in batch {
                let previous = state.get(&entry.key).cloned();
                let kind = match (&previous, entry.delete) {
                    (_, true) => EventKind::Deleted,
                    (None, false) => EventKind::Added,
                    (Some(_), false) => EventKind::Modified,
                };
                shown.push(state.apply(&entry.key, Event::new(kind, Arc::clone(&entry.object), previous, now)));
            }
            for entry in batch {
                let revision = entry.object.revision;
                state.kind(&entry.key.kind).changed.send_replace(revision);
            }
        }
        for (entry, event) in batch.iter().zip(&shown) {
            (self.observer)(&entry.key, event);
        }
    }

    fn settle(&self, batch: &[Numbered]) {
        let mut writer = lock(&self.writer);
        for entry in batch {
            writer.pending.remove(&entry.key);
        }
        drop(writer);
        self.settled.send_modify(|count| *count += 1);
    }
}

/// What of a batch outlives this process: all but the mirrors, which are made anew.
fn lasting(batch: &[Numbered]) -> Vec<Change> {
    batch.iter().filter(|entry| !is_mirror(&entry.key.kind)).map(change).collect()
}

fn change(entry: &Numbered) -> Change {
    let (kind, key, revision) = (entry.key.kind.to_string(), entry.key.path.clone(), entry.object.revision);
    if entry.delete {
        Change::Delete { kind, key, revision }
    } else {
        Change::Put(Row { kind, key, revision, value: entry.object.bytes.clone() })
    }
}

/// Commits batch after batch until the store is dropped.
fn run(inner: &Inner, journal: &mut dyn Journal, queue: &mut Receiver<(Numbered, Reply)>) {
    while let Some(first) = queue.blocking_recv() {
        let mut bytes = first.0.object.bytes.len();
        let (mut batch, mut replies) = (vec![first.0], vec![first.1]);
        while batch.len() < BATCH_LENGTH
            && bytes < BATCH_BYTES
            && let Ok((entry, reply)) = queue.try_recv()
        {
            bytes += entry.object.bytes.len();
            batch.push(entry);
            replies.push(reply);
        }
        let changes = lasting(&batch);
        let mut outcome = Ok(());
        if !changes.is_empty() {
            outcome = journal.commit(&changes).map_err(|error| CommitError::Journal(error.to_string()));
            *lock(&inner.refusal) = outcome.as_ref().err().map(ToString::to_string);
        }
        if outcome.is_ok() {
            inner.publish(&batch);
        }
        inner.settle(&batch);
        for (entry, reply) in batch.into_iter().zip(replies) {
            // A caller that went away wanted no answer; the write stands.
            let _ = reply.send(outcome.clone().map(|()| entry.object));
        }
    }
}

/// What a fresh look at the state says about a write.
enum Admission {
    Go,
    Wait,
}

impl Store {
    /// A store with the contents of `journal`.
    ///
    /// `loaded` is what the journal held; its revision moves on to the clock's microseconds, so that a store that was
    /// wiped or restored never gives out a revision twice.
    pub(crate) fn open(
        journal: Box<dyn Journal>,
        loaded: Loaded,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Result<Self, CommitError> {
        let micros = u64::try_from(clock.now().as_microsecond()).unwrap_or_default();
        let revision = (loaded.revision + 1).max(micros);
        let mut state = State::new(revision, loaded.revision);
        for row in loaded.rows {
            let object = Object::parse(row.value, row.revision)
                .map_err(|error| CommitError::Journal(format!("{} {}: {error}", row.kind, row.key)))?;
            state.restore(Key { kind: Arc::from(row.kind), path: row.key }, Arc::new(object));
        }
        let inner = Arc::new(Inner {
            state: RwLock::new(state),
            writer: Mutex::new(Writer { last: revision, pending: BTreeSet::new() }),
            settled: watch::Sender::new(0),
            refusal: Mutex::new(None),
            clock,
            observer,
        });
        let backend = if journal.blocks() { Self::spawn(&inner, journal)? } else { Backend::Inline(Mutex::new(journal)) };
        Ok(Self { inner, backend })
    }

    fn spawn(inner: &Arc<Inner>, mut journal: Box<dyn Journal>) -> Result<Backend, CommitError> {
        // Its memory grows with what waits; a queue that is laid out for its whole length costs a resting server 0.3 MB (PERF-15).
        let (sender, mut receiver) = channel(QUEUE_LENGTH);
        let inner = Arc::clone(inner);
        let handle = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || run(&inner, journal.as_mut(), &mut receiver))
            .map_err(|error| CommitError::Journal(error.to_string()))?;
        Ok(Backend::Thread { queue: Some(sender), handle: Some(handle) })
    }

    /// Makes one write durable and visible.
    ///
    /// # Errors
    /// The object is not as expected, its namespace does not take it, the store is full, or the journal refused.
    pub(crate) async fn commit(&self, write: Write) -> Result<Arc<Object>, CommitError> {
        let mut settled = self.inner.settled.subscribe();
        loop {
            settled.mark_unchanged();
            match self.attempt(&write)? {
                Some(receiver) => {
                    return receiver.await.unwrap_or_else(|_| Err(CommitError::Journal("the journal has stopped".to_owned())));
                }
                // The sender lives in `self`, so this wait ends only with the other write.
                None => drop(settled.changed().await),
            }
        }
    }

    /// Numbers the write and hands it to the journal; `None` while another write of the same object is under way.
    #[allow(clippy::type_complexity, reason = "one private hand-over")]
    fn attempt(&self, write: &Write) -> Result<Option<oneshot::Receiver<Result<Arc<Object>, CommitError>>>, CommitError> {
        let mut writer = lock(&self.inner.writer);
        if let Admission::Wait = self.admit(write, &writer)? {
            return Ok(None);
        }
        let revision = writer.last + 1;
        let object = write.draft.object(revision).map_err(|error| CommitError::Journal(format!("unreadable object: {error}")))?;
        let meta = self.shared_meta(&write.key, object.meta);
        let object = Object { proven: write.proven, meta, ..object };
        let entry = Numbered { key: write.key.clone(), object: Arc::new(object), delete: write.delete };
        let (reply, receiver) = oneshot::channel();
        match &self.backend {
            Backend::Thread { queue, .. } => {
                let queue = queue.as_ref().ok_or(CommitError::Overloaded)?;
                match queue.try_send((entry, reply)) {
                    Ok(()) => {}
                    Err(TrySendError::Full(_)) => return Err(CommitError::Overloaded),
                    Err(TrySendError::Closed(_)) => {
                        return Err(CommitError::Journal("the journal has stopped".to_owned()));
                    }
                }
                writer.pending.insert(write.key.clone());
            }
            Backend::Inline(journal) => {
                let batch = [entry];
                let changes = lasting(&batch);
                if !changes.is_empty() {
                    lock(journal).commit(&changes).map_err(|error| CommitError::Journal(error.to_string()))?;
                }
                self.inner.publish(&batch);
                self.inner.settled.send_modify(|count| *count += 1);
                let [entry] = batch;
                // The receiver is in hand.
                let _ = reply.send(Ok(entry.object));
            }
        }
        writer.last = revision;
        Ok(Some(receiver))
    }

    /// `meta`, or that of the version before where they are the same: a history of statuses keeps one (PERF-15).
    fn shared_meta(&self, key: &Key, meta: Arc<Meta>) -> Arc<Meta> {
        match self.inner.read().get(key) {
            Some(previous) if previous.meta == meta => Arc::clone(&previous.meta),
            Some(_) | None => meta,
        }
    }

    fn admit(&self, write: &Write, writer: &Writer) -> Result<Admission, CommitError> {
        if writer.pending.contains(&write.key) {
            return Ok(Admission::Wait);
        }
        let state = self.inner.read();
        match (state.get(&write.key), write.expected) {
            (Some(_), Expected::Absent) => return Err(CommitError::Exists),
            (None, Expected::Revision(_)) => return Err(CommitError::Stale),
            (Some(object), Expected::Revision(revision)) if object.revision != revision => return Err(CommitError::Stale),
            (Some(_), Expected::Revision(_)) => return Ok(Admission::Go),
            (None, Expected::Absent) => {}
        }
        if state.objects >= OBJECT_LIMIT {
            return Err(full(&state));
        }
        let namespace = write.key.namespace();
        if namespace.is_empty() {
            return Ok(Admission::Go);
        }
        let key = Key::new(&Arc::from(NAMESPACES), "", namespace);
        if writer.pending.contains(&key) {
            return Ok(Admission::Wait);
        }
        match state.get(&key) {
            None => Err(CommitError::NamespaceMissing(namespace.to_owned())),
            Some(found) if found.deleting() => Err(CommitError::NamespaceTerminating(namespace.to_owned())),
            Some(_) => Ok(Admission::Go),
        }
    }

    /// Why the journal does not take writes at present; `None` where the last one was taken.
    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.inner.refusal).clone()
    }

    /// Replaces the bytes of stored objects without a new version: a schema change shows on read, not as a write.
    pub(crate) fn rewrite(&self, kind: &Arc<str>, with: &dyn Fn(&Object) -> Option<Bytes>) {
        let mut state = self.inner.write();
        state.rewrite(kind, with);
    }
}

fn full(state: &State) -> CommitError {
    let mut counts: Vec<(usize, &str)> = state.kinds.iter().map(|(kind, found)| (found.len(), &**kind)).collect();
    counts.sort_by(|left, right| right.cmp(left));
    let largest: Vec<String> =
        counts.iter().take(3).map(|(count, kind)| format!("{} ({count})", kind.trim_start_matches('/'))).collect();
    CommitError::Full { count: state.objects, largest: largest.join(", ") }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Backend::Thread { queue, handle } = &mut self.backend {
            drop(queue.take());
            if let Some(handle) = handle.take() {
                // A thread that panicked has nothing left to give back.
                let _ = handle.join();
            }
        }
    }
}
