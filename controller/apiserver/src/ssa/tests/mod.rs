//! Ownership as users see it; the random comparison with the Go implementation is `smd`.

mod oracle;
mod random;
mod smd;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::schema::Schema;
use crate::ssa::{ApplyError, ApplyOptions, ResetFields, Set, TypeInfo, Types, UpdateOptions, update};

const VERSION: &str = "example.com/v1";

fn types() -> Types {
    let schema = Schema::parse(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": {
            "x": {"type": "integer"}, "y": {"type": "string"},
            "services": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
                "properties": {"name": {"type": "string"}, "port": {"type": "integer"}, "env": {"type": "object", "additionalProperties": {"type": "string"}}}}},
            "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "command": {"type": "array", "items": {"type": "string"}},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }},
        "status": {"type": "object", "properties": {"phase": {"type": "string"}}},
    }}))
    .unwrap();
    Types::single(VERSION, TypeInfo::from_schema(&schema))
}

/// The object that an apply makes of a copy of the live one.
fn apply(
    types: &Types,
    live: Option<&mut Value>,
    applied: &Value,
    options: ApplyOptions<'_>,
) -> Result<Option<Value>, ApplyError> {
    crate::ssa::apply(types, live.cloned().as_mut(), applied.clone(), options).map(|made| made.map(|made| made.object))
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).unwrap()
}

fn object(spec: Value) -> Value {
    json!({"apiVersion": VERSION, "kind": "Example", "metadata": {"name": "one", "namespace": "default"}, "spec": spec})
}

fn options(manager: &str, force: bool) -> ApplyOptions<'_> {
    ApplyOptions { manager, force, subresource: "", api_version: VERSION, reset: ResetFields::Status, now: at(1) }
}

fn update_options(manager: &str) -> UpdateOptions<'_> {
    UpdateOptions { manager, subresource: "", api_version: VERSION, reset: ResetFields::Status, now: at(2) }
}

fn created(spec: Value, manager: &str) -> Value {
    let mut made = apply(&types(), None, &object(spec), options(manager, false)).unwrap().unwrap();
    made["metadata"]["uid"] = json!("u1");
    made
}

fn fields_of(object: &Value, manager: &str) -> Option<Value> {
    let entries = object.pointer("/metadata/managedFields")?.as_array()?;
    entries.iter().find(|entry| entry["manager"] == manager).map(|entry| entry["fieldsV1"].clone())
}

/// API-14: the manager owns exactly what it applied, entries by key, without the fields that every object has.
#[test]
fn an_apply_owns_what_it_mentions() {
    let made = created(json!({"x": 1, "services": [{"name": "db", "port": 1}], "tags": ["a"], "command": ["run"]}), "mgr");
    assert_eq!(
        made["metadata"]["managedFields"],
        json!([{"apiVersion": VERSION, "fieldsType": "FieldsV1", "fieldsV1": {"f:spec": {
            "f:command": {},
            "f:services": {"k:{\"name\":\"db\"}": {".": {}, "f:name": {}, "f:port": {}}},
            "f:tags": {"v:\"a\"": {}},
            "f:x": {}}},
            "manager": "mgr", "operation": "Apply", "time": "2023-11-14T22:13:21Z"}])
    );
    let set = Set::from_fields(&made["metadata"]["managedFields"][0]["fieldsV1"]).unwrap();
    assert_eq!(set.to_fields(), made["metadata"]["managedFields"][0]["fieldsV1"]);
    assert_eq!(
        apply(
            &types(),
            Some(&mut made.clone()),
            &object(json!({"x": 1, "services": [{"name": "db", "port": 1}], "tags": ["a"], "command": ["run"]})),
            options("mgr", false)
        ),
        Ok(None)
    );
}

/// API-14, table of section 4: another owner's value is a conflict in the reference's words, and force takes it over.
#[test]
fn conflicts_name_the_manager_and_the_field() {
    let mut live = created(json!({"services": [{"name": "db", "port": 1}]}), "first");
    let mut edited = live.clone();
    edited["spec"]["x"] = json!(1);
    update(&types(), Some(&mut live.clone()), &mut edited, update_options("kubectl-edit"));
    live = edited;
    let one = apply(&types(), Some(&mut live.clone()), &object(json!({"x": 2})), options("second", false)).unwrap_err();
    assert_eq!(one.to_string(), "Apply failed with 1 conflict: conflict with \"kubectl-edit\" using example.com/v1: .spec.x");
    let two = object(json!({"x": 2, "services": [{"name": "db", "port": 2}]}));
    let ApplyError::Conflicts { conflicts } =
        apply(&types(), Some(&mut live.clone()), &two, options("second", false)).unwrap_err()
    else {
        panic!()
    };
    assert_eq!(conflicts[0].message(), "conflict with \"first\"");
    assert_eq!(conflicts[0].field(), ".spec.services[name=\"db\"].port");
    let text = ApplyError::Conflicts { conflicts }.to_string();
    assert_eq!(
        text,
        "Apply failed with 2 conflicts: conflicts with \"first\":\n- .spec.services[name=\"db\"].port\nconflicts with \"kubectl-edit\" using example.com/v1:\n- .spec.x"
    );
    let forced = apply(&types(), Some(&mut live.clone()), &two, options("second", true)).unwrap().unwrap();
    assert_eq!(forced["spec"], json!({"services": [{"name": "db", "port": 2}], "x": 2}));
    assert_eq!(fields_of(&forced, "kubectl-edit"), None);
    assert_eq!(
        fields_of(&forced, "first"),
        Some(json!({"f:spec": {"f:services": {"k:{\"name\":\"db\"}": {".": {}, "f:name": {}}}}}))
    );
}

