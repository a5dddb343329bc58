//! Where the OpenAPI documents are served.

use http::{HeaderValue, Response, StatusCode, header};

use super::tagged;
use crate::http::{Body, Incoming, text};
use crate::kinds::Registry;
use crate::openapi;
use crate::status::Failure;

/// The path of the index.
const INDEX: &str = "/openapi/v3";
/// When a document under its own hash expires, for caches that read no `immutable`.
const FAR_FUTURE: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

/// `/openapi/v2`: JSON only, since the one client that asks for protobuf does without.
pub(super) fn swagger(registry: &Registry, incoming: &Incoming) -> Result<Response<Body>, Failure> {
    let accept = incoming.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let json = accept.split(',').any(|range| {
        matches!(range.split(';').next().unwrap_or_default().trim(), "application/json" | "*/*" | "application/*" | "")
    });
    if !json {
        return Err(Failure::not_acceptable(&["application/json"]));
    }
    Ok(tagged(incoming, "application/json", registry.documents().swagger(registry).to_owned()))
}

/// `/openapi/v3`.
pub(super) fn index(registry: &Registry, incoming: &Incoming) -> Response<Body> {
    let documents = &registry.documents().groups;
    let index = openapi::index(documents.iter().map(|document| (document.path.as_str(), document.hash.as_str())));
    tagged(incoming, "application/json", index.to_string())
}

/// `/openapi/v3/…`: for ever under its hash; under another one it points to the current.
pub(super) fn group(registry: &Registry, group: &str, version: &str, incoming: &Incoming) -> Response<Body> {
    let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
    let Some(document) = registry.documents().groups.iter().find(|document| document.path == path) else {
        return text(404, "404 page not found\n");
    };
    let asked = incoming.query.get("hash");
    if asked.is_some_and(|hash| hash != document.hash) {
        let mut response = text(301, String::new());
        *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
        if let Ok(location) = HeaderValue::from_str(&format!("{INDEX}/{path}?hash={}", document.hash)) {
            response.headers_mut().insert(header::LOCATION, location);
        }
        return response;
    }
    let mut response = tagged(incoming, "application/json", document.text.to_string());
    if asked.is_some() {
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
        response.headers_mut().insert(header::EXPIRES, HeaderValue::from_static(FAR_FUTURE));
    }
    response
}
