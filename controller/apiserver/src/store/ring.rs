//! The recent past of one resource, in order, for watches, page snapshots and resumption.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};

use super::Object;

/// A ring keeps at least this many events, memory allowing.
const KEPT_EVENTS: usize = 10_000;
/// A ring keeps at least the events of this time, memory allowing.
const KEPT_TIME: SignedDuration = SignedDuration::from_mins(5);

/// What happened to an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventKind {
    Added,
    Modified,
    Deleted,
}

impl EventKind {
    /// The word on the wire.
    pub(crate) fn word(self) -> &'static str {
        match self {
            EventKind::Added => "ADDED",
            EventKind::Modified => "MODIFIED",
            EventKind::Deleted => "DELETED",
        }
    }
}

/// One change of one object.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) kind: EventKind,
    pub(crate) path: String,
    /// The new version; of a deletion the last state under the revision of the removal.
    pub(crate) object: Arc<Object>,
    pub(crate) previous: Option<Arc<Object>>,
    pub(crate) at: Timestamp,
}

impl Event {
    pub(crate) fn new(kind: EventKind, object: Arc<Object>, previous: Option<Arc<Object>>, at: Timestamp) -> Self {
        Self { kind, path: object.path(), object, previous, at }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.object.revision
    }

    /// The watch line of this event as it is: a copy of the object's bytes, which lives no longer than the frame that it
    /// travels in. Kept with the event it would double what a ring holds.
    pub(crate) fn line(&self) -> Bytes {
        watch_line(self.kind.word(), &self.object.bytes)
    }

    fn weight(&self) -> usize {
        self.object.bytes.len()
    }
}

/// `{"type":…,"object":…}` and a line feed around an object's bytes.
pub(crate) fn watch_line(word: &str, object: &[u8]) -> Bytes {
    let mut line = Vec::with_capacity(object.len() + word.len() + 24);
    line.extend_from_slice(b"{\"type\":\"");
    line.extend_from_slice(word.as_bytes());
    line.extend_from_slice(b"\",\"object\":");
    line.extend_from_slice(object.trim_ascii_end());
    line.extend_from_slice(b"}\n");
    Bytes::from(line)
}

/// How many events, and how many bytes of them, a reader has not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lag {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// How much of the past is read at once; at least one event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Portion {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

impl Portion {
    pub(crate) const ALL: Self = Self { events: usize::MAX, bytes: usize::MAX };
}

#[derive(Debug)]
struct Kept {
    event: Arc<Event>,
    /// The bytes of all events ever pushed before this one.
    before: usize,
}

/// The events of one resource, oldest first.
#[derive(Debug)]
pub(super) struct Ring {
    events: VecDeque<Kept>,
    /// Events up to and including this revision are forgotten.
    compacted: u64,
    /// The bytes of all events ever pushed.
    pushed: usize,
}

impl Ring {
    /// An empty ring that knows nothing up to `revision`.
    pub(super) fn new(revision: u64) -> Self {
        Self { events: VecDeque::new(), compacted: revision, pushed: 0 }
    }

    pub(super) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(super) fn weight(&self) -> usize {
        self.bytes_from(0)
    }

    fn bytes_from(&self, index: usize) -> usize {
        let before = self.events.get(index).map_or(self.pushed, |kept| kept.before);
        assert!(before <= self.pushed, "what lies behind an event was pushed");
        self.pushed - before
    }

    pub(super) fn push(&mut self, event: Arc<Event>) {
        let newest = self.events.back().map_or(self.compacted, |kept| kept.event.revision());
        assert!(event.revision() > newest, "{}: the past is in order and not written again (D-1, D-2)", event.path);
        let (now, before) = (event.at, self.pushed);
        self.pushed += event.weight();
        self.events.push_back(Kept { event, before });
        while self.events.len() > KEPT_EVENTS
            && self.events.front().is_some_and(|oldest| now.duration_since(oldest.event.at) > KEPT_TIME)
        {
            self.forget_oldest();
        }
    }

    /// Drops the oldest event; a watcher that has not read it is expired.
    pub(super) fn forget_oldest(&mut self) {
        if let Some(kept) = self.events.pop_front() {
            let revision = kept.event.revision();
            assert!(revision > self.compacted, "what is forgotten stays forgotten (D-5)");
            self.compacted = revision;
        }
    }

    /// Where the events after `revision` begin; `None` when some of them are forgotten.
    fn index_after(&self, revision: u64) -> Option<usize> {
        (revision >= self.compacted).then(|| self.events.partition_point(|kept| kept.event.revision() <= revision))
    }

    /// How much lies after `revision`; `None` when some of it is forgotten.
    pub(super) fn lag(&self, revision: u64) -> Option<Lag> {
        let start = self.index_after(revision)?;
        Some(Lag { events: self.events.len() - start, bytes: self.bytes_from(start) })
    }

    /// The first events after `revision`; `None` when some of them are forgotten.
    pub(super) fn after(&self, revision: u64, portion: Portion) -> Option<Vec<Arc<Event>>> {
        let start = self.index_after(revision)?;
        let next = self.events.get(start).map(|kept| kept.event.revision());
        assert!(next.is_none_or(|next| next > revision), "a watcher sees a version once (D-2)");
        let first = self.events.get(start).map_or(0, |kept| kept.before);
        let fits = |kept: &&Kept| kept.before - first < portion.bytes;
        Some(self.events.range(start..).take(portion.events).take_while(fits).map(|kept| Arc::clone(&kept.event)).collect())
    }
}
