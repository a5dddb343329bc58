//! The table of golden answers: codes, reasons and words of the reference.

use http::Method;
use serde_json::{Value, json};

use super::support::*;

async fn made(server: &koan_apiserver::Server, name: &str, spec: Value) -> Value {
    let answer = post(server, BOXES, &serde_json::to_value(a_box(name, spec)).unwrap()).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    answer.json()
}

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "1"}})
}

/// API-10: unknown and repeated fields are refused under Strict and reported under Warn.
#[tokio::test]
async fn unknown_and_repeated_fields_are_reported() {
    let server = server().await;
    let body = r#"{"apiVersion":"test.koan.dev/v1","kind":"Box","metadata":{"name":"a"},"spec":{"size":1,"size":2,"u":1}}"#;
    let strict = send(&server, Method::POST, &format!("{BOXES}?fieldValidation=Strict"), &[], body).await;
    assert_eq!(strict.code, 400);
    assert_eq!(
        strict.message(),
        r#"Box in version "v1" cannot be handled as a Box: strict decoding error: duplicate field "spec.size", unknown field "spec.u""#
    );
    let warned = send(&server, Method::POST, BOXES, &[], body).await;
    assert_eq!(warned.code, 201, "{}", warned.text);
    let warnings: Vec<&str> = warned.headers.get_all("warning").iter().map(|value| value.to_str().unwrap()).collect();
    assert!(warnings.contains(&r#"299 - "unknown field \"spec.u\"""#), "{warnings:?}");
    assert!(warned.json()["spec"].get("u").is_none());
    let patched =
        patch(&server, &format!("{BOXES}/a?fieldValidation=Strict"), "application/merge-patch+json", r#"{"spec":{"v":1}}"#).await;
    assert_eq!((patched.code, patched.json()["reason"].clone()), (422, json!("Invalid")));
}

/// API-14: an apply without manager, with an undeclared field, with managedFields and in conflict.
#[tokio::test]
async fn applies_are_refused_as_by_the_reference() {
    let server = server().await;
    let path = format!("{BOXES}/a");
    let body = |spec: Value| {
        json!({"apiVersion": "test.koan.dev/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": spec}).to_string()
    };
    let apply = "application/apply-patch+yaml";
    let anonymous = patch(&server, &path, apply, &body(json!({}))).await;
    assert_eq!(anonymous.code, 422);
    assert!(anonymous.message().contains("fieldManager: Required value: is required for apply patch"), "{}", anonymous.text);
    let one = patch(&server, &format!("{path}?fieldManager=one"), apply, &body(json!({"size": 2}))).await;
    assert_eq!(one.code, 201, "{}", one.text);
    let again = patch(&server, &format!("{path}?fieldManager=one"), apply, &body(json!({"size": 2}))).await;
    assert_eq!(again.json()["metadata"]["resourceVersion"], one.json()["metadata"]["resourceVersion"]);
    let two = patch(&server, &format!("{path}?fieldManager=two"), apply, &body(json!({"size": 3}))).await;
    assert_eq!(two.code, 409);
    assert_eq!(two.message(), r#"Apply failed with 1 conflict: conflict with "one": .spec.size"#);
    assert_eq!(two.json()["details"]["causes"][0]["reason"], "FieldManagerConflict");
    let forced = patch(&server, &format!("{path}?fieldManager=two&force=true"), apply, &body(json!({"size": 3}))).await;
    assert_eq!(forced.code, 200, "{}", forced.text);
    let unknown = patch(&server, &format!("{path}?fieldManager=two"), apply, &body(json!({"u": 3}))).await;
    assert_eq!(unknown.code, 500);
    assert!(unknown.message().contains(".spec.u: field not declared in schema"), "{}", unknown.text);
}

/// API-12: a wrong type and a broken rule name the field, and nothing is stored.
#[tokio::test]
async fn invalid_objects_are_refused_whole() {
    let server = server().await;
    let wrong = post(&server, BOXES, &serde_json::to_value(a_box("a", json!({"size": "x"}))).unwrap()).await;
    assert_eq!(wrong.code, 422, "{}", wrong.text);
    assert!(
        wrong.json()["details"]["causes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|cause| cause["reason"] == "FieldValueTypeInvalid" && cause["field"] == "spec.size")
    );
    let rule = post(&server, BOXES, &serde_json::to_value(a_box("a", json!({"size": 11}))).unwrap()).await;
    assert_eq!(rule.code, 422);
    assert!(rule.message().ends_with("spec: Invalid value: size must not exceed limit"), "{}", rule.message());
    assert_eq!(get(&server, &format!("{BOXES}/a")).await.code, 404);
}

/// API-11: a stale PUT conflicts, a wrong UID conflicts, a PUT of a custom resource needs a version, and a write that
/// changes nothing keeps the version.
#[tokio::test]
async fn updates_are_optimistic() {
    let server = server().await;
    let first = made(&server, "a", json!({})).await;
    let put = async |value: &Value| send(&server, Method::PUT, &format!("{BOXES}/a"), &[], value.to_string()).await;
    let same = put(&first).await;
    assert_eq!(same.json()["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let mut changed = first.clone();
    changed["spec"]["size"] = json!(5);
    changed["status"] = json!({"full": true});
    let second = put(&changed).await;
    assert_eq!((second.code, &second.json()["metadata"]["generation"], second.json().get("status")), (200, &json!(2), None));
    let stale = put(&changed).await;
    assert_eq!(stale.code, 409);
    assert_eq!(
        stale.message(),
        r#"Operation cannot be fulfilled on boxes.test.koan.dev "a": the object has been modified; please apply your changes to the latest version and try again"#
    );
    let mut unversioned = first;
    unversioned["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    assert_eq!(put(&unversioned).await.code, 422);
}

/// API-11: a dry run answers what would be and changes nothing; unknown values of dryRun and fieldValidation are refused.
#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let server = server().await;
    let before = server.snapshot_reader().revision();
    let answer = post(&server, &format!("{BOXES}?dryRun=All"), &serde_json::to_value(a_box("a", json!({}))).unwrap()).await;
    assert_eq!((answer.code, &answer.json()["spec"]["limit"]), (201, &json!(10)));
    assert_eq!(server.snapshot_reader().revision(), before);
    assert_eq!(answer.json()["metadata"].get("resourceVersion"), None);
    made(&server, "b", json!({})).await;
    let before = server.snapshot_reader().revision();
    for (method, body) in [(Method::DELETE, ""), (Method::PATCH, r#"{"spec":{"size":4}}"#)] {
        let answer =
            send(&server, method, &format!("{BOXES}/b?dryRun=All"), &[("content-type", "application/merge-patch+json")], body)
                .await;
        assert!(matches!(answer.code, 200 | 415), "{}", answer.text);
    }
    assert_eq!(server.snapshot_reader().revision(), before);
    assert_eq!(post(&server, &format!("{BOXES}?dryRun=Some"), &map("x")).await.code, 422);
    assert_eq!(post(&server, &format!("{BOXES}?fieldValidation=Some"), &map("x")).await.code, 422);
}

/// API-4, API-16: what is not served is 404 text, what is not there is a Status with the plural, and a missing namespace
/// is named.
#[tokio::test]
async fn absent_things_are_told_apart() {
    let server = server().await;
    assert_eq!(get(&server, "/apis/apps/v1/namespaces/default/deployments").await.text, "404 page not found\n");
    let absent = get(&server, &format!("{BOXES}/none")).await;
    assert_eq!(
        (absent.code, absent.json()["details"]["kind"].clone(), absent.message()),
        (404, json!("boxes"), r#"boxes.test.koan.dev "none" not found"#.to_owned())
    );
    let nowhere = post(&server, "/api/v1/namespaces/nowhere/configmaps", &map("a")).await;
    assert_eq!((nowhere.code, nowhere.message()), (404, r#"namespaces "nowhere" not found"#.to_owned()));
    assert_eq!(send(&server, Method::DELETE, "/api/v1/namespaces/default", &[], "").await.code, 403);
}

/// API-13: strategic merge patches of custom kinds get the list of accepted types; a failed test is 422.
#[tokio::test]
async fn patches_that_do_not_fit_are_refused() {
    let server = server().await;
    made(&server, "a", json!({})).await;
    let path = format!("{BOXES}/a");
    let strategic = patch(&server, &path, "application/strategic-merge-patch+json", "{}").await;
    assert_eq!(strategic.code, 415);
    assert!(strategic.message().contains("application/apply-patch+yaml"), "{}", strategic.text);
    let test = patch(&server, &path, "application/json-patch+json", r#"[{"op":"test","path":"/spec/size","value":7}]"#).await;
    assert_eq!(test.code, 422, "{}", test.text);
}

/// API-7: pages show one snapshot, count what remains, and expired or broken tokens are told apart.
#[tokio::test]
async fn lists_come_in_pages_of_one_snapshot() {
    let server = server().await;
    for name in ["a", "b", "c"] {
        assert_eq!(post(&server, MAPS, &map(name)).await.code, 201);
    }
    let first = get(&server, &format!("{MAPS}?limit=2")).await.json();
    assert_eq!(first["metadata"]["remainingItemCount"], 1);
    assert_eq!(post(&server, MAPS, &map("d")).await.code, 201);
    let token = first["metadata"]["continue"].as_str().unwrap();
    let second = get(&server, &format!("{MAPS}?limit=2&continue={token}")).await.json();
    assert_eq!(second["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
    let names: Vec<&Value> = second["items"].as_array().unwrap().iter().map(|item| &item["metadata"]["name"]).collect();
    assert_eq!(names, ["c"]);
    assert_eq!(get(&server, &format!("{MAPS}?continue=broken")).await.code, 400);
    assert_eq!(get(&server, &format!("{MAPS}?resourceVersionMatch=Exact")).await.code, 422);
    assert_eq!(get(&server, &format!("{MAPS}?resourceVersion=abc")).await.code, 400);
    assert_eq!(get(&server, &format!("{MAPS}?watch=true&resourceVersion=abc")).await.code, 500);
    assert_eq!(get(&server, &format!("{MAPS}?resourceVersion=1&resourceVersionMatch=Exact")).await.code, 410);
    let first: Value = get(&server, MAPS).await.json();
    assert_eq!((first["kind"].as_str(), first["items"][0].get("kind")), (Some("ConfigMapList"), None));
}

/// API-7: a version from the future is waited for, then 504 with the cause that clients look for.
#[tokio::test(start_paused = true)]
async fn a_future_version_times_out() {
    let server = server().await;
    let answer = get(&server, &format!("{MAPS}?resourceVersion=9999999999999999999&resourceVersionMatch=NotOlderThan")).await;
    assert_eq!(answer.code, 504, "{}", answer.text);
    assert_eq!(answer.json()["details"]["causes"][0]["reason"], "ResourceVersionTooLarge");
    assert_eq!(answer.json()["details"]["retryAfterSeconds"], 1);
}

/// API-7: selectors that cannot be read or are not supported are bad requests.
#[tokio::test]
async fn bad_selectors_are_refused() {
    let server = server().await;
    let field = get(&server, &format!("{BOXES}?fieldSelector=spec.size%3D1")).await;
    assert_eq!((field.code, field.message()), (400, "field label not supported: spec.size".to_owned()));
    assert_eq!(get(&server, &format!("{BOXES}?labelSelector=a%20b")).await.code, 400);
}

/// API-8: initial events end with the marked bookmark, and leaving a selector is a deletion under the new version.
#[tokio::test]
async fn a_watch_streams_its_list_first() {
    let server = server().await;
    made(&server, "a", json!({"color": "red"})).await;
    made(&server, "b", json!({"color": "blue"})).await;
    let path = format!(
        "{BOXES}?watch=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&fieldSelector=spec.color%3Dred"
    );
    let mut response = start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await;
    let mut buffer = Vec::new();
    let added = line(&mut response, &mut buffer).await.unwrap();
    assert_eq!((&added["type"], &added["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("a")));
    let mark = line(&mut response, &mut buffer).await.unwrap();
    assert_eq!(mark["type"], "BOOKMARK");
    assert_eq!(mark["object"]["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    let left = patch(&server, &format!("{BOXES}/a"), "application/merge-patch+json", r#"{"spec":{"color":"blue"}}"#).await.json();
    let gone = line(&mut response, &mut buffer).await.unwrap();
    assert_eq!((&gone["type"], &gone["object"]["spec"]["color"]), (&json!("DELETED"), &json!("red")));
    assert_eq!(gone["object"]["metadata"]["resourceVersion"], left["metadata"]["resourceVersion"]);
}

/// API-10: what the trap lists of other servers name: no Content-Type is JSON, and nested defaults are filled.
#[tokio::test]
async fn a_body_without_content_type_is_json() {
    let server = server().await;
    let value = serde_json::to_value(a_box("a", json!({"lid": {}, "size": null}))).unwrap();
    let answer = send(&server, Method::POST, BOXES, &[], value.to_string()).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    assert_eq!(answer.json()["spec"], json!({"lid": {"tight": true}, "limit": 10, "size": 1}));
}

/// API-18: a Table has the definition's columns, in a watch only in its first row.
#[tokio::test]
async fn tables_show_the_columns() {
    let server = server().await;
    made(&server, "a", json!({"size": 3})).await;
    let accept = [("accept", "application/json;as=Table;v=v1;g=meta.k8s.io,application/json")];
    let table = send(&server, Method::GET, BOXES, &accept, "").await.json();
    assert_eq!(table["kind"], "Table");
    assert_eq!(table["rows"][0]["cells"], json!(["a", 3]));
    assert_eq!(table["rows"][0]["object"]["kind"], "PartialObjectMetadata");
    let metadata =
        send(&server, Method::GET, BOXES, &[("accept", "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io")], "")
            .await;
    assert_eq!(metadata.json()["items"][0]["metadata"]["name"], "a", "{}", metadata.text);
}

/// API-17: both forms of discovery name the kind, and a client that has the document gets 304.
#[tokio::test]
async fn discovery_has_both_forms() {
    let server = server().await;
    let accept = ("accept", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json");
    let aggregated = send(&server, Method::GET, "/apis", &[accept], "").await;
    assert!(aggregated.text.contains(r#""resource":"boxes""#), "{}", aggregated.text);
    let tag = aggregated.headers["etag"].to_str().unwrap().to_owned();
    let again = send(&server, Method::GET, "/apis", &[accept, ("if-none-match", &tag)], "").await;
    assert_eq!((again.code, again.text.as_str()), (304, ""));
    let legacy = get(&server, "/apis/test.koan.dev/v1/").await.json();
    let names: Vec<&Value> = legacy["resources"].as_array().unwrap().iter().map(|resource| &resource["name"]).collect();
    assert_eq!(names, ["boxes", "boxes/status", "boxes/scale"]);
    assert_eq!(get(&server, "/version/").await.json()["minor"], "36");
    assert_eq!(get(&server, "/readyz").await.text, "ok");
}

/// API-20: health is `ok` as plain text, `?verbose` lists the checks, and `/version` is the reference's with Koan's own behind it.
#[tokio::test]
async fn health_and_version_are_told() {
    let server = server().await;
    for path in ["/healthz", "/livez", "/readyz"] {
        let plain = get(&server, path).await;
        assert_eq!((plain.code, plain.text.as_str()), (200, "ok"), "{path}");
        assert!(plain.headers["content-type"].to_str().unwrap().starts_with("text/plain"), "{path}");
        assert!(get(&server, &format!("{path}?verbose")).await.text.contains("[+]"), "{path}");
    }
    let version = get(&server, "/version").await.json();
    assert_eq!((&version["major"], &version["minor"]), (&json!("1"), &json!("36")));
    assert!(version["gitVersion"].as_str().unwrap().starts_with("v1.36.0+koan."), "{version}");
}

/// API-12: a built-in kind with a value of the wrong type is a bad request, as where it is decoded into a fixed type.
#[tokio::test]
async fn wrong_types_of_core_kinds_are_bad_requests() {
    let server = server().await;
    let mut wrong = map("a");
    wrong["data"]["a"] = json!(1);
    let answer = post(&server, MAPS, &wrong).await;
    assert_eq!(answer.code, 400, "{}", answer.text);
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "a"}, "data": {"k": "not base64!"}});
    assert!(matches!(post(&server, "/api/v1/namespaces/default/secrets", &secret).await.code, 400));
}

/// API-11: `generateName` gets five characters; a name that is taken is refused.
#[tokio::test]
async fn names_are_generated() {
    let server = server().await;
    let value = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "x-"}});
    let name = post(&server, MAPS, &value).await.json()["metadata"]["name"].as_str().unwrap().to_owned();
    assert_eq!((name.len(), &name[..2]), (7, "x-"));
    let taken = post(&server, MAPS, &map(&name)).await;
    assert_eq!((taken.code, taken.json()["reason"].clone()), (409, json!("AlreadyExists")));
}

/// API-15: one stored event has two shapes, and both shapes are found by their own field names.
#[tokio::test]
async fn an_event_has_two_shapes() {
    let server = server().await;
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = json!({
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "a"}, "eventTime": "2025-01-02T03:04:05.000006Z",
        "reportingController": "koan.dev/stack", "reportingInstance": "koan", "action": "Start", "reason": "Started", "type": "Normal",
        "note": "started", "regarding": {"kind": "Box", "namespace": "default", "name": "b", "uid": "u"},
    });
    assert_eq!(post(&server, events, &event).await.code, 201);
    let old = get(&server, "/api/v1/namespaces/default/events?fieldSelector=involvedObject.uid%3Du,involvedObject.name%3Db")
        .await
        .json();
    assert_eq!(
        (&old["items"][0]["message"], &old["items"][0]["reportingComponent"]),
        (&json!("started"), &json!("koan.dev/stack"))
    );
    let new = get(&server, &format!("{events}?fieldSelector=regarding.name%3Db")).await.json();
    assert_eq!((&new["items"][0]["note"], &new["items"][0]["regarding"]["uid"]), (&json!("started"), &json!("u")));
    let none = get(&server, &format!("{events}?fieldSelector=regarding.name%3Dother")).await.json();
    assert_eq!(none["items"], json!([]));
}

/// API-11: an optimistic PUT of a Lease is won by one of two candidates.
#[tokio::test]
async fn a_lease_is_won_once() {
    let server = server().await;
    let leases = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "a"}, "spec": {"holderIdentity": "x"}});
    let mut held = post(&server, leases, &lease).await.json();
    held["spec"]["holderIdentity"] = json!("y");
    let path = format!("{leases}/a");
    let (first, second) = tokio::join!(
        send(&server, Method::PUT, &path, &[], held.to_string()),
        send(&server, Method::PUT, &path, &[], held.to_string().replace("\"y\"", "\"z\"")),
    );
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes, [200, 409]);
}

/// API-2: `/scale` reads and writes the replicas under the paths of the definition.
#[tokio::test]
async fn a_box_is_scaled() {
    let server = server().await;
    made(&server, "a", json!({"size": 2})).await;
    let path = format!("{BOXES}/a/scale");
    let scale = get(&server, &path).await.json();
    assert_eq!(
        (&scale["kind"], &scale["spec"]["replicas"], &scale["status"]["replicas"]),
        (&json!("Scale"), &json!(2), &json!(0))
    );
    let scaled = patch(&server, &path, "application/merge-patch+json", r#"{"spec":{"replicas":5}}"#).await;
    assert_eq!(scaled.json()["spec"]["replicas"], 5, "{}", scaled.text);
    let stored = get(&server, &format!("{BOXES}/a")).await.json();
    assert_eq!((&stored["spec"]["size"], &stored["metadata"]["generation"]), (&json!(5), &json!(2)));
    assert_eq!(patch(&server, &path, "application/merge-patch+json", r#"{"spec":{"replicas":-1}}"#).await.code, 422);
}
