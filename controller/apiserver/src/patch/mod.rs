//! The patches of the API, pure: a document and a patch in, the patched document or one error out.
//!
//! [`json`] is RFC 6902 with the reference's departures, [`merge`] is RFC 7386, [`strategic`] merges the lists of built-in kinds by key.

pub mod json;
pub mod merge;
pub mod strategic;

#[cfg(test)]
mod tests;

use thiserror::Error;

/// Why a patch was not applied. `Display` is the Status message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum PatchError {
    /// The patch is none.
    #[error("{detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// More operations than allowed.
    #[error("The allowed maximum operations in a JSON patch is {limit}, got {count}")]
    TooManyOperations {
        /// The limit.
        limit: usize,
        /// What the patch has.
        count: usize,
    },
    /// `copy` operations would copy more than allowed.
    #[error("Unable to complete the copy, the accumulated size increase of copy is {bytes}, exceeding the limit {limit}")]
    TooMuchCopied {
        /// The limit, in bytes.
        limit: usize,
        /// What was copied, in bytes.
        bytes: usize,
    },
    /// The patch does not fit the document.
    #[error("{detail}")]
    DoesNotApply {
        /// The operation, the path and why.
        detail: String,
    },
}

impl PatchError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooManyOperations { .. } | Self::TooMuchCopied { .. } => 413,
            Self::DoesNotApply { .. } => 422,
        }
    }
}
