//! What can be wrong with a journal, in words that a user can act on.

use std::io;
use std::path::{Path, PathBuf};

use crate::status::Class;

/// A journal that cannot be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The directory or a file in it cannot be used.
    #[error("state directory {path}: {cause}", path = path.display())]
    Directory {
        /// The directory or file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// Others may read the directory.
    #[error("state directory {path} has mode {mode:04o}, which lets others in; run: chmod 700 {path}", path = path.display())]
    Mode {
        /// The directory.
        path: PathBuf,
        /// Its mode, permission bits only.
        mode: u32,
    },
    /// The directory belongs to someone else.
    #[error("state directory {path} belongs to user {owner}, not to user {user}; set KOAN_HOME to a directory of your own", path = path.display())]
    Owner {
        /// The directory.
        path: PathBuf,
        /// Its owner's uid.
        owner: u32,
        /// This process's uid.
        user: u32,
    },
    /// The file system cannot hold a write-ahead log.
    #[error("state directory {path} lies on {filesystem}, which cannot hold the store; set KOAN_HOME to a local directory", path = path.display())]
    Filesystem {
        /// The directory.
        path: PathBuf,
        /// The kind of file system.
        filesystem: &'static str,
    },
    /// Another server has the directory.
    #[error("state directory {path} is in use by the server with process id {pid} (started {started}); stop it or use it", path = path.display())]
    Locked {
        /// The directory.
        path: PathBuf,
        /// The owner's process id, as it wrote it.
        pid: String,
        /// When it started, as it wrote it.
        started: String,
    },
    /// The store was written by a newer version.
    #[error("store {path} has schema {found}, this program knows up to {known}; use the newer program", path = path.display())]
    Newer {
        /// The store.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest one known here.
        known: i64,
    },
    /// The store cannot be read.
    #[error("store {path} cannot be read: {cause}; {known}; {aside}", path = path.display(), known = known(*last_good), aside = aside(path))]
    Corrupt {
        /// The store.
        path: PathBuf,
        /// What was found.
        cause: String,
        /// The highest resourceVersion among what could be read.
        last_good: Option<u64>,
    },
    /// A row of the store is not as it was written.
    #[error("store {path} is damaged: {kind} {key} is not as it was written; {known}; {aside}", path = path.display(), known = known(*last_good), aside = aside(path))]
    Damaged {
        /// The store.
        path: PathBuf,
        /// The row's `group/plural`; `meta` for the store's own rows.
        kind: String,
        /// The row's `namespace/name`.
        key: String,
        /// The highest resourceVersion among the rows that are as they were written.
        last_good: Option<u64>,
    },
    /// The store's log is there and the store is not.
    #[error("{log} belongs to a store that is not beside it; put {path} back, or set the log aside", log = log.display(), path = path.display())]
    Orphan {
        /// Where the store should be.
        path: PathBuf,
        /// The log.
        log: PathBuf,
    },
    /// A write was refused by the disk.
    #[error("store {path} cannot be written: {cause}", path = path.display())]
    Write {
        /// The store.
        path: PathBuf,
        /// What the system said.
        cause: String,
    },
}

impl JournalError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            JournalError::Mode { .. }
            | JournalError::Owner { .. }
            | JournalError::Filesystem { .. }
            | JournalError::Newer { .. }
            | JournalError::Corrupt { .. }
            | JournalError::Damaged { .. }
            | JournalError::Orphan { .. } => Class::Invalid,
            JournalError::Directory { .. } | JournalError::Locked { .. } | JournalError::Write { .. } => Class::Transient,
        }
    }
}

fn known(last_good: Option<u64>) -> String {
    last_good.map_or_else(
        || "no resourceVersion in it can be read".to_owned(),
        |revision| format!("the last good resourceVersion is {revision}"),
    )
}

/// How a store is set aside: with its log, which would spoil the next one.
fn aside(path: &Path) -> String {
    let damaged = path.with_file_name("damaged");
    let (damaged, path) = (damaged.display(), path.display());
    format!("it is left untouched; to start afresh run: mkdir {damaged} && mv {path}* {damaged}/")
}
