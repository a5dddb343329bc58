//! The durable side of the store: what was acknowledged is here, synced, before anyone sees it.
//!
//! A journal holds the current rows, the last revision, an instance id and a schema version. It answers no reads while
//! the server runs; truth is in memory.

mod checksum;
mod compact;
mod directory;
mod error;
mod memory;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use error::JournalError;
pub use memory::Memory;
pub use sqlite::Sqlite;

/// One stored object: `value` is its canonical JSON with its resourceVersion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// `group/plural`.
    pub kind: String,
    /// `namespace/name`; an empty namespace for cluster-scoped objects.
    pub key: String,
    /// The revision at which the object was last written.
    pub revision: u64,
    /// The object.
    pub value: Bytes,
}

/// One step of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The row replaces whatever stood under its key.
    Put(Row),
    /// The row under this key is gone as of `revision`.
    Delete {
        /// `group/plural`.
        kind: String,
        /// `namespace/name`.
        key: String,
        /// The revision of the removal.
        revision: u64,
    },
}

impl Change {
    /// The revision that this change brings about.
    #[must_use]
    pub fn revision(&self) -> u64 {
        match self {
            Change::Put(row) => row.revision,
            Change::Delete { revision, .. } => *revision,
        }
    }
}

/// What a journal holds when it is opened.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The current rows, in no particular order.
    pub rows: Vec<Row>,
    /// The highest revision ever committed; 0 for a fresh journal.
    pub revision: u64,
    /// A random id that stays with the journal for its life; empty for a fresh one.
    pub instance: String,
}

/// Where the store keeps what it acknowledged.
pub trait Journal: Send + 'static {
    /// Everything that was committed.
    ///
    /// # Errors
    /// The journal cannot be read, or was written by something else.
    fn load(&mut self) -> Result<Loaded, JournalError>;

    /// Keeps the instance id of a fresh journal.
    ///
    /// # Errors
    /// The journal cannot be written.
    fn adopt(&mut self, instance: &str) -> Result<(), JournalError>;

    /// Commits all changes or none; durable when it returns.
    ///
    /// # Errors
    /// Nothing was committed; the cause is named.
    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError>;

    /// Whether [`Journal::commit`] may wait for a disk, so that the store gives it a thread of its own.
    fn blocks(&self) -> bool;
}
