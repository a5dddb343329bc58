//! Why a server does not start.

use crate::journal::JournalError;
use crate::kubeconfig::KubeconfigError;
use crate::status::{Class, Failure};
use crate::tls::TlsError;

/// A server that cannot start or listen.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The journal cannot be used.
    #[error("the store cannot be opened")]
    Journal(#[from] JournalError),
    /// The store refused its first contents.
    #[error("the store cannot be prepared: {0}")]
    Store(String),
    /// A definition handed to the builder is not served.
    #[error("definition {name} is refused")]
    Definition {
        /// The definition's name.
        name: String,
        /// What is wrong with it.
        #[source]
        failure: Box<Failure>,
    },
    /// No source of randomness.
    #[error("no randomness")]
    Random(#[source] std::io::Error),
    /// No loopback socket.
    #[error("no loopback socket can be bound")]
    Bind(#[source] std::io::Error),
    /// No certificate.
    #[error("the certificate of the server cannot be made")]
    Tls(#[from] TlsError),
    /// The kubeconfig of the run cannot be written.
    #[error("the kubeconfig of this run cannot be written")]
    Kubeconfig(#[from] KubeconfigError),
}

impl ServerError {
    /// Whether trying again can help.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            ServerError::Journal(error) => error.class(),
            ServerError::Kubeconfig(error) => error.class(),
            ServerError::Definition { .. } => Class::Invalid,
            ServerError::Bind(_) | ServerError::Random(_) | ServerError::Tls(_) => Class::Transient,
            ServerError::Store(_) => Class::Bug,
        }
    }
}
