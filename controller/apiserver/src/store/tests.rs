//! The store by itself: order, conflicts, memory of the past.

use std::sync::Arc;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::journal::{Journal as _, Memory};
use crate::kinds::{Registry, encode};
use crate::ports::Clock;

mod lone;
mod model;

struct Fixed(i64);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_microsecond(self.0).unwrap()
    }
}

fn open(memory: &Memory, micros: i64) -> Store {
    let mut journal = memory.clone();
    let loaded = journal.load().unwrap();
    Store::open(Box::new(journal), loaded, Arc::new(Fixed(micros)), Box::new(|_, _| {})).unwrap()
}

fn write(name: &str, expected: Expected, delete: bool) -> Write {
    let registry = Registry::new(Vec::new());
    let resource = registry.find("", "v1", "namespaces").unwrap();
    let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "uid": format!("uid-{name}")}});
    Write {
        key: Key::new(&resource.storage, "", name),
        expected,
        draft: encode(resource, &value),
        delete,
        proven: None,
        through: None,
    }
}

fn version(bytes: &Bytes) -> Value {
    serde_json::from_slice::<Value>(bytes).unwrap()["metadata"]["resourceVersion"].clone()
}

/// API-6, D-8: the revision starts at the clock's microseconds, and a reopened store goes on above its last one even
/// when the clock went back.
#[tokio::test]
async fn revisions_only_grow() {
    let memory = Memory::new();
    let store = open(&memory, 1_000);
    let first = store.commit(write("a", Expected::Absent, false)).await.unwrap();
    assert_eq!(first.revision, 1_001);
    assert_eq!(version(&first.bytes), "1001");
    drop(store);
    let store = open(&memory, 5);
    assert_eq!(store.revision(), 1_002);
    assert_eq!(store.commit(write("b", Expected::Absent, false)).await.unwrap().revision, 1_003);
}

/// D-8: of two writes based on one version the second is refused.
#[tokio::test]
async fn a_stale_write_is_refused() {
    let store = open(&Memory::new(), 1);
    let first = store.commit(write("a", Expected::Absent, false)).await.unwrap();
    assert_eq!(store.commit(write("a", Expected::Absent, false)).await.unwrap_err(), CommitError::Exists);
    store.commit(write("a", Expected::Revision(first.revision), false)).await.unwrap();
    let refused = store.commit(write("a", Expected::Revision(first.revision), false)).await.unwrap_err();
    assert_eq!(refused, CommitError::Stale);
}

/// D-5, API-23: after a restart a watch goes on from the last revision, and an older one is expired.
#[tokio::test]
async fn only_the_last_revision_survives_a_restart() {
    let memory = Memory::new();
    let store = open(&memory, 1);
    let first = store.commit(write("a", Expected::Absent, false)).await.unwrap();
    let last = store.commit(write("b", Expected::Absent, false)).await.unwrap();
    let kind = first_kind();
    assert_eq!(store.events(&kind, first.revision, Portion::ALL).unwrap().1.len(), 1);
    drop(store);
    let store = open(&memory, 1);
    assert!(store.events(&kind, last.revision, Portion::ALL).unwrap().1.is_empty());
    assert!(store.events(&kind, first.revision, Portion::ALL).is_none());
}

/// PERF-15: versions that differ below their metadata alone share what is indexed of it; a changed label makes a new one.
#[tokio::test]
async fn perf_15_a_history_keeps_its_metadata_once() {
    let store = open(&Memory::new(), 1);
    let first = store.commit(write("a", Expected::Absent, false)).await.unwrap();
    let second = store.commit(write("a", Expected::Revision(first.revision), false)).await.unwrap();
    assert!(Arc::ptr_eq(&first.meta, &second.meta));
    let mut labelled = write("a", Expected::Revision(second.revision), false);
    let registry = Registry::new(Vec::new());
    let value = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a", "uid": "uid-a", "labels": {"b": "c"}}});
    labelled.draft = encode(registry.find("", "v1", "namespaces").unwrap(), &value);
    let third = store.commit(labelled).await.unwrap();
    assert_eq!(third.meta.labels, [("b".to_owned(), "c".to_owned())]);
    assert!(second.meta.labels.is_empty());
}

/// API-7: a page of an older snapshot shows what was deleted since and hides what was added since.
#[tokio::test]
async fn a_snapshot_is_read_back() {
    let store = open(&Memory::new(), 1);
    for name in ["a", "b"] {
        store.commit(write(name, Expected::Absent, false)).await.unwrap();
    }
    let at = store.revision();
    let kind = first_kind();
    let gone = store.get(&Key::new(&kind, "", "a")).unwrap();
    store.commit(write("a", Expected::Revision(gone.revision), true)).await.unwrap();
    store.commit(write("c", Expected::Absent, false)).await.unwrap();
    let names = |at: Option<u64>| -> Vec<String> {
        let query = Query { scope: &Scope::All, after: None, limit: 10, at, keep: &|_| true, count: false };
        store.page(&kind, &query).unwrap().objects.iter().map(|object| object.meta.name.clone()).collect()
    };
    assert_eq!(names(Some(at)), ["a", "b"]);
    assert_eq!(names(None), ["b", "c"]);
}

fn first_kind() -> Arc<str> {
    Arc::from(crate::kinds::NAMESPACES)
}
