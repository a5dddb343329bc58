//! Patches as clients send them, against the reference's answers.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::strategic::{self, Lookup};
use super::{PatchError, json as json_patch, merge};

fn patched(document: Value, patch: Value) -> Result<Value, PatchError> {
    let mut document = document;
    json_patch::apply(&mut document, &patch).map(|()| document)
}

/// Why an operation failed, which the answer does not say.
fn detail(error: &PatchError) -> &str {
    match error {
        PatchError::DoesNotApply { detail } => detail,
        other => panic!("{other}"),
    }
}

/// P12, API-13: kube-rs adds its finalizer behind a `test` of null; the member is absent and the patch passes.
#[test]
fn p12_a_test_of_null_passes_on_an_absent_path() {
    let patch = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["koan.dev/cleanup"]},
    ]);
    assert_eq!(
        patched(json!({"metadata": {}}), patch.clone()).unwrap(),
        json!({"metadata": {"finalizers": ["koan.dev/cleanup"]}})
    );
    let taken = patched(json!({"metadata": {"finalizers": ["other"]}}), patch).unwrap_err();
    assert_eq!((taken.status(), detail(&taken)), (422, "testing value /metadata/finalizers failed: test failed"));
    assert_eq!(taken.to_string(), "the server rejected our request due to an error in our request");
    let parentless = patched(json!({}), json!([{"op": "test", "path": "/metadata/finalizers", "value": null}])).unwrap_err();
    assert_eq!(detail(&parentless), "test operation does not apply: is missing path: /metadata/finalizers: missing value");
}

/// API-13: every operation, with the reference's leniency, and nothing half applied.
#[test]
fn operations_apply_as_in_the_reference() {
    let document = json!({"a": {"b": [1, 2, 3]}, "x/y": 1});
    let cases = [
        (json!([{"op": "add", "path": "/a/b/1", "value": 9}]), json!({"a": {"b": [1, 9, 2, 3]}, "x/y": 1})),
        (json!([{"op": "add", "path": "/a/b/-", "value": 9}]), json!({"a": {"b": [1, 2, 3, 9]}, "x/y": 1})),
        (json!([{"op": "remove", "path": "/a/b/-1"}]), json!({"a": {"b": [1, 2]}, "x/y": 1})),
        (json!([{"op": "replace", "path": "/a/new", "value": 1}]), json!({"a": {"b": [1, 2, 3], "new": 1}, "x/y": 1})),
        (json!([{"op": "move", "from": "/x~1y", "path": "/a/c"}]), json!({"a": {"b": [1, 2, 3], "c": 1}})),
        (json!([{"op": "copy", "from": "/a/b/0", "path": "/c"}]), json!({"a": {"b": [1, 2, 3]}, "x/y": 1, "c": 1})),
    ];
    for (patch, expected) in cases {
        assert_eq!(patched(document.clone(), patch).unwrap(), expected);
    }
    let mut kept = document.clone();
    let patch = json!([{"op": "remove", "path": "/a"}, {"op": "remove", "path": "/nothing"}]);
    let error = json_patch::apply(&mut kept, &patch).unwrap_err();
    assert_eq!(detail(&error), "error in remove for path: '/nothing': Unable to remove nonexistent key: nothing: missing value");
    assert_eq!(kept, document);
    assert_eq!(patched(document.clone(), json!({})).unwrap_err().status(), 400);
    assert_eq!(detail(&patched(document, json!([{"op": "jump", "path": "/a"}])).unwrap_err()), "Unexpected kind: jump");
}

/// SEC-16, limits of section 6: 10,000 operations, 3 MiB copied.
#[test]
fn sec_16_patches_are_bounded() {
    let one = json!({"op": "test", "path": "/a", "value": null});
    let many = Value::Array(vec![one; json_patch::MAX_OPERATIONS + 1]);
    assert_eq!(patched(json!({}), many).unwrap_err().status(), 413);
    let double = Value::Array((0..40).map(|_| json!({"op": "copy", "from": "/a", "path": "/a/0"})).collect());
    let error = patched(json!({"a": [vec!["x"; 1000]]}), double).unwrap_err();
    assert!(matches!(error, PatchError::TooMuchCopied { .. }), "{error}");
}

