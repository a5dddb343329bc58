//! A relay between a client and a server that keeps what is asked and can take one feature away from the server.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// What a server may lack, by the names of the command line.
pub(crate) const FEATURES: [&str; 11] = [
    "openapi-v3",
    "openapi-v2",
    "aggregated-discovery",
    "table",
    "bookmarks",
    "streaming-lists",
    "apply",
    "strategic-merge-patch",
    "merge-patch",
    "protobuf-bodies",
    "watch",
];

/// Requests that are kept; later ones are passed on only.
const KEPT: usize = 10_000;

/// The relay of one client.
pub(crate) struct Relay {
    client: Client,
    /// The feature that the server seems to lack; none of them for `None`.
    lacking: Option<&'static str>,
    requests: Mutex<Vec<Value>>,
}

impl Relay {
    pub(crate) fn new(client: Client, lacking: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { client, lacking, requests: Mutex::default() })
    }

    /// What was asked so far, as requests of a corpus of `tests/goldens`.
    pub(crate) fn requests(&self) -> Vec<Value> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Answers the connections of `listener`, in plain HTTP, for as long as it is polled.
    pub(crate) async fn serve(self: Arc<Self>, listener: TcpListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let relay = Arc::clone(&self);
            tokio::spawn(async move {
                let service = service_fn(move |request| {
                    let relay = Arc::clone(&relay);
                    async move { Ok::<_, Infallible>(relay.answer(request).await) }
                });
                // Why a client went away is its own affair.
                let _ = Builder::new(TokioExecutor::new()).serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let (mut parts, body) = request.into_parts();
        let Ok(body) = body.collect().await else { return refusal(StatusCode::BAD_REQUEST) };
        let body = body.to_bytes().to_vec();
        self.keep(&parts, &body);
        if let Some(code) = self.refused(&parts) {
            return refusal(code);
        }
        parts.headers.remove(header::HOST);
        self.narrow(&mut parts);
        let request = Request::from_parts(parts, Body::from(body));
        self.client.send(request).await.unwrap_or_else(|_| refusal(StatusCode::BAD_GATEWAY))
    }

    /// Notes a request without what differs from run to run.
    fn keep(&self, parts: &http::request::Parts, body: &[u8]) {
        let mut headers = json!({});
        for name in ["accept", "content-type"] {
            if let Some(value) = parts.headers.get(name).and_then(|value| value.to_str().ok()) {
                headers[name] = json!(value);
            }
        }
        let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
        let mut request = json!({"method": parts.method.as_str(), "path": path, "headers": headers});
        if !body.is_empty() {
            match serde_json::from_slice::<Value>(body) {
                Ok(value) => request["body"] = value,
                Err(_) => request["body64"] = json!(STANDARD.encode(body)),
            }
        }
        let mut requests = self.requests.lock().unwrap_or_else(PoisonError::into_inner);
        if requests.len() < KEPT {
            requests.push(request);
        }
    }

    /// The code of a server that lacks the feature, where that is not an answer in another form.
    fn refused(&self, parts: &http::request::Parts) -> Option<StatusCode> {
        let lacks = |feature| self.lacking == Some(feature);
        let path = parts.uri.path();
        let query = parts.uri.query().unwrap_or_default();
        let body_type = text(&parts.headers, &header::CONTENT_TYPE);
        if (lacks("openapi-v3") && path.starts_with("/openapi/v3")) || (lacks("openapi-v2") && path.starts_with("/openapi/v2")) {
            return Some(StatusCode::NOT_FOUND);
        }
        let unsupported = (lacks("apply") && body_type.starts_with("application/apply-patch"))
            || (lacks("strategic-merge-patch") && body_type.starts_with("application/strategic-merge-patch"))
            || (lacks("merge-patch") && body_type.starts_with("application/merge-patch"))
            || (lacks("protobuf-bodies") && body_type.contains("protobuf"));
        if unsupported {
            return Some(StatusCode::UNSUPPORTED_MEDIA_TYPE);
        }
        if lacks("watch") && query.split('&').any(|pair| matches!(pair, "watch=true" | "watch=1")) {
            return Some(StatusCode::METHOD_NOT_ALLOWED);
        }
        (lacks("streaming-lists") && query.contains("sendInitialEvents=true")).then_some(StatusCode::UNPROCESSABLE_ENTITY)
    }

    /// Takes the feature out of a request, so that the server answers as one which does not know it.
    fn narrow(&self, parts: &mut http::request::Parts) {
        let unwanted = match self.lacking {
            Some("aggregated-discovery") => "as=APIGroupDiscoveryList",
            Some("table") => "as=Table",
            Some("bookmarks") => {
                let pairs = parts.uri.query().unwrap_or_default().split('&');
                let kept: Vec<&str> = pairs.filter(|pair| !pair.starts_with("allowWatchBookmarks")).collect();
                if let Ok(uri) = format!("{}?{}", parts.uri.path(), kept.join("&")).parse() {
                    parts.uri = uri;
                }
                return;
            }
            _ => return,
        };
        let accept = text(&parts.headers, &header::ACCEPT);
        let left: Vec<&str> = accept.split(',').filter(|range| !range.contains(unwanted)).collect();
        let left = if left.is_empty() { "application/json".to_owned() } else { left.join(",") };
        if let Ok(value) = HeaderValue::from_str(&left) {
            parts.headers.insert(header::ACCEPT, value);
        }
    }
}

fn text(headers: &HeaderMap, name: &header::HeaderName) -> String {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
}

/// A Status as any server sends it.
fn refusal(code: StatusCode) -> Response<Body> {
    let reason = code.canonical_reason().unwrap_or_default();
    let status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason,
        "reason": reason.replace(' ', ""), "code": code.as_u16(),
    });
    let mut response = Response::new(Body::from(status.to_string().into_bytes()));
    *response.status_mut() = code;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}
