//! Finalizers, owners and namespaces.

use http::Method;
use koan_apiserver::Server;
use serde_json::{Value, json};

use super::support::*;

fn map(name: &str, owner: Option<(&str, &str, bool)>, finalizers: &[&str]) -> Value {
    let mut metadata = json!({"name": name, "finalizers": finalizers});
    if let Some((owner, uid, block)) = owner {
        metadata["ownerReferences"] =
            json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": uid, "blockOwnerDeletion": block}]);
    }
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
}

async fn make(server: &Server, value: &Value) -> String {
    let answer = post(server, MAPS, value).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    answer.json()["metadata"]["uid"].as_str().unwrap().to_owned()
}

async fn delete(server: &Server, name: &str, options: &Value) -> Answer {
    send(server, Method::DELETE, &format!("{MAPS}/{name}"), &[], options.to_string()).await
}

async fn gone(server: &Server, name: &str) {
    until(name, async || (get(server, &format!("{MAPS}/{name}")).await.code == 404).then_some(())).await;
}

/// API-15: an object with finalizers stays until the last is removed; none can be added meanwhile.
#[tokio::test]
async fn finalizers_hold_an_object() {
    let server = server().await;
    make(&server, &map("a", None, &["koan.dev/cleanup"])).await;
    let held = delete(&server, "a", &json!({})).await;
    assert!(held.json()["metadata"]["deletionTimestamp"].is_string(), "{}", held.text);
    let merge = "application/merge-patch+json";
    let path = format!("{MAPS}/a");
    let added = patch(&server, &path, merge, r#"{"metadata":{"finalizers":["koan.dev/cleanup","koan.dev/more"]}}"#).await;
    assert_eq!(added.code, 422);
    assert!(added.message().contains("Forbidden: no new finalizers"), "{}", added.text);
    assert_eq!(patch(&server, &path, merge, r#"{"metadata":{"finalizers":null}}"#).await.code, 200);
    assert_eq!(get(&server, &path).await.code, 404);
    let done = delete(&server, "a", &json!({})).await;
    assert_eq!(done.code, 404);
}

/// API-15: preconditions are checked; a delete that succeeds says what went.
#[tokio::test]
async fn preconditions_are_checked() {
    let server = server().await;
    let uid = make(&server, &map("a", None, &[])).await;
    assert_eq!(delete(&server, "a", &json!({"preconditions": {"uid": "other"}})).await.code, 409);
    let done = delete(&server, "a", &json!({"preconditions": {"uid": uid}})).await.json();
    assert_eq!(done["details"], json!({"name": "a", "kind": "configmaps", "uid": uid}));
}

/// API-15, P9: dependents follow their owner by uid; one with a living second owner only loses the dead reference; one that
/// names the uid of an older owner of the same name goes too.
#[tokio::test]
async fn dependents_follow_their_owner() {
    let server = server().await;
    let first = make(&server, &map("owner", None, &[])).await;
    let second = make(&server, &map("other", None, &[])).await;
    make(&server, &map("child", Some(("owner", &first, false)), &[])).await;
    let mut shared = map("shared", Some(("owner", &first, false)), &[]);
    let reference = json!({"apiVersion": "v1", "kind": "ConfigMap", "name": "other", "uid": second});
    shared["metadata"]["ownerReferences"].as_array_mut().unwrap().push(reference.clone());
    make(&server, &shared).await;
    assert_eq!(delete(&server, "owner", &json!({})).await.code, 200);
    gone(&server, "child").await;
    until("stripped", async || {
        let owners = get(&server, &format!("{MAPS}/shared")).await.json()["metadata"]["ownerReferences"].clone();
        (owners == json!([reference])).then_some(())
    })
    .await;
    make(&server, &map("owner", None, &[])).await;
    make(&server, &map("late", Some(("owner", &first, false)), &[])).await;
    gone(&server, "late").await;
}

/// API-15: Foreground keeps the owner until its blocking dependents are gone; Orphan lets them go on.
#[tokio::test]
async fn propagation_is_honoured() {
    let server = server().await;
    let uid = make(&server, &map("front", None, &[])).await;
    make(&server, &map("blocks", Some(("front", &uid, true)), &["koan.dev/cleanup"])).await;
    delete(&server, "front", &json!({"propagationPolicy": "Foreground"})).await;
    until("marked", async || {
        get(&server, &format!("{MAPS}/blocks")).await.json()["metadata"]["deletionTimestamp"].is_string().then_some(())
    })
    .await;
    assert_eq!(get(&server, &format!("{MAPS}/front")).await.code, 200);
    patch(&server, &format!("{MAPS}/blocks"), "application/merge-patch+json", r#"{"metadata":{"finalizers":null}}"#).await;
    gone(&server, "front").await;

    let uid = make(&server, &map("parent", None, &[])).await;
    make(&server, &map("orphan", Some(("parent", &uid, true)), &[])).await;
    delete(&server, "parent", &json!({"propagationPolicy": "Orphan"})).await;
    gone(&server, "parent").await;
    assert!(get(&server, &format!("{MAPS}/orphan")).await.json()["metadata"].get("ownerReferences").is_none());
}

/// API-15: two objects that own each other in the foreground both end.
#[tokio::test]
async fn cycles_of_owners_end() {
    let server = server().await;
    let first = make(&server, &map("a", None, &[])).await;
    let second = make(&server, &map("b", Some(("a", &first, true)), &[])).await;
    let back = json!({"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "b", "uid": second, "blockOwnerDeletion": true}]}});
    assert_eq!(patch(&server, &format!("{MAPS}/a"), "application/merge-patch+json", &back.to_string()).await.code, 200);
    delete(&server, "a", &json!({"propagationPolicy": "Foreground"})).await;
    gone(&server, "a").await;
    gone(&server, "b").await;
}

/// API-16: a deleted namespace takes nothing new, is emptied, says what remains, and goes.
#[tokio::test]
async fn a_namespace_ends_with_its_contents() {
    let server = server().await;
    let namespaces = "/api/v1/namespaces";
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "team"}});
    let made = post(&server, namespaces, &namespace).await.json();
    assert_eq!(
        (&made["status"]["phase"], &made["metadata"]["labels"]["kubernetes.io/metadata.name"]),
        (&json!("Active"), &json!("team"))
    );
    let inside = format!("{namespaces}/team/configmaps");
    post(&server, &inside, &map("held", None, &["koan.dev/cleanup"])).await;
    post(&server, &inside, &map("free", None, &[])).await;
    let ended = send(&server, Method::DELETE, &format!("{namespaces}/team"), &[], "").await.json();
    assert_eq!(ended["status"]["phase"], "Terminating");
    let refused = post(&server, &inside, &map("new", None, &[])).await;
    assert_eq!(refused.code, 403);
    assert!(refused.message().ends_with("because it is being terminated"), "{}", refused.text);
    until("conditions", async || {
        let conditions = get(&server, &format!("{namespaces}/team")).await.json()["status"]["conditions"].clone();
        let remaining =
            conditions.as_array()?.iter().find(|condition| condition["type"] == "NamespaceFinalizersRemaining")?.clone();
        (remaining["status"] == "True" && remaining["message"].as_str()?.contains("koan.dev/cleanup in 1")).then_some(())
    })
    .await;
    patch(&server, &format!("{inside}/held"), "application/merge-patch+json", r#"{"metadata":{"finalizers":null}}"#).await;
    until("gone", async || (get(&server, &format!("{namespaces}/team")).await.code == 404).then_some(())).await;
}

/// API-8, API-15: a collection delete sends a DELETED event for each object.
#[tokio::test]
async fn a_collection_delete_is_watched() {
    let server = server().await;
    for name in ["a", "b"] {
        make(&server, &map(name, None, &[])).await;
    }
    let version = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let mut response =
        start(&server, Method::GET, &format!("{MAPS}?watch=true&resourceVersion={version}"), &[], bytes::Bytes::new()).await;
    assert_eq!(send(&server, Method::DELETE, MAPS, &[], "").await.code, 200);
    let mut buffer = Vec::new();
    for name in ["a", "b"] {
        let event = line(&mut response, &mut buffer).await.unwrap();
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("DELETED"), &json!(name)));
    }
}

/// API-4: an event is kept for an hour after it last happened, then it goes by itself.
#[tokio::test(start_paused = true)]
async fn old_events_go() {
    let clock = Hand::at(1_700_000_000);
    let server = Server::builder().clock(std::sync::Arc::new(clock.clone())).start().await.unwrap();
    let events = "/api/v1/namespaces/default/events";
    let event =
        json!({"metadata": {"name": "a"}, "involvedObject": {"kind": "Box", "namespace": "default", "name": "b"}, "reason": "R"});
    assert_eq!(post(&server, events, &event).await.code, 201);
    let path = format!("{events}/a");
    tokio::time::sleep(std::time::Duration::from_secs(301)).await;
    assert_eq!(get(&server, &path).await.code, 200);
    clock.0.fetch_add(3_601, std::sync::atomic::Ordering::Relaxed);
    tokio::time::sleep(std::time::Duration::from_secs(301)).await;
    assert_eq!(get(&server, &path).await.code, 404);
}

/// API-1, section 1: the account `default` that somebody deletes is there again at once, with a new UID; that of a namespace which is
/// going stays away.
#[tokio::test]
async fn the_default_account_comes_back() {
    let server = Server::builder().start().await.unwrap();
    let path = "/api/v1/namespaces/default/serviceaccounts/default";
    let before = get(&server, path).await.json()["metadata"]["uid"].clone();
    assert_eq!(send(&server, Method::DELETE, path, &[], "").await.code, 200);
    let after = until("the account is there again", async || {
        let answer = get(&server, path).await;
        (answer.code == 200).then(|| answer.json()["metadata"]["uid"].clone())
    })
    .await;
    assert_ne!(after, before);
    let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "going"}});
    assert_eq!(post(&server, "/api/v1/namespaces", &space).await.code, 201);
    send(&server, Method::DELETE, "/api/v1/namespaces/going", &[], "").await;
    until("the namespace goes", async || (get(&server, "/api/v1/namespaces/going").await.code == 404).then_some(())).await;
}
