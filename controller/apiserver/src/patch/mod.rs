//! The patches of the API, pure: a document and a patch in, the patched document or one error out.
//!
//! [`json`] is RFC 6902 with the reference's departures, [`merge`] is RFC 7386, [`strategic`] merges the lists of built-in kinds by key.

pub mod json;
pub mod merge;
pub(crate) mod strategic;

#[cfg(test)]
mod tests;

use serde_json::Value;
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
    /// An operation of a JSON patch does not fit the document. The reference does not say which one.
    #[error("the server rejected our request due to an error in our request")]
    DoesNotApply {
        /// The operation, the path and why.
        detail: String,
    },
    /// A strategic merge patch that cannot be merged; an internal error in the reference too.
    #[error("{detail}")]
    Unmergeable {
        /// The entry and why.
        detail: String,
    },
}

/// Sorts the fields of each object that a JSON patch or a merge patch looked into: the reference reads those, and passes all
/// others on as they stand.
pub(crate) fn sort_touched(made: &mut Value, patch: &Value) {
    match (made, patch) {
        (Value::Object(fields), Value::Object(changes)) => {
            fields.sort_keys();
            for (key, change) in changes {
                if let Some(child) = fields.get_mut(key) {
                    sort_touched(child, change);
                }
            }
        }
        (made, Value::Array(operations)) => {
            let pointers = operations.iter().flat_map(|operation| [&operation["path"], &operation["from"]]);
            for pointer in pointers.filter_map(Value::as_str) {
                let mut place = Some(&mut *made);
                for step in pointer.split('/').skip(1) {
                    if let Some(Value::Object(fields)) = place.as_deref_mut() {
                        fields.sort_keys();
                    }
                    place = place.and_then(|value| value.pointer_mut(&format!("/{step}")));
                }
            }
        }
        _ => {}
    }
}

/// The refusal of a body of the wrong JSON type; `wanted` is the reference's own name for the right one.
fn mistyped(prefix: &str, found: &Value, wanted: &str) -> PatchError {
    let found = crate::codec::json_type(found);
    PatchError::Malformed { detail: format!("{prefix}json: cannot unmarshal {found} into Go value of type {wanted}") }
}

impl PatchError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed { .. } => 400,
            Self::TooManyOperations { .. } | Self::TooMuchCopied { .. } => 413,
            Self::DoesNotApply { .. } => 422,
            Self::Unmergeable { .. } => 500,
        }
    }
}
