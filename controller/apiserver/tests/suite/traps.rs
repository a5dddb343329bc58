//! What wedged or broke other servers' clients.

use std::sync::{Arc, Mutex};

use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::{Method, Request, Response};
use koan_apiserver::{Body, Memory, Server, Service};
use kube::Client;
use kube::api::{Api, DynamicObject};
use kube_runtime::watcher;
use serde_json::json;
use tower::ServiceExt as _;

use super::support::*;

/// P11, REL-4, API-9: the store is replaced by an older one while a stock watcher watches; the watcher gets its
/// "expired" inside the stream and finds the new contents.
#[tokio::test]
async fn p11_a_watcher_survives_a_store_that_went_back() {
    let newer = Server::builder().crds(vec![definition()]).clock(Arc::new(Hand::at(2_000_000))).start().await.unwrap();
    let older = Server::builder()
        .crds(vec![definition()])
        .clock(Arc::new(Hand::at(1_000_000)))
        .journal(Memory::new())
        .start()
        .await
        .unwrap();
    boxes(&client(&newer)).create(&Default::default(), &a_box("new", json!({}))).await.unwrap();
    boxes(&client(&older)).create(&Default::default(), &a_box("old", json!({}))).await.unwrap();
    let current: Arc<Mutex<Service>> = Arc::new(Mutex::new(newer.service()));
    let switch = Arc::clone(&current);
    let service = tower::service_fn(move |request: Request<kube::client::Body>| {
        let service = switch.lock().unwrap().clone();
        async move { service.oneshot(request).await as Result<Response<Body>, std::convert::Infallible> }
    });
    let api: Api<DynamicObject> = Api::namespaced_with(Client::new(service, "default"), "default", &resource());
    let mut events = watcher(api, watcher::Config::default()).boxed();
    seen(&mut events, "new").await;
    *current.lock().unwrap() = older.service();
    newer.shutdown();
    seen(&mut events, "old").await;
}

/// Waits until the watcher shows the object `wanted`.
async fn seen(events: &mut BoxStream<'_, watcher::Result<watcher::Event<DynamicObject>>>, wanted: &str) {
    until(wanted, async || match events.next().await {
        Some(Ok(watcher::Event::InitApply(object) | watcher::Event::Apply(object))) => {
            (object.metadata.name.as_deref() == Some(wanted)).then_some(())
        }
        _ => None,
    })
    .await;
}

/// P11, API-9: a watch from the future and one from the forgotten past start with 200 and say 410 inside.
#[tokio::test]
async fn p11_expiry_comes_inside_the_stream() {
    let server = server().await;
    for version in ["1", "99999999999999999"] {
        let path = format!("{BOXES}?watch=true&resourceVersion={version}");
        let mut response = start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await;
        assert_eq!(response.status(), 200);
        let event = line(&mut response, &mut Vec::new()).await.unwrap();
        assert_eq!(
            (&event["type"], &event["object"]["code"], &event["object"]["reason"]),
            (&json!("ERROR"), &json!(410), &json!("Expired"))
        );
    }
}

/// P12, API-13: a JSON patch that tests an absent field against null passes, as every finalizer library expects.
#[tokio::test]
async fn p12_the_finalizer_patch_is_accepted() {
    let server = server().await;
    assert_eq!(post(&server, BOXES, &serde_json::to_value(a_box("a", json!({}))).unwrap()).await.code, 201);
    let body = json!([
        {"op": "test", "path": "/metadata/finalizers", "value": null},
        {"op": "add", "path": "/metadata/finalizers", "value": ["koan.dev/cleanup"]},
    ]);
    let answer = patch(&server, &format!("{BOXES}/a"), "application/json-patch+json", &body.to_string()).await;
    assert_eq!(answer.code, 200, "{}", answer.text);
    assert_eq!(answer.json()["metadata"]["finalizers"], json!(["koan.dev/cleanup"]));
}