/// API-14: what a manager no longer applies goes, unless somebody else owns it too; unowned values stay.
#[test]
fn what_is_no_longer_applied_is_pruned() {
    let mut live =
        created(json!({"x": 1, "y": "mine", "services": [{"name": "a"}, {"name": "b"}], "free": {"deep": {"k": 1}}}), "first");
    live["spec"]["services"][0]["port"] = json!(7);
    let shared = apply(&types(), Some(&mut live.clone()), &object(json!({"x": 1})), options("second", false)).unwrap().unwrap();
    let next = apply(&types(), Some(&mut shared.clone()), &object(json!({"services": [{"name": "b"}]})), options("first", false))
        .unwrap()
        .unwrap();
    assert_eq!(next["spec"], json!({"x": 1, "services": [{"name": "b"}]}));
    assert_eq!(fields_of(&next, "second"), Some(json!({"f:spec": {"f:x": {}}})));
}

/// Table of section 4: undeclared fields, `metadata` included, and bodies that are no configuration.
#[test]
fn undeclared_fields_are_refused_with_their_path() {
    let refuse = |body: Value| apply(&types(), None, &body, options("mgr", false)).unwrap_err();
    let undeclared = refuse(object(json!({"u": 1})));
    assert_eq!(undeclared.status(), 500);
    assert_eq!(
        undeclared.to_string(),
        "failed to create typed patch object (default/one; example.com/v1, Kind=Example): .spec.u: field not declared in schema"
    );
    let mut meta = object(json!({}));
    meta["metadata"]["foo"] = json!(1);
    assert!(refuse(meta.clone()).to_string().ends_with(".metadata.foo: field not declared in schema"));
    meta["metadata"] = json!({"name": "one", "managedFields": []});
    assert_eq!(refuse(meta).to_string(), "metadata.managedFields must be nil");
    let twice = refuse(object(json!({"services": [{"name": "a"}, {"name": "a"}]})));
    assert!(twice.to_string().contains(".spec.services: duplicate entries for key [name=\"a\"]"), "{twice}");
}

/// API-14: an update takes ownership away, the list can be reset or rewritten, and a status write owns status alone.
#[test]
fn updates_take_ownership_and_can_reset_it() {
    let live = created(json!({"x": 1, "y": "a"}), "first");
    let mut new = live.clone();
    new["spec"]["x"] = json!(2);
    update(&types(), Some(&mut live.clone()), &mut new, update_options("editor"));
    assert_eq!(fields_of(&new, "first"), Some(json!({"f:spec": {"f:y": {}}})));
    assert_eq!(fields_of(&new, "editor"), Some(json!({"f:spec": {"f:x": {}}})));
    let mut same = new.clone();
    update(&types(), Some(&mut new.clone()), &mut same, UpdateOptions { now: at(99), ..update_options("editor") });
    assert_eq!(same, new, "the time changes only with the set");
    let mut reset = new.clone();
    reset["metadata"]["managedFields"] = json!([{}]);
    update(&types(), Some(&mut new.clone()), &mut reset, update_options("editor"));
    assert_eq!(reset["metadata"].get("managedFields"), None);
    let mut status = new.clone();
    status["status"] = json!({"phase": "Up"});
    let on_status = UpdateOptions { subresource: "status", reset: ResetFields::AllButStatus, ..update_options("controller") };
    update(&types(), Some(&mut new.clone()), &mut status, on_status);
    let entry =
        status["metadata"]["managedFields"].as_array().unwrap().iter().find(|entry| entry["manager"] == "controller").unwrap();
    assert_eq!((&entry["fieldsV1"], &entry["subresource"]), (&json!({"f:status": {".": {}, "f:phase": {}}}), &json!("status")));
}

