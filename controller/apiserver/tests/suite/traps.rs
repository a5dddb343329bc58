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
