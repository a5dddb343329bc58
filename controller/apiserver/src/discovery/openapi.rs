//! Where the OpenAPI documents are served.

use http::{HeaderValue, Response, StatusCode, header};

use super::tagged;
use crate::http::{Body, Incoming, respond, text};
use crate::kinds::Registry;
use crate::openapi;
use crate::status::Failure;

/// The path of the index.
const INDEX: &str = "/openapi/v3";
/// When a document under its own hash expires, for caches that read no `immutable`.
const FAR_FUTURE: &str = "Fri, 31 Dec 9999 23:59:59 GMT";

/// The protobuf form of OpenAPI v2: the name that clients ask by, the one that answers carry, and a document of version 2.0, titled
/// Koan, without paths.
const PROTOBUF_ASKED: &str = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf";
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
const NOTHING: &str = "\n\x032.0\x12\n\n\x04Koan\x12\x02v1B\0";

/// `/openapi/v2`: JSON. In protobuf it describes nothing: clients that find a kind in no v3 document look there next, and say that there
/// is no such kind only where they can read it.
pub(super) fn swagger(registry: &Registry, incoming: &Incoming) -> Result<Response<Body>, Failure> {
    let accept = incoming.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or("*/*");
    let ranges: Vec<&str> = accept.split(',').map(|range| range.split(';').next().unwrap_or_default().trim()).collect();
    if ranges.iter().any(|range| ["application/json", "*/*", "application/*", ""].contains(range)) {
        return Ok(tagged(incoming, "application/json", registry.documents().swagger(registry).to_owned()));
    }
    if ranges.iter().any(|range| [PROTOBUF_ASKED, PROTOBUF].contains(range)) {
        return Ok(respond(200, PROTOBUF, NOTHING));
    }
    Err(Failure::not_acceptable(&["application/json", PROTOBUF]))
}

/// `/openapi/v3`.
pub(super) fn index(registry: &Registry, incoming: &Incoming) -> Response<Body> {
    let documents = &registry.documents().groups;
    let index = openapi::index(documents.iter().map(|document| (document.path.as_str(), document.hash.as_str())));
    // The reference leaves the type of this one document to its looks.
    tagged(incoming, "text/plain; charset=utf-8", index.to_string())
}

/// `/openapi/v3/…`: for ever under its hash; under another one it points to the current.
pub(super) fn group(registry: &Registry, path: &str, incoming: &Incoming) -> Response<Body> {
    let Some(document) = registry.documents().groups.iter().find(|document| document.path == path) else {
        let mut response = text(404, String::new());
        response.headers_mut().remove(header::CONTENT_TYPE);
        return response;
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
