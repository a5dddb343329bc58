//! Servers, clients and waiting, for all topics.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt as _, Full};
use koan_apiserver::{Body, Server};
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use serde_json::{Value, json};
use tower::ServiceExt as _;

/// How long a test waits for a condition before it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A definition with a default, a rule, a list map, a status and a printer column.
pub(crate) fn definition() -> Value {
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "boxes.test.koan.dev"},
        "spec": {
            "group": "test.koan.dev",
            "names": {"kind": "Box", "plural": "boxes", "shortNames": ["bx"], "categories": ["all"]},
            "scope": "Namespaced",
            "versions": [{
                "name": "v1", "served": true, "storage": true,
                "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.count"}},
                "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
                "selectableFields": [{"jsonPath": ".spec.color"}],
                "schema": {"openAPIV3Schema": schema()},
            }],
        },
    })
}

fn schema() -> Value {
    let spec = json!({
        "type": "object",
        "x-kubernetes-validations": [{"rule": "self.size <= self.limit", "message": "size must not exceed limit"}],
        "properties": {
            "size": {"type": "integer", "default": 1},
            "limit": {"type": "integer", "default": 10},
            "color": {"type": "string"},
            "lid": {"type": "object", "default": {}, "properties": {"tight": {"type": "boolean", "default": true}}},
            "parts": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
                "items": {"type": "object", "required": ["name"], "properties": {
                    "name": {"type": "string"}, "count": {"type": "integer"},
                }},
            },
        },
    });
    json!({"type": "object", "properties": {
        "spec": spec,
        "status": {"type": "object", "properties": {"full": {"type": "boolean"}, "count": {"type": "integer"}, "note": {"type": "string"}}},
    }})
}

/// A server with the test definition, in memory.
pub(crate) async fn server() -> Server {
    Server::builder().crds(vec![definition()]).start().await.unwrap()
}

/// A stock client without a socket.
pub(crate) fn client(server: &Server) -> Client {
    Client::new(server.service(), "default")
}

/// The test kind.
pub(crate) fn boxes(client: &Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), "default", &resource())
}

/// The test kind's names.
pub(crate) fn resource() -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk("test.koan.dev", "v1", "Box"), "boxes")
}

/// A box from its name and spec.
pub(crate) fn a_box(name: &str, spec: Value) -> DynamicObject {
    serde_json::from_value(json!({
        "apiVersion": "test.koan.dev/v1", "kind": "Box", "metadata": {"name": name}, "spec": spec,
    }))
    .unwrap()
}

/// The answer to a request in HTTP terms.
pub(crate) struct Answer {
    pub(crate) code: u16,
    pub(crate) headers: http::HeaderMap,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }

    pub(crate) fn message(&self) -> String {
        self.json()["message"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends one request in process, with headers given as pairs.
pub(crate) async fn send(
    server: &Server,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Bytes>,
) -> Answer {
    let response = start(server, method, path, headers, body.into()).await;
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    Answer { code: parts.status.as_u16(), headers: parts.headers, text: String::from_utf8(bytes.to_vec()).unwrap() }
}

/// Sends one request and leaves its body unread, for watches.
pub(crate) async fn start(server: &Server, method: Method, path: &str, headers: &[(&str, &str)], body: Bytes) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    server.service().oneshot(request.body(Full::new(body)).unwrap()).await.unwrap()
}

/// GET of a path.
pub(crate) async fn get(server: &Server, path: &str) -> Answer {
    send(server, Method::GET, path, &[], "").await
}

/// POST of a JSON value.
pub(crate) async fn post(server: &Server, path: &str, value: &Value) -> Answer {
    send(server, Method::POST, path, &[("content-type", "application/json")], value.to_string()).await
}

/// PATCH with a media type.
pub(crate) async fn patch(server: &Server, path: &str, media: &str, body: &str) -> Answer {
    send(server, Method::PATCH, path, &[("content-type", media)], body.to_owned()).await
}

/// The path of the test kind in the default namespace.
pub(crate) const BOXES: &str = "/apis/test.koan.dev/v1/namespaces/default/boxes";
/// The path of ConfigMaps in the default namespace.
pub(crate) const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// The next line of a watch.
pub(crate) async fn line(response: &mut Response<Body>, buffer: &mut Vec<u8>) -> Option<Value> {
    loop {
        if let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = buffer.drain(..=end).collect();
            return Some(serde_json::from_slice(&line).unwrap());
        }
        let frame = tokio::time::timeout(PATIENCE, response.body_mut().frame()).await.expect("a watch line in time")?;
        buffer.extend_from_slice(&frame.unwrap().into_data().unwrap());
    }
}

/// Waits until `ready` gives a value.
pub(crate) async fn until<T>(what: &str, mut ready: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        if let Some(value) = ready().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < deadline, "not reached in time: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct Hand(pub(crate) Arc<std::sync::atomic::AtomicI64>);

impl Hand {
    pub(crate) fn at(second: i64) -> Self {
        Self(Arc::new(std::sync::atomic::AtomicI64::new(second)))
    }
}

impl koan_apiserver::Clock for Hand {
    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(self.0.load(std::sync::atomic::Ordering::Relaxed)).unwrap()
    }
}
