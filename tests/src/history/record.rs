//! The log of the clients: one JSON document for each stretch of a run, so that it can be checked again later.

use serde::{Deserialize, Serialize};

/// One version of one object as a client saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// The object's name.
    pub object: String,
    /// Its resourceVersion.
    pub version: u64,
    /// What its content says of the attempt that wrote it.
    pub tag: String,
}

/// What a client asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Act {
    /// A new object.
    Create,
    /// Another content for the version that [`Attempt::base`] names.
    Update,
    /// The end of the version that [`Attempt::base`] names.
    Delete,
}

/// What a client was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// It is done; the new version, which a delete does not tell.
    Acknowledged(Option<u64>),
    /// It is not done and never will be.
    Refused,
    /// No answer, or one that leaves it open.
    Unknown,
}

/// One write. Instants are of the harness's one clock, in nanoseconds.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Attempt {
    /// The object's name.
    pub object: String,
    /// What the content says; no two attempts have the same.
    pub tag: String,
    /// What was asked.
    pub act: Act,
    /// The version that it was based on.
    pub base: Option<u64>,
    /// When it was sent.
    pub began: u64,
    /// When the client knew its outcome.
    pub ended: u64,
    /// What came of it.
    pub outcome: Outcome,
}

/// One read of one object.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Read {
    /// The object's name.
    pub object: String,
    /// When it was sent.
    pub began: u64,
    /// When it was answered.
    pub ended: u64,
    /// What was there.
    pub found: Option<Seen>,
}

/// One list of all objects.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct List {
    /// When it was sent.
    pub began: u64,
    /// When it was answered.
    pub ended: u64,
    /// The version of the list.
    pub version: u64,
    /// What was there.
    pub items: Vec<Seen>,
}

/// The kind of a watch event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum EventKind {
    /// A new object.
    Added,
    /// A new version of one.
    Modified,
    /// The end of one, with its last content under the version of the end.
    Deleted,
    /// No object: everything up to this version was sent.
    Bookmark,
}

/// One line of a watch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Event {
    /// When it arrived.
    pub at: u64,
    /// What it says.
    pub kind: EventKind,
    /// About what; of a bookmark only the version counts.
    pub seen: Seen,
}

/// One watch from its start to its end.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Watch {
    /// The version that it was started from.
    pub from: u64,
    /// Its lines, without an error that ended it.
    pub events: Vec<Event>,
}

/// Everything that the clients logged in one stretch of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct History {
    /// What was stored before the first attempt.
    pub baseline: List,
    /// Writes, in no order.
    pub attempts: Vec<Attempt>,
    /// Reads, in no order.
    pub reads: Vec<Read>,
    /// Lists, in no order.
    pub lists: Vec<List>,
    /// Watches, in no order.
    pub watches: Vec<Watch>,
}
