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
    /// The text is no kubeconfig.
    #[error("the kubeconfig cannot be read: {cause}")]
    Malformed {
        /// What the parser said, with line and column.
        cause: String,
    },
    /// The text cannot be edited line by line.
    #[error("the kubeconfig has lists that are not written one entry per line block; rewrite it with: kubectl config view --raw")]
    Layout,
    /// A context of this name belongs to something else.
    #[error("the kubeconfig has a context {name} that is not ours (it points to {server}); choose another with --name")]
    Occupied {
        /// The context's name.
        name: String,
        /// Where it points to.
        server: String,
    },
    /// Another program changes the file.
    #[error("the kubeconfig is locked by {path}; if no other program is changing it, remove that file", path = path.display())]
    Locked {
        /// The lock.
        path: PathBuf,
    },
}

impl KubeconfigError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            KubeconfigError::File { .. } | KubeconfigError::Locked { .. } => Class::Transient,
            KubeconfigError::Exposed { .. }
            | KubeconfigError::Foreign { .. }
            | KubeconfigError::Malformed { .. }
            | KubeconfigError::Layout
            | KubeconfigError::Occupied { .. } => Class::Invalid,
        }
    }
}