/// Section 8, API-8, API-15, API-11: a watch from a version replays nothing older, and a deletion of a collection is an event for each
/// object, under a version of its own.
#[tokio::test]
async fn a_watch_begins_where_it_is_told_and_sees_collections_go() {
    let server = server().await;
    let map = |name: &str| json!({"metadata": {"name": name}});
    for name in ["a", "b"] {
        assert_eq!(post(&server, MAPS, &map(name)).await.code, 201);
    }
    let from = get(&server, MAPS).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{MAPS}?watch=true&resourceVersion={from}");
    let mut watch = start(&server, Method::GET, &path, &[], bytes::Bytes::new()).await;
    let mut buffer = Vec::new();
    assert_eq!(post(&server, MAPS, &map("c")).await.code, 201);
    let first = line(&mut watch, &mut buffer).await.unwrap();
    assert_eq!((&first["type"], &first["object"]["metadata"]["name"]), (&json!("ADDED"), &json!("c")));
    assert_eq!(send(&server, Method::DELETE, MAPS, &[], "").await.code, 200);
    let mut gone = Vec::new();
    for _ in 0..3 {
        let event = line(&mut watch, &mut buffer).await.unwrap();
        assert_eq!(event["type"], "DELETED");
        let text = |field: &str| event["object"]["metadata"][field].as_str().unwrap().to_owned();
        gone.push((text("resourceVersion").parse::<u64>().unwrap(), text("name")));
    }
    assert!(gone.is_sorted_by(|earlier, later| earlier.0 < later.0), "{gone:?}");
    gone.sort_by(|left, right| left.1.cmp(&right.1));
    assert_eq!(gone.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

/// Section 8, API-11: a status that is written under a stale version changes nothing, and a dry run of any verb neither stores nor
/// counts nor tells anybody.
#[tokio::test]
async fn refused_and_dry_writes_leave_no_trace() {
    let server = server().await;
    let made = post(&server, BOXES, &serde_json::to_value(a_box("a", json!({}))).unwrap()).await.json();
    let path = format!("{BOXES}/a");
    let full = |version: &serde_json::Value, full: bool| {
        let mut value = made.clone();
        value["metadata"]["resourceVersion"] = version.clone();
        value["status"] = json!({"full": full});
        value.to_string()
    };
    let json = [("content-type", "application/json")];
    let status = format!("{path}/status");
    let stale = made["metadata"]["resourceVersion"].clone();
    assert_eq!(send(&server, Method::PUT, &status, &json, full(&stale, true)).await.code, 200);
    let before = get(&server, &path).await.json();
    let from = before["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let watched = format!("{BOXES}?watch=true&resourceVersion={from}");
    let mut watch = start(&server, Method::GET, &watched, &[], bytes::Bytes::new()).await;
    assert_eq!(send(&server, Method::PUT, &status, &json, full(&stale, false)).await.code, 409);
    let merge = [("content-type", "application/merge-patch+json")];
    let dry = async |method: Method, path: &str, headers: &[(&str, &str)], body: String| {
        let separator = if path.contains('?') { '&' } else { '?' };
        send(&server, method, &format!("{path}{separator}dryRun=All"), headers, body).await.code
    };
    assert_eq!(dry(Method::PATCH, &path, &merge, json!({"spec": {"size": 3}}).to_string()).await, 200);
    assert_eq!(dry(Method::PATCH, &status, &merge, json!({"status": {"full": false}}).to_string()).await, 200);
    let apply = [("content-type", "application/apply-patch+yaml")];
    let applied = json!({"apiVersion": "test.koan.dev/v1", "kind": "Box", "metadata": {"name": "a"}, "spec": {"size": 4}});
    assert_eq!(dry(Method::PATCH, &format!("{path}?fieldManager=x&force=true"), &apply, applied.to_string()).await, 200);
    assert_eq!(dry(Method::DELETE, &path, &[], String::new()).await, 200);
    assert_eq!(dry(Method::DELETE, BOXES, &[], String::new()).await, 200);
    assert_eq!(get(&server, &path).await.json(), before);
    assert_eq!(get(&server, BOXES).await.json()["metadata"]["resourceVersion"], before["metadata"]["resourceVersion"]);
    // The next event is the next real write.
    assert_eq!(patch(&server, &path, "application/merge-patch+json", "{\"spec\":{\"size\":5}}").await.code, 200);
    let event = line(&mut watch, &mut Vec::new()).await.unwrap();
    assert_eq!((&event["type"], &event["object"]["spec"]["size"]), (&json!("MODIFIED"), &json!(5)));
}

/// Section 8, API-17: who has an old document gets the new one once it changed, never 304, and an address with the old hash still
/// leads to a document.
#[tokio::test]
async fn a_changed_document_is_sent_again() {
    let server = server().await;
    let index = async || get(&server, "/openapi/v3").await.json()["paths"]["apis/test.koan.dev/v1"]["serverRelativeURL"].clone();
    let address = index().await.as_str().unwrap().to_owned();
    let mut tags = Vec::new();
    for path in ["/openapi/v2", "/openapi/v3", "/apis"] {
        let accept = [("accept", "application/json")];
        let tag = send(&server, Method::GET, path, &accept, "").await.headers["etag"].to_str().unwrap().to_owned();
        assert_eq!(send(&server, Method::GET, path, &[accept[0], ("if-none-match", &tag)], "").await.code, 304, "{path}");
        tags.push((path, tag));
    }
    let mut second = definition();
    second["metadata"]["name"] = json!("crates.other.koan.dev");
    second["spec"]["group"] = json!("other.koan.dev");
    second["spec"]["names"] = json!({"kind": "Crate", "plural": "crates"});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    assert_eq!(post(&server, path, &second).await.code, 201);
    let mut changed = definition();
    changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["depth"] =
        json!({"type": "integer"});
    let merge = json!({"spec": {"versions": changed["spec"]["versions"]}}).to_string();
    let patched = patch(&server, &format!("{path}/boxes.test.koan.dev"), "application/merge-patch+json", &merge).await;
    assert_eq!(patched.code, 200, "{}", patched.text);
    for (path, tag) in tags {
        let again = send(&server, Method::GET, path, &[("accept", "application/json"), ("if-none-match", &tag)], "").await;
        assert_eq!(again.code, 200, "{path}");
        assert_ne!(again.headers["etag"].to_str().unwrap(), tag, "{path}");
    }
    assert_ne!(index().await, json!(address));
    let old = get(&server, &address).await;
    assert_eq!(old.code, 301, "{}", old.text);
    let current = get(&server, old.headers["location"].to_str().unwrap()).await;
    assert!(current.code == 200 && current.text.contains("depth"), "{}", current.text);
}
