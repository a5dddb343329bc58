//! What becomes of a numbered write: gathered with others into a batch, made durable, shown, settled, answered, in this order.
//!
//! Each step is a call of its own, so that a test can put the steps of writers, watchers and this pipeline into any order.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::commit::{CommitError, Inner, lock};
use super::ring::{Event, EventKind};
use super::{Key, Object};
use crate::journal::{Change, Journal, Row};
use crate::kinds::{Resource, is_mirror};

/// Writes that may wait for the journal; beyond it the server asks clients to come again.
const QUEUE_LENGTH: usize = 4096;
/// Writes that share one sync at most.
const BATCH_LENGTH: usize = 512;
/// Bytes from which on a batch takes no further write, so that the write-ahead log stays far below its limit.
const BATCH_BYTES: usize = 16 * 1024 * 1024;

/// What the last sync may have taken for a lone writer to wait for the next one itself. Handing over to the journal's thread and
/// back costs about a tenth of it, and a worker of the runtime is not to be kept from other work for longer.
const SHORT_SYNC: Duration = Duration::from_millis(1);

/// A write that has its revision.
pub(super) struct Numbered {
    pub(super) key: Key,
    pub(super) object: Arc<Object>,
    pub(super) delete: bool,
    pub(super) through: Option<Arc<Resource>>,
}

type Reply = oneshot::Sender<Result<Arc<Object>, CommitError>>;

/// A write and who waits for it.
pub(super) type Queued = (Numbered, Reply);

/// What happens to a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// The journal has it, or says why not.
    Sync,
    /// Readers and watchers see it.
    Publish,
    /// Further writes of its objects may begin.
    Settle,
    /// Its writers are told.
    Answer,
}

/// The order that keeps what is promised: nothing is seen before it is durable, nothing is based on what cannot be seen yet, and
/// nobody is told of what he could not read.
pub(super) const ORDER: [Step; 4] = [Step::Sync, Step::Publish, Step::Settle, Step::Answer];

/// The journal, and the batch that is on its way through it. Whoever holds it does all steps before the next one does any, so
/// that batches are shown in their order.
pub(super) struct Line {
    inner: Arc<Inner>,
    journal: Box<dyn Journal>,
    batch: Vec<Numbered>,
    replies: Vec<Reply>,
    outcome: Result<(), CommitError>,
    /// How long the last sync took; nothing before the first.
    last_sync: Option<Duration>,
}

/// The journal's side of the store.
pub(super) struct Pipeline {
    queue: Receiver<Queued>,
    line: Arc<Mutex<Line>>,
}

impl Pipeline {
    /// The pipeline of a store, and where its writes go in.
    pub(super) fn new(inner: Arc<Inner>, journal: Box<dyn Journal>) -> (Sender<Queued>, Self) {
        // Its memory grows with what waits; a queue that is laid out for its whole length costs a resting server 0.3 MB (PERF-15).
        let (sender, queue) = channel(QUEUE_LENGTH);
        let line = Line { inner, journal, batch: Vec::new(), replies: Vec::new(), outcome: Ok(()), last_sync: None };
        (sender, Self { queue, line: Arc::new(Mutex::new(line)) })
    }

    /// What a lone writer takes in place of the queue.
    pub(super) fn line(&self) -> Arc<Mutex<Line>> {
        Arc::clone(&self.line)
    }

    /// Commits batch after batch until the store is dropped.
    pub(super) fn run(mut self) {
        while let Some(first) = self.queue.blocking_recv() {
            let line = Arc::clone(&self.line);
            let mut line = lock(&line);
            line.gather(first, || self.queue.try_recv().ok());
            line.pass();
        }
    }

    /// Begins a batch if a write waits.
    #[cfg(test)]
    pub(super) fn begin(&mut self) {
        if let Ok(first) = self.queue.try_recv() {
            let line = Arc::clone(&self.line);
            lock(&line).gather(first, || self.queue.try_recv().ok());
        }
    }

    /// How many writes wait for a batch.
    #[cfg(test)]
    pub(super) fn waiting(&self) -> usize {
        self.queue.len()
    }

    /// Does one thing to the batch.
    #[cfg(test)]
    pub(super) fn take(&mut self, step: Step) {
        lock(&self.line).take(step);
    }
}

impl Line {
    /// Whether a lone writer may wait for the disk itself.
    pub(super) fn is_short(&self) -> bool {
        self.last_sync.is_some_and(|last| last <= SHORT_SYNC)
    }

    /// Makes one write durable and shows it, on the thread of its caller.
    pub(super) fn write(&mut self, entry: Numbered) -> Result<Arc<Object>, CommitError> {
        let (reply, mut receiver) = oneshot::channel();
        // A panic of the journal ends the process (REL-2); until then its writer hears of it as one in company does.
        let _ = catch_unwind(AssertUnwindSafe(|| {
            self.gather((entry, reply), || None);
            self.pass();
        }));
        // Answering is the last step.
        receiver.try_recv().unwrap_or_else(|_| Err(CommitError::Journal("the journal has stopped".to_owned())))
    }

