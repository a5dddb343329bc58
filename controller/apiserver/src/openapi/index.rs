//! The index of documents: one address per group and version, with the hash of its content.

use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// The hash under which a document's bytes stay valid for ever: it changes exactly when they do.
pub fn hash(document: &[u8]) -> String {
    Sha256::digest(document).iter().map(|byte| format!("{byte:02X}")).collect()
}

/// The answer to `/openapi/v3` from pairs of path (`api/v1`, `apis/koan.dev/v1alpha1`) and [`hash`].
pub fn index<'a>(documents: impl IntoIterator<Item = (&'a str, &'a str)>) -> Value {
    let entries = documents
        .into_iter()
        .map(|(path, hash)| (path.to_owned(), json!({"serverRelativeURL": format!("/openapi/v3/{path}?hash={hash}")})));
    json!({"paths": entries.collect::<Map<String, Value>>()})
}
