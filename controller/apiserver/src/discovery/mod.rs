//! What is served, as clients look it up: both forms of discovery, versions, health and the OpenAPI documents, with
//! entity tags.

mod aggregated;
mod documents;
mod legacy;
mod openapi;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, header};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) use documents::Documents;
pub(crate) use legacy::stream;

use crate::http::{BODY_TYPES, Body, Incoming, Route, Transforms, accepts, negotiate, respond, text};
use crate::kinds::Registry;
use crate::server::Core;
use crate::status::Failure;

/// The release of the reference whose behaviour is followed.
const REFERENCE_VERSION: &str = "v1.36.0";

/// Answers a request that is about no object.
pub(crate) fn answer(
    core: &Arc<Core>,
    registry: &Arc<Registry>,
    route: &Route,
    incoming: &Incoming,
) -> Result<Response<Body>, Failure> {
    acceptable(registry, route, incoming)?;
    match route {
        Route::Root => Ok(document(incoming, "application/json", &legacy::paths(registry))),
        Route::Health { path, check } => Ok(health(core, path, check.as_deref(), incoming)),
        Route::Version => Ok(respond(200, "application/json", version().to_string())),
        Route::CoreVersions | Route::Groups => Ok(groups(registry, matches!(route, Route::CoreVersions), incoming)),
        Route::Group(group) => legacy::group(registry, group)
            .map(|value| document(incoming, "application/json", &value))
            .ok_or_else(Failure::no_such_path)
            .or_else(|_| Ok(text(404, "404 page not found\n"))),
        Route::Resources { group, version } => Ok(legacy::resources(registry, group, version)
            .map_or_else(|| text(404, "404 page not found\n"), |value| document(incoming, "application/json", &value))),
        Route::OpenApiV2 => openapi::swagger(registry, incoming),
        Route::OpenApiIndex => Ok(openapi::index(registry, incoming)),
        Route::OpenApiGroup(path) => Ok(openapi::group(registry, path, incoming)),
        Route::Object(_) | Route::Unknown => Err(Failure::no_such_path()),
    }
}

/// Refuses what a path does not do: some of the reference's are routes with a method and types, the others answer to all.
fn acceptable(registry: &Registry, route: &Route, incoming: &Incoming) -> Result<(), Failure> {
    let headers = &incoming.headers;
    let routed = |types: &[&str]| {
        if incoming.method == Method::GET { accepts(headers, types) } else { Err(Failure::method_not_allowed()) }
    };
    match route {
        Route::Version => routed(&["application/json"]),
        Route::CoreVersions if accepted_discovery(headers) => Ok(()),
        Route::CoreVersions => routed(&BODY_TYPES),
        Route::Resources { group, .. } if registry.is_builtin_group(group) => routed(&BODY_TYPES),
        Route::Groups if accepted_discovery(headers) => Ok(()),
        Route::Groups | Route::Group(_) | Route::Resources { .. } => negotiate(headers, Transforms::None).map(|_| ()),
        Route::Root
        | Route::Health { .. }
        | Route::OpenApiV2
        | Route::OpenApiIndex
        | Route::OpenApiGroup(_)
        | Route::Object(_)
        | Route::Unknown => Ok(()),
    }
}

fn version() -> Value {
    json!({
        "major": "1",
        "minor": "36",
        "gitVersion": format!("{REFERENCE_VERSION}+koan.{}", env!("CARGO_PKG_VERSION")),
        "gitCommit": "",
        "gitTreeState": "clean",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": "",
        "compiler": "rustc",
        "platform": format!("{}/{}", std::env::consts::OS, architecture()),
    })
}

/// The processor under the name that Kubernetes uses.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// One check or all. A store that refuses writes fails its own check alone: what was stored can still be read.
fn health(core: &Core, path: &str, check: Option<&str>, incoming: &Incoming) -> Response<Body> {
    let ready = !core.is_stopping();
    let refusal = core.store.refusal();
    match check {
        Some("store") => return refusal.map_or_else(|| text(200, "ok"), |cause| text(500, cause)),
        Some("ping") => return text(200, "ok"),
        Some(_) => return text(404, "404 page not found\n"),
        None => {}
    }
    if incoming.query.flag("verbose") {
        let store = refusal.map_or_else(|| "[+]store ok\n".to_owned(), |cause| format!("[-]store failed: {cause}\n"));
        let stopping = if ready { "" } else { "[-]shutdown failed: reason withheld\n" };
        let end = if ready { "passed" } else { "failed" };
        return text(if ready { 200 } else { 500 }, format!("[+]ping ok\n{store}{stopping}{path} check {end}\n"));
    }
    if ready { text(200, "ok") } else { text(500, "shutting down") }
}

/// The form of discovery that the client prefers.
fn groups(registry: &Registry, core_group: bool, incoming: &Incoming) -> Response<Body> {
    const AGGREGATED: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    if accepted_discovery(&incoming.headers) {
        return document(incoming, AGGREGATED, &aggregated::list(registry, core_group));
    }
    let value = if core_group { legacy::core_versions() } else { legacy::groups(registry) };
    document(incoming, "application/json", &value)
}

/// Whether the first form in `Accept` that is served is the aggregated one.
fn accepted_discovery(headers: &HeaderMap) -> bool {
    let ranges =
        headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    let mut forms = ranges.filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let media = parts.next().unwrap_or_default();
        let parameters: Vec<&str> = parts.collect();
        if media != "application/json" {
            return None;
        }
        let aggregated = parameters.contains(&"as=APIGroupDiscoveryList") && parameters.contains(&"g=apidiscovery.k8s.io");
        match aggregated {
            true if parameters.contains(&"v=v2") => Some(true),
            true => None,
            false => Some(false),
        }
    });
    forms.next().unwrap_or_default()
}

/// The entity tag of `bytes`, quoted.
fn etag(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let hex: String = digest.iter().map(|byte| format!("{byte:02X}")).collect();
    format!("\"{hex}\"")
}

/// A JSON document with its entity tag, or 304 for a client that has it.
fn document(incoming: &Incoming, media: &'static str, value: &Value) -> Response<Body> {
    tagged(incoming, media, value.to_string())
}

fn tagged(incoming: &Incoming, media: &'static str, mut text: String) -> Response<Body> {
    let tag = etag(text.as_bytes());
    text.push('\n');
    let mut response = respond(200, media, text);
    if incoming.has(&tag) {
        *response.body_mut() = Body::full(Vec::new());
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    }
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response.headers_mut().insert(header::VARY, HeaderValue::from_static("Accept"));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("public"));
    response
}
