//! The one writer: checks a write against the latest version, gives it a revision, has it journalled and then shows it.
//!
//! Guarantees: versions become visible in revision order and only when durable; two writes based on one version never
//! both succeed; writes that arrive while a sync runs share the next one.
//! Assumptions: whoever writes has read the version that it names.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread::JoinHandle;

use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::sync::mpsc::Sender;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{oneshot, watch};
use tokio::task::block_in_place;

use super::pipeline::{Line, Numbered, Pipeline, Queued, lasting};
use super::ring::Event;
use super::state::{Layout, State};
use super::{Key, Meta, Object};
use crate::journal::{Journal, Loaded};
use crate::kinds::{Draft, NAMESPACES, Resource};
use crate::ports::Clock;
use crate::schema::SchemaId;

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
    /// What gave the draft its shape, where that can change while the write is under way.
    pub(crate) through: Option<Arc<Resource>>,
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

/// What the store tells its owner about each visible change.
pub(crate) type Observer = Box<dyn Fn(&Key, &Event) + Send + Sync>;

pub(super) struct Writer {
    /// The last revision that was given out.
    pub(super) last: u64,
    /// The keys of writes that are under way; each stands for one write.
    pub(super) pending: BTreeSet<Key>,
}

impl Writer {
    /// Notes a write that is under way, with the revision that it has.
    fn begin(&mut self, entry: &Numbered) {
        let first = self.pending.insert(entry.key.clone());
        assert!(first, "one write of an object is under way at a time (D-8)");
        self.last = entry.object.revision;
    }
}

pub(super) struct Inner {
    state: RwLock<State>,
    pub(super) writer: Mutex<Writer>,
    /// Counts publications and refusals; whoever waits for the state to move waits here.
    pub(super) settled: watch::Sender<u64>,
    /// Why the journal refused the last batch; nothing after one that it took.
    pub(super) refusal: Mutex<Option<String>>,
    /// Turns true when the pipeline ended by a panic: nothing can be written any more.
    pub(super) broken: watch::Sender<bool>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) observer: Observer,
}

enum Backend {
    /// Journal and publication happen in the caller, under the writer's lock.
    Inline(Mutex<Box<dyn Journal>>),
    /// A thread of its own waits for the disk; a writer that is alone may do so itself.
    Thread { queue: Option<Sender<Queued>>, line: Arc<Mutex<Line>>, handle: Option<JoinHandle<()>> },
}

/// The store; cheap to read from any thread.
pub(crate) struct Store {
    pub(super) inner: Arc<Inner>,
    backend: Backend,
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Inner {
    pub(super) fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Who waits for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Company {
    /// Other requests are served: the journal's thread, for all writes that come meanwhile.
    Others,
    /// No other request is served: the writer itself, where the disk is quick and no write is under way. That saves waking two
    /// threads, and nobody is kept waiting by it.
    Alone,
}

/// What became of the try to number a write.
enum Attempted {
    /// Another write of the same object is under way.
    Wait,
    Queued(oneshot::Receiver<Result<Arc<Object>, CommitError>>),
    Done(Arc<Object>),
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
        let inner = Self::restore(loaded, clock, observer)?;
        if !journal.blocks() {
            return Ok(Self { inner, backend: Backend::Inline(Mutex::new(journal)) });
        }
        let (queue, pipeline) = Pipeline::new(Arc::clone(&inner), journal);
        let line = pipeline.line();
        let handle = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || pipeline.run())
            .map_err(|error| CommitError::Journal(error.to_string()))?;
        Ok(Self { inner, backend: Backend::Thread { queue: Some(queue), line, handle: Some(handle) } })
    }

    /// A store whose pipeline somebody else drives, step by step.
    #[cfg(test)]
    pub(super) fn open_stepped(
        journal: Box<dyn Journal>,
        loaded: Loaded,
        clock: Arc<dyn Clock>,
        observer: Observer,
    ) -> Result<(Self, Pipeline), CommitError> {
        let inner = Self::restore(loaded, clock, observer)?;
        let (queue, pipeline) = Pipeline::new(Arc::clone(&inner), journal);
        let line = pipeline.line();
        Ok((Self { inner, backend: Backend::Thread { queue: Some(queue), line, handle: None } }, pipeline))
    }

    fn restore(loaded: Loaded, clock: Arc<dyn Clock>, observer: Observer) -> Result<Arc<Inner>, CommitError> {
        let micros = u64::try_from(clock.now().as_microsecond()).unwrap_or_default();
        let revision = (loaded.revision + 1).max(micros);
        let mut state = State::new(revision, loaded.revision);
        for row in loaded.rows {
            assert!(row.revision <= loaded.revision, "{} {} is newer than the store that holds it (D-8)", row.kind, row.key);
            let object = Object::parse(row.value, row.revision)
                .map_err(|error| CommitError::Journal(format!("{} {}: {error}", row.kind, row.key)))?;
            state.restore(Key { kind: Arc::from(row.kind), path: row.key }, Arc::new(object));
        }
        Ok(Arc::new(Inner {
            state: RwLock::new(state),
            writer: Mutex::new(Writer { last: revision, pending: BTreeSet::new() }),
            settled: watch::Sender::new(0),
            refusal: Mutex::new(None),
            broken: watch::Sender::new(false),
            clock,
            observer,
        }))
    }

    /// Makes one write durable and visible.
    ///
    /// # Errors
    /// The object is not as expected, its namespace does not take it, the store is full, or the journal refused.
    pub(crate) async fn commit(&self, write: Write) -> Result<Arc<Object>, CommitError> {
        self.commit_in(write, Company::Others).await
    }