/// API-13: null removes, also inside new objects; lists are replaced; the order of what stays is kept.
#[test]
fn merge_patches_remove_with_null_and_replace_lists() {
    let mut document = json!({"z": 1, "a": {"b": [1, 2], "c": 1}, "y": 2, "x": 3});
    merge::apply(&mut document, &json!({"z": null, "a": {"b": [3], "c": null}, "new": {"n": null, "m": 1}})).unwrap();
    assert_eq!(document.to_string(), r#"{"a":{"b":[3]},"y":2,"x":3,"new":{"m":1}}"#);
    assert_eq!(merge::apply(&mut document, &json!([1])).unwrap_err().status(), 400);
}

fn merged(document: Value, patch: Value, kind: &str) -> Result<Value, PatchError> {
    let mut document = document;
    strategic::apply(&mut document, &patch, &Lookup::new(kind, None, &|_| None)).map(|_| document)
}

/// API-13: finalizers merge as values, owner references by UID, data as a map; null removes.
#[test]
fn strategic_patches_merge_by_key() {
    let live = json!({"metadata": {"finalizers": ["a", "b"], "ownerReferences": [{"uid": "1", "name": "x"}, {"uid": "2", "name": "y"}]}, "data": {"k": "1", "l": "2"}});
    let patch = json!({"metadata": {"finalizers": ["c"], "ownerReferences": [{"uid": "2", "name": "z"}, {"uid": "3", "name": "n"}]}, "data": {"k": null, "m": "3"}});
    let expected = json!({"metadata": {"finalizers": ["c", "a", "b"], "ownerReferences": [
        {"uid": "1", "name": "x"}, {"uid": "2", "name": "z"}, {"uid": "3", "name": "n"}]}, "data": {"l": "2", "m": "3"}});
    assert_eq!(merged(live, patch, "ConfigMap").unwrap(), expected);
    let plain =
        merged(json!({"spec": {"finalizers": ["kubernetes"]}}), json!({"spec": {"finalizers": ["other"]}}), "Namespace").unwrap();
    assert_eq!(plain, json!({"spec": {"finalizers": ["other"]}}), "a list without a strategy is replaced");
}

/// API-13: `$patch`, `$retainKeys`, `$setElementOrder` and `$deleteFromPrimitiveList` as kubectl sends them.
#[test]
fn strategic_directives_are_obeyed() {
    let owners = |list: Value| json!({"metadata": {"ownerReferences": list}});
    let live = owners(json!([{"uid": "1"}, {"uid": "2"}, {"uid": "3"}]));
    let gone = merged(live.clone(), owners(json!([{"$patch": "delete", "uid": "2"}])), "Secret").unwrap();
    assert_eq!(gone, owners(json!([{"uid": "1"}, {"uid": "3"}])));
    let replaced = merged(live.clone(), owners(json!([{"$patch": "replace"}, {"uid": "9"}])), "Secret").unwrap();
    assert_eq!(replaced, owners(json!([{"uid": "9"}])));
    let ordered = json!({"metadata": {"$setElementOrder/ownerReferences": [{"uid": "3"}, {"uid": "1"}], "ownerReferences": [{"uid": "1", "name": "n"}]}});
    assert_eq!(
        merged(live.clone(), ordered, "Secret").unwrap(),
        owners(json!([{"uid": "2"}, {"uid": "3"}, {"uid": "1", "name": "n"}]))
    );
    let listed = json!({"metadata": {"finalizers": ["a", "b", "c"]}});
    let shorter = merged(
        listed.clone(),
        json!({"metadata": {"$deleteFromPrimitiveList/finalizers": ["b"], "$setElementOrder/finalizers": ["c", "a"]}}),
        "Secret",
    )
    .unwrap();
    assert_eq!(shorter, json!({"metadata": {"finalizers": ["c", "a"]}}));
    let data = json!({"data": {"a": "1", "b": "2"}});
    assert_eq!(
        merged(data.clone(), json!({"data": {"$patch": "replace", "c": "3"}}), "ConfigMap").unwrap(),
        json!({"data": {"c": "3"}})
    );
    assert_eq!(merged(data.clone(), json!({"data": {"$patch": "delete"}}), "ConfigMap").unwrap(), json!({"data": {}}));
    assert_eq!(
        merged(data.clone(), json!({"data": {"$retainKeys": ["b", "c"], "c": "3"}}), "ConfigMap").unwrap(),
        json!({"data": {"b": "2", "c": "3"}})
    );
    let bad = [
        (data.clone(), json!({"data": {"$retainKeys": ["b"], "c": "3"}}), 400),
        (data.clone(), json!({"data": {"$patch": "jump"}}), 500),
        (live.clone(), owners(json!([{"name": "no key"}])), 500),
        (live, json!({"metadata": {"$setElementOrder/ownerReferences": [{"uid": "1"}], "ownerReferences": [{"uid": "2"}]}}), 500),
        (data, json!([1]), 400),
    ];
    for (document, patch, status) in bad {
        assert_eq!(merged(document, patch.clone(), "Secret").unwrap_err().status(), status, "{patch}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0..9i64).prop_map(Value::from),
        "[a-c]{0,2}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-c]", inner, 0..4).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn objects() -> impl Strategy<Value = Value> {
    prop::collection::btree_map("[a-c]", values(), 0..4).prop_map(|map| Value::Object(map.into_iter().collect()))
}

/// The value with an object in the place of each list.
fn without_lists(value: Value) -> Value {
    match value {
        Value::Array(items) => json!({"size": items.len()}),
        Value::Object(fields) => Value::Object(fields.into_iter().map(|(key, child)| (key, without_lists(child))).collect()),
        other => other,
    }
}

fn has_null_member(value: &Value) -> bool {
    match value {
        Value::Object(fields) => fields.values().any(|child| child.is_null() || has_null_member(child)),
        Value::Array(items) => items.iter().any(has_null_member),
        _ => false,
    }
}

proptest! {
    /// API-40: on maps and scalars alone a strategic merge patch is a merge patch.
    #[test]
    fn a_strategic_patch_without_lists_is_a_merge_patch(document in objects(), patch in objects().prop_map(without_lists)) {
        let (mut strategically, mut plainly) = (document.clone(), document);
        strategic::apply(&mut strategically, &patch, &Lookup::new("Secret", None, &|_| None)).unwrap();
        merge::apply(&mut plainly, &patch).unwrap();
        prop_assert_eq!(strategically, plainly);
    }

    /// API-40: merging an object again changes nothing more but nulls in a list that took the place of an object, which the
    /// reference takes for a list the second time; and an empty document becomes a patch without nulls.
    #[test]
    fn a_merge_patch_is_idempotent(document in values(), patch in objects()) {
        let mut once = document;
        merge::apply(&mut once, &patch).unwrap();
        let mut twice = once.clone();
        merge::apply(&mut twice, &patch).unwrap();
        let mut thrice = twice.clone();
        merge::apply(&mut thrice, &patch).unwrap();
        prop_assert_eq!(&twice, &thrice);
        if !has_null_member(&patch) {
            prop_assert_eq!(&once, &twice);
        }
        if !has_null_member(&patch) {
            let mut fresh = json!({});
            merge::apply(&mut fresh, &patch).unwrap();
            prop_assert_eq!(fresh, patch);
        }
    }

    /// API-40: a patch that fails leaves the document as it was; one that does not, ends as well on a second copy.
    #[test]
    fn a_json_patch_applies_whole_or_not_at_all(
        document in values(),
        operations in prop::collection::vec(("add|remove|replace|move|copy|test", "(/[a-c0-3-]){0,3}", "(/[a-c0-3-]){0,3}", values()), 0..6),
    ) {
        let operations = operations.into_iter().map(|(op, path, from, value)| json!({"op": op, "path": path, "from": from, "value": value}));
        let patch = Value::Array(operations.collect());
        let mut target = document.clone();
        if json_patch::apply(&mut target, &patch).is_err() {
            prop_assert_eq!(target, document);
        }
    }
}