/// API-14: at most ten update managers; the oldest are folded into `ancient-changes`.
#[test]
fn old_update_managers_are_folded() {
    let mut live = created(json!({"x": 0}), "first");
    for number in 0..13 {
        let mut new = live.clone();
        new["spec"]["free"][format!("f{number}")] = json!(1);
        let manager = format!("m{number:02}");
        update(&types(), Some(&mut live.clone()), &mut new, UpdateOptions { now: at(number), ..update_options(&manager) });
        live = new;
    }
    let managers: Vec<&str> =
        live["metadata"]["managedFields"].as_array().unwrap().iter().map(|entry| entry["manager"].as_str().unwrap()).collect();
    assert_eq!(managers, ["first", "ancient-changes", "m04", "m05", "m06", "m07", "m08", "m09", "m10", "m11", "m12"]);
    let ancient = fields_of(&live, "ancient-changes").unwrap();
    assert_eq!(ancient, json!({"f:spec": {"f:free": {".": {}, "f:f0": {}, "f:f1": {}, "f:f2": {}, "f:f3": {}}}}));
}

/// API-14: what was there before the first apply belongs to `before-first-apply`; `kubectl` takes over from client-side apply without conflict.
#[test]
fn client_side_apply_is_taken_over_by_kubectl() {
    let last = object(json!({"x": 1, "y": "a"}));
    let mut live = last.clone();
    live["metadata"]["uid"] = json!("u");
    live["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/last-applied-configuration": last.to_string()});
    let foreign = apply(&types(), Some(&mut live.clone()), &object(json!({"x": 5})), options("other", false)).unwrap_err();
    assert_eq!(
        foreign.to_string(),
        "Apply failed with 1 conflict: conflict with \"before-first-apply\" using example.com/v1: .spec.x"
    );
    let taken = apply(&types(), Some(&mut live.clone()), &object(json!({"x": 5})), options("kubectl", false)).unwrap().unwrap();
    assert_eq!(taken["spec"]["x"], 5);
    let text = taken["metadata"]["annotations"]["kubectl.kubernetes.io/last-applied-configuration"].as_str().unwrap();
    assert_eq!(serde_json::from_str::<Value>(text).unwrap(), object(json!({"x": 5})));
}

/// API-14: built-in kinds have types too: finalizers are a set, owner references a map by UID, data is granular.
#[test]
fn built_in_kinds_are_typed() {
    let types = Types::single("v1", TypeInfo::builtin("v1", "ConfigMap").unwrap());
    let options = ApplyOptions { api_version: "v1", ..options("mgr", false) };
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "1"}, "metadata": {"name": "c", "finalizers": ["f/x"],
        "ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "7"}]}});
    let made = apply(&types, None, &body, options).unwrap().unwrap();
    assert_eq!(
        fields_of(&made, "mgr").unwrap(),
        json!({"f:data": {"f:a": {}}, "f:metadata": {"f:finalizers": {"v:\"f/x\"": {}}, "f:ownerReferences": {"k:{\"uid\":\"7\"}": {}}}})
    );
    let wrong = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": 1}});
    assert!(apply(&types, None, &wrong, options).unwrap_err().to_string().contains(".data.a: expected string, got"));
}

/// API-14, PERF-41: on the main path what stands of the live object's list is passed on, and said to stand; on a subresource the
/// live object keeps its list.
#[test]
fn entries_that_stand_are_passed_on() {
    let live = created(json!({"x": 1, "services": [{"name": "db", "port": 1}]}), "first");
    let by = |manager, spec, subresource| {
        let mut live = live.clone();
        let options = ApplyOptions { subresource, ..options(manager, true) };
        let made = crate::ssa::apply(&types(), Some(&mut live), object(spec), options).unwrap().unwrap();
        (made, live)
    };
    let (same, left) = by("first", json!({"x": 2, "services": [{"name": "db", "port": 1}]}), "");
    assert_eq!((same.owners_changed, left.pointer("/metadata/managedFields")), (Some(false), None));
    assert_eq!(fields_of(&same.object, "first"), fields_of(&live, "first"));
    let (more, _) = by("second", json!({"y": "new"}), "");
    assert_eq!((more.owners_changed, fields_of(&more.object, "first")), (Some(true), fields_of(&live, "first")));
    assert_eq!(fields_of(&more.object, "second"), Some(json!({"f:spec": {"f:y": {}}})));
    let (apart, left) = by("first", json!({"x": 2}), "status");
    assert_eq!(apart.owners_changed, None);
    assert_eq!(left, live);
}

/// API-14: a list that somebody else wrote, its keys in any order, names the same fields.
#[test]
fn fields_are_read_in_any_order() {
    let told = json!({"f:z": {}, "f:a": {"f:b": {}, ".": {}}, "k:{\"b\":1,\"a\":\"x\"}": {}, "v:1": {}, "v:1.0": {}});
    let set = Set::from_fields(&told).unwrap();
    let written = json!({"f:a": {".": {}, "f:b": {}}, "f:z": {}, "k:{\"a\":\"x\",\"b\":1}": {}, "v:1": {}});
    assert_eq!(set.to_fields(), written);
    assert_eq!(Set::from_fields(&written).unwrap(), set);
    assert!(Set::from_fields(&json!({"k:[1]": {}})).is_err());
    let twice = Set::from_fields(&json!({"k:{\"a\":1,\"a\":2}": {}})).unwrap();
    assert_eq!(twice.to_fields(), json!({"k:{\"a\":2}": {}}));
}