    /// As [`Store::commit`], for a request that knows whether it is the only one.
    ///
    /// # Errors
    /// As for [`Store::commit`].
    pub(crate) async fn commit_in(&self, write: Write, company: Company) -> Result<Arc<Object>, CommitError> {
        let mut settled = self.inner.settled.subscribe();
        loop {
            settled.mark_unchanged();
            match self.attempt(&write, company)? {
                Attempted::Done(object) => return Ok(object),
                Attempted::Queued(receiver) => {
                    return receiver.await.unwrap_or_else(|_| Err(CommitError::Journal("the journal has stopped".to_owned())));
                }
                // The sender lives in `self`, so this wait ends only with the other write.
                Attempted::Wait => drop(settled.changed().await),
            }
        }
    }

    /// Numbers the write and hands it to the journal.
    fn attempt(&self, write: &Write, company: Company) -> Result<Attempted, CommitError> {
        let mut writer = lock(&self.inner.writer);
        if let Admission::Wait = self.admit(write, &writer)? {
            return Ok(Attempted::Wait);
        }
        let entry = self.number(write, writer.last + 1)?;
        match &self.backend {
            Backend::Thread { queue, line, .. } => {
                let alone = company == Company::Alone && writer.pending.is_empty() && may_block();
                let lone = alone.then(|| line.try_lock().ok()).flatten();
                // From here on no other write gets into the journal before this one, whoever numbers it.
                let lone = lone.filter(|line| line.is_short());
                let queue = queue.as_ref().ok_or(CommitError::Overloaded)?;
                if let Some(mut line) = lone {
                    writer.begin(&entry);
                    drop(writer);
                    // The worker's other tasks go to another thread, should the disk not be as quick as it was.
                    return block_in_place(|| line.write(entry)).map(Attempted::Done);
                }
                let place = queue.try_reserve().map_err(|refused| match refused {
                    TrySendError::Full(()) => CommitError::Overloaded,
                    TrySendError::Closed(()) => CommitError::Journal("the journal has stopped".to_owned()),
                })?;
                writer.begin(&entry);
                let (reply, receiver) = oneshot::channel();
                place.send((entry, reply));
                Ok(Attempted::Queued(receiver))
            }
            Backend::Inline(journal) => {
                let revision = entry.object.revision;
                let mut batch = [entry];
                let changes = lasting(&batch);
                if !changes.is_empty() {
                    lock(journal).commit(&changes).map_err(|error| CommitError::Journal(error.to_string()))?;
                }
                self.inner.publish(&mut batch);
                self.inner.settled.send_modify(|count| *count += 1);
                writer.last = revision;
                let [entry] = batch;
                Ok(Attempted::Done(entry.object))
            }
        }
    }

    /// The write as the version of `revision`.
    fn number(&self, write: &Write, revision: u64) -> Result<Numbered, CommitError> {
        let object = write.draft.object(revision).map_err(|error| CommitError::Journal(format!("unreadable object: {error}")))?;
        assert!(object.revision == revision, "{}: a version has the revision that it was given", write.key.path);
        assert!(object.path() == write.key.path, "{} would be stored as {}", object.path(), write.key.path);
        assert!(!write.delete || write.expected != Expected::Absent, "{}: what is not there is not deleted", write.key.path);
        let meta = self.shared_meta(&write.key, object.meta);
        let object = Object { proven: write.proven, meta, ..object };
        assert!(object.revision > self.inner.read().revision, "a new version is newer than everything that is shown (D-8)");
        Ok(Numbered { key: write.key.clone(), object: Arc::new(object), delete: write.delete, through: write.through.clone() })
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

    /// Turns true when the server is half dead: whoever runs it is to end it (REL-2).
    pub(crate) fn broken(&self) -> watch::Receiver<bool> {
        self.inner.broken.subscribe()
    }

    /// Says that a part of the server ended by a panic.
    pub(crate) fn break_off(&self) {
        self.inner.broken.send_replace(true);
    }

    /// Why the journal does not take writes at present; `None` where the last one was taken.
    pub(crate) fn refusal(&self) -> Option<String> {
        lock(&self.inner.refusal).clone()
    }

    /// Gives the stored objects of `kind` another layout without a new version: a schema change shows on read, not as a write.
    /// Writes that are under way get it when they are shown, so that none keeps the old one.
    pub(crate) fn lay_out(&self, kind: &Arc<str>, layout: Layout) {
        self.inner.write().lay_out(kind, layout);
    }
}

/// Whether this thread is one of several that run tasks, so that others go on while it waits.
fn may_block() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::MultiThread)
}

fn full(state: &State) -> CommitError {
    assert!(state.objects >= OBJECT_LIMIT, "a store of {} objects is not full", state.objects);
    let mut counts: Vec<(usize, &str)> = state.kinds.iter().map(|(kind, found)| (found.len(), &**kind)).collect();
    counts.sort_by(|left, right| right.cmp(left));
    let largest: Vec<String> =
        counts.iter().take(3).map(|(count, kind)| format!("{} ({count})", kind.trim_start_matches('/'))).collect();
    CommitError::Full { count: state.objects, largest: largest.join(", ") }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Backend::Thread { queue, handle, .. } = &mut self.backend {
            drop(queue.take());
            if let Some(handle) = handle.take() {
                // A thread that panicked has nothing left to give back.
                let _ = handle.join();
            }
        }
    }
}