    /// Takes the batch through all steps.
    fn pass(&mut self) {
        let passed = catch_unwind(AssertUnwindSafe(|| ORDER.into_iter().for_each(|step| self.take(step))));
        if let Err(panic) = passed {
            // Nobody waits for an answer that does not come, and the process is to end (REL-2).
            self.replies.clear();
            self.inner.broken.send_replace(true);
            resume_unwind(panic);
        }
    }

    /// Puts `first` and what waits behind it into the next batch.
    fn gather(&mut self, first: Queued, mut waiting: impl FnMut() -> Option<Queued>) {
        assert!(self.batch.is_empty() && self.replies.is_empty(), "a batch ends before the next one begins");
        let mut bytes = 0;
        let mut next = Some(first);
        while let Some((entry, reply)) = next {
            bytes += entry.object.bytes.len();
            self.batch.push(entry);
            self.replies.push(reply);
            let full = self.batch.len() >= BATCH_LENGTH || bytes >= BATCH_BYTES;
            next = if full { None } else { waiting() };
        }
    }

    /// Does one thing to the batch.
    fn take(&mut self, step: Step) {
        match step {
            Step::Sync => self.outcome = self.sync(),
            Step::Publish if self.outcome.is_ok() => self.inner.publish(&mut self.batch),
            Step::Publish => {}
            Step::Settle => self.inner.settle(&self.batch),
            Step::Answer => self.answer(),
        }
    }

    fn sync(&mut self) -> Result<(), CommitError> {
        assert!(!self.batch.is_empty() && self.batch.len() <= BATCH_LENGTH, "a batch of {} writes", self.batch.len());
        let changes = lasting(&self.batch);
        if changes.is_empty() {
            return Ok(());
        }
        let begun = Instant::now();
        let outcome = self.journal.commit(&changes).map_err(|error| CommitError::Journal(error.to_string()));
        self.last_sync = Some(begun.elapsed());
        *lock(&self.inner.refusal) = outcome.as_ref().err().map(ToString::to_string);
        outcome
    }

    fn answer(&mut self) {
        assert!(self.batch.len() == self.replies.len(), "each write of a batch has one who waits for it");
        for (entry, reply) in self.batch.drain(..).zip(self.replies.drain(..)) {
            // A caller that went away wanted no answer; the write stands.
            let _ = reply.send(self.outcome.clone().map(|()| entry.object));
        }
    }
}

impl Inner {
    /// Shows durable changes, in order and in the shape that their definitions have by now.
    pub(super) fn publish(&self, batch: &mut [Numbered]) {
        let now = self.clock.now();
        let mut shown = Vec::with_capacity(batch.len());
        {
            let mut state = self.write();
            for entry in batch.iter_mut() {
                assert!(entry.object.revision > state.revision, "{}: versions are shown in their order (D-1)", entry.key.path);
                if let Some(object) = state.laid_out(&entry.key.kind, entry.through.as_ref(), &entry.object) {
                    entry.object = Arc::new(object);
                }
                let previous = state.get(&entry.key).cloned();
                let kind = match (&previous, entry.delete) {
                    (_, true) => EventKind::Deleted,
                    (None, false) => EventKind::Added,
                    (Some(_), false) => EventKind::Modified,
                };
                shown.push(state.apply(&entry.key, Event::new(kind, Arc::clone(&entry.object), previous, now)));
            }
            for entry in batch.iter() {
                let revision = entry.object.revision;
                state.kind(&entry.key.kind).changed.send_replace(revision);
            }
        }
        assert!(shown.len() == batch.len(), "each write of a batch is shown (D-3)");
        for (entry, event) in batch.iter().zip(&shown) {
            (self.observer)(&entry.key, event);
        }
    }

    fn settle(&self, batch: &[Numbered]) {
        let mut writer = lock(&self.writer);
        for entry in batch {
            let known = writer.pending.remove(&entry.key);
            assert!(known, "{}: a write ends that was not under way", entry.key.path);
        }
        drop(writer);
        self.settled.send_modify(|count| *count += 1);
    }
}

/// What of a batch outlives this process: all but the mirrors, which are made anew.
pub(super) fn lasting(batch: &[Numbered]) -> Vec<Change> {
    batch.iter().filter(|entry| !is_mirror(&entry.key.kind)).map(change).collect()
}

fn change(entry: &Numbered) -> Change {
    assert!(entry.object.revision > 0, "{}: what is written has a revision (D-8)", entry.key.path);
    let (kind, key, revision) = (entry.key.kind.to_string(), entry.key.path.clone(), entry.object.revision);
    if entry.delete {
        Change::Delete { kind, key, revision }
    } else {
        Change::Put(Row { kind, key, revision, value: entry.object.bytes.clone() })
    }
}
