//! What is patched: one full object of each kind, from `tests/generated/subjects.json`.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

/// A kind, and an object of it that has everything.
pub(super) struct Subject {
    pub(super) name: String,
    /// The path of its collection.
    pub(super) collection: String,
    pub(super) custom: bool,
    /// Whether only the extended mode serves it, which does not know all of the reference's rules.
    pub(super) extended: bool,
    pub(super) has_status: bool,
    pub(super) object: Value,
}

/// Metadata that objects of any kind may have.
const METADATA: &str = r#"{
    "labels": {"a": "1", "b.io/c": "two", "d": ""},
    "annotations": {"note": "x y", "b.io/c": "{}"},
    "finalizers": ["x.io/a", "x.io/b"],
    "ownerReferences": [
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "owner", "uid": "${owner}"},
        {"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": "${other}", "controller": true, "blockOwnerDeletion": true}
    ]
}"#;

pub(super) fn subjects() -> Vec<Arc<Subject>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/generated/subjects.json");
    let rows: Vec<Value> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    rows.into_iter().map(|row| Arc::new(subject(row))).collect()
}

fn subject(mut row: Value) -> Subject {
    let mut object = row["object"].take();
    object["metadata"] = serde_json::from_str(METADATA).unwrap();
    Subject {
        name: row["name"].as_str().unwrap().to_owned(),
        collection: row["collection"].as_str().unwrap().to_owned(),
        custom: row["custom"] == true,
        extended: row["extended"] == true,
        has_status: row["status"] == true,
        object,
    }
}
