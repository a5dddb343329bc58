//! What can be wrong with a kubeconfig, in words that a user can act on.

use std::io;
use std::path::PathBuf;

use crate::status::Class;

/// A kubeconfig, or a private file beside it, that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KubeconfigError {
    /// The file cannot be read or written.
    #[error("file {path} cannot be used: {cause}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        cause: io::Error,
    },
    /// The directory or file is open to others, or belongs to someone else.
    #[error("{path} has mode {mode:04o} and owner {owner}; it must be private to this user: chmod go-rwx {path}", path = path.display())]
    Exposed {
        /// The file or directory.
        path: PathBuf,
        /// Its mode, permission bits only.
        mode: u32,
        /// Its owner's uid.
        owner: u32,
    },
    /// A file that is not ours stands where this run's kubeconfig belongs.
    #[error("file {path} was not written by koan and is left alone; move it away", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
    },
}

impl KubeconfigError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            KubeconfigError::File { .. } => Class::Transient,
            KubeconfigError::Exposed { .. } | KubeconfigError::Foreign { .. } => Class::Invalid,
        }
    }
}
