//! From the bytes of a body to a value of the kind that the path names.

use serde_json::Value;

use super::call::Call;
use super::options::Strictness;
use crate::codec::{self, Decoded, Duplicate};
use crate::go_types;
use crate::http::{BodyType, body_type};
use crate::kinds::{self, CoreKind, Resource};
use crate::proto::{self, ProtoError};
use crate::schema::go_quote;
use crate::status::Failure;

/// A decoded body that may still hold unknown fields.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) value: Value,
    pub(super) duplicates: Vec<Duplicate>,
}

/// Decodes the body of a create or update.
///
/// # Errors
/// 415 for a type that is not taken, 400 for a body that is none or is of another kind.
pub(super) fn body(call: &Call<'_>) -> Result<Draft, Failure> {
    let mut draft = undecided(call)?;
    check_type(call, &mut draft.value)?;
    readable(call, &draft.value).map_err(|why| unhandled(call, &Failure::bad_request(why)))?;
    Ok(draft)
}

/// Whether a value can be read into the type of the kind; of a custom kind only the metadata have one.
///
/// # Errors
/// Why not, in the words of the reference's decoder.
pub(super) fn readable(call: &Call<'_>, value: &Value) -> Result<(), String> {
    if call.resource().is_custom() {
        return value.get("metadata").map_or(Ok(()), |metadata| go_types::readable(go_types::META, metadata));
    }
    root(call).map_or(Ok(()), |root| go_types::readable(root, value))
}

/// The type of a built-in kind; definitions have none.
pub(super) fn root(call: &Call<'_>) -> Option<&'static str> {
    go_types::root(&call.resource().api_version(), &call.resource().kind)
}

/// Decodes a body of any kind.
///
/// # Errors
/// As for [`body`].
pub(super) fn any(call: &Call<'_>) -> Result<Value, Failure> {
    let value = undecided(call)?.value;
    if value.is_object() { Ok(value) } else { Err(Failure::bad_request("the body of the request is not an object")) }
}

fn undecided(call: &Call<'_>) -> Result<Draft, Failure> {
    let bytes = &call.incoming.body;
    Ok(match body_type(&call.incoming.headers)? {
        BodyType::Json => {
            if let Some(why) = codec::go_json_error(bytes) {
                return Err(unrecognized(call, &format!("couldn't get version/kind; json parse error: {why}")));
            }
            plain(codec::json(bytes))?
        }
        BodyType::Yaml => {
            let decoded = codec::yaml(bytes);
            if let Some(why) = decoded.as_ref().err().and_then(codec::DecodeError::go_yaml) {
                return Err(unrecognized(call, &why));
            }
            plain(decoded)?
        }
        BodyType::Protobuf => {
            let value = proto::decode(bytes).map_err(|error| match error {
                // Whoever cannot read the envelope does not know what is in it.
                ProtoError::Prefix | ProtoError::Envelope { .. } => unrecognized(call, &error.to_string()),
                ProtoError::Malformed { .. } => unhandled(call, &Failure::bad_request(error.to_string())),
                ProtoError::Kind { .. } => Failure::bad_request(error.to_string()),
            })?;
            Draft { value, duplicates: Vec::new() }
        }
    })
}

pub(super) fn plain(decoded: Result<Decoded, codec::DecodeError>) -> Result<Draft, Failure> {
    let decoded = decoded.map_err(|error| Failure::bad_request(error.to_string()))?;
    Ok(Draft { value: decoded.value, duplicates: decoded.duplicates })
}

/// Checks `apiVersion` and `kind`; built-in kinds may leave them out.
pub(super) fn check_type(call: &Call<'_>, value: &mut Value) -> Result<(), Failure> {
    let resource = call.resource();
    let (version, kind) = (resource.api_version(), resource.kind.clone());
    let custom = resource.is_custom();
    if let Some(why) = codec::no_type_error(value) {
        return Err(unrecognized(call, &format!("couldn't get version/kind; json parse error: {why}")));
    }
    // Go reads `null` as an object without fields.
    if value.is_null() {
        if custom {
            return Err(unrecognized(call, "Object 'Kind' is missing in 'null'"));
        }
        *value = Value::Object(serde_json::Map::new());
    }
    let Value::Object(map) = value else { return Ok(()) };
    for (field, expected) in [("kind", &kind), ("apiVersion", &version)] {
        let found = map.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        if found.is_empty() && !custom {
            map.insert(field.to_owned(), Value::String(expected.clone()));
        } else if found.is_empty() && field == "kind" {
            let text = Value::Object(map.clone()).to_string();
            return Err(unrecognized(call, &format!("Object 'Kind' is missing in '{text}'")));
        } else if found != *expected && field == "kind" && !custom {
            return Err(wrong_kind(resource, map, &found));
        } else if field == "kind" {
            // A custom resource of another kind is refused with all else that is wrong with it.
        } else if found != *expected {
            let why = format!("the API version in the data ({found}) does not match the expected API version ({expected})");
            return Err(Failure::bad_request(why).warned(&unknown_at(resource, &found, map)));
        }
    }
    Ok(())
}

/// Reads what a patch of texts made of an object of a built-in kind as the kind that it says it is, which must be its own. One that
/// names no version is read as the reference's own inner form, whose fields have other names; what is said of the fields lost so.
///
/// # Errors
/// Why not, in the words of the reference's decoder.
fn as_named(call: &Call<'_>, value: &mut Value) -> Result<Vec<String>, String> {
    let resource = call.resource();
    let text = |field: &str| value[field].as_str().unwrap_or_default();
    let (version, kind) = (resource.api_version(), resource.kind.as_str());
    let found = if text("kind").is_empty() { kind } else { text("kind") };
    if text("apiVersion").is_empty() {
        if found != kind && root(call).is_some() && go_types::root(&version, found).is_none() {
            let (kind, group) = (go_quote(found), go_quote(&resource.group));
            let scheme = "in scheme \"pkg/runtime/scheme.go:111\"";
            return Err(format!("no kind {kind} is registered for the internal version of group {group} {scheme}"));
        }
        if found != kind {
            return Err(unconvertible(resource, inner_package(resource), found));
        }
        let typed = |key: &String| matches!(key.as_str(), "apiVersion" | "kind");
        let lost = value.as_object().into_iter().flatten().filter(|(key, _)| !typed(key));
        let mut lost: Vec<String> = lost.map(|(key, _)| format!("unknown field {key:?}")).collect();
        // The fields of an object that a patch looked into are in order.
        lost.sort();
        *value = serde_json::json!({ "apiVersion": version, "kind": kind });
        return Ok(lost);
    }
    if (text("apiVersion"), found) == (version.as_str(), kind) {
        return Ok(Vec::new());
    }
    // Definitions are in a scheme of their own.
    let known = root(call).and_then(|_| go_types::root(text("apiVersion"), found));
    let Some(known) = known else {
        return Err(format!(
            "no kind {} is registered for version {} in scheme \"pkg/runtime/scheme.go:111\"",
            go_quote(found),
            go_quote(text("apiVersion"))
        ));
    };
    go_types::readable(known, value)?;
    Err(unconvertible(resource, text("apiVersion").rsplit('/').next().unwrap_or_default(), found))
}

/// The package of a kind's inner form in the reference.
fn inner_package(resource: &Resource) -> &str {
    match resource.group.split('.').next().unwrap_or_default() {
        "" | "events" => "core",
        group => group,
    }
}

/// What the reference says of a kind of the package `from` where it wants another one.
fn unconvertible(resource: &Resource, from: &str, found: &str) -> String {
    format!("converting ({from}.{found}) to ({}.{}): unknown conversion", inner_package(resource), resource.kind)
}

/// A body that is of the right kind but cannot be taken.
pub(super) fn unhandled(call: &Call<'_>, failure: &Failure) -> Failure {
    let Resource { kind, version, .. } = call.resource();
    Failure::bad_request(format!("{kind} in version \"{version}\" cannot be handled as a {kind}: {}", failure.message))
}

/// What is said of the fields of a custom resource in a version that the definition does not have.
fn unknown_at(resource: &Resource, version: &str, map: &serde_json::Map<String, Value>) -> Vec<String> {
    unknown_fields(resource, version, map).iter().map(|key| format!("unknown field {key:?}")).collect()
}

/// The fields of a custom resource in a version that the definition does not have: none of them is known. Of other groups nothing
/// is said.
fn unknown_fields(resource: &Resource, version: &str, map: &serde_json::Map<String, Value>) -> Vec<String> {
    let (group, _) = version.rsplit_once('/').unwrap_or_default();
    let known = group != resource.group
        || version == resource.api_version()
        || resource.siblings.iter().any(|(known, _)| known == version);
    if !resource.is_custom() || known {
        return Vec::new();
    }
    let keys = map.keys().filter(|key| !matches!(key.as_str(), "apiVersion" | "kind" | "metadata"));
    let mut unknown: Vec<String> = keys.cloned().collect();
    unknown.sort();
    unknown
}

/// A body of another kind than the one that its type can be converted to.
fn wrong_kind(resource: &Resource, map: &serde_json::Map<String, Value>, found: &str) -> Failure {
    let version = map.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    let version = version.rsplit('/').next().unwrap_or_default();
    let kind = &resource.kind;
    let why = unconvertible(resource, version, found);
    Failure::bad_request(format!("{found} in version {} cannot be handled as a {kind}: {why}", go_quote(version)))
}

/// A body that does not say what it is.
fn unrecognized(call: &Call<'_>, why: &str) -> Failure {
    let body = &call.incoming.body;
    let shown = match body.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => shortened(&String::from_utf8_lossy(body)),
        Some(_) => shortened(&body.iter().map(|byte| format!("{byte:02x}")).collect::<String>()),
    };
    Failure::bad_request(format!(
        "the object provided is unrecognized (must be of type {}): {why} ({shown})",
        call.resource().kind
    ))
}

fn shortened(text: &str) -> String {
    /// The most bytes of a body that a message repeats.
    const SHOWN: usize = 30;
    match text.char_indices().nth(SHOWN) {
        None => text.to_owned(),
        Some((end, _)) => format!("{} ...", &text[..end]),
    }
}

/// Prunes, and reports unknown and repeated fields as the client asked.
///
/// # Errors
/// 400 under `Strict`.
pub(super) fn prune(call: &Call<'_>, draft: &mut Draft, strictness: Strictness) -> Result<Vec<String>, Failure> {
    let other = call.is_other(&draft.value);
    let version = draft.value["apiVersion"].as_str().unwrap_or_default().to_owned();
    let mut unknown = match draft.value.as_object() {
        Some(map) if other => unknown_fields(call.resource(), &version, map),
        _ => call.schema()?.prune(&mut draft.value),
    };
    if let Some(wrong) = call.schema()?.unreadable(&draft.value).filter(|_| call.resource().is_custom() && !other) {
        return Err(Failure::bad_request(wrong.to_string()));
    }
    // The metadata of a custom resource are read before the rest of it.
    if call.resource().is_custom() {
        unknown.sort_by_key(|path| !path.starts_with("metadata."));
    }
    if call.resource().core() == Some(CoreKind::CustomResourceDefinition) {
        let found = kinds::reshape_schemas(&mut draft.value);
        if let Some(text) = found.mistyped {
            return Err(Failure::bad_request(text));
        }
        unknown.extend(found.unknown);
        unknown.sort();
    }
    if strictness == Strictness::Ignore {
        return Ok(Vec::new());
    }
    let findings = findings(call, &draft.duplicates, &unknown, strictness);
    told(findings, strictness)
}

/// The findings as warnings, or as a refusal where the client wants none.
pub(super) fn told(findings: Vec<String>, strictness: Strictness) -> Result<Vec<String>, Failure> {
    match (codec::told(&findings), strictness) {
        (_, Strictness::Ignore) => Ok(Vec::new()),
        (Some(text), Strictness::Strict) => Err(Failure::bad_request(text)),
        (Some(_) | None, Strictness::Strict | Strictness::Warn) => Ok(findings),
    }
}

/// Whether what a patch made is still an object of its kind.
///
/// # Errors
/// Why not; a patch that is not `named` works on trees, and the others on texts.
fn fits(call: &Call<'_>, value: &Value, named: bool) -> Result<(), String> {
    match (named, root(call), value.as_object()) {
        (false, Some(root), Some(map)) => go_types::restorable(root, map),
        _ => readable(call, value),
    }
}

/// Reads what a patch made, and reports unknown and repeated fields as the client asked. `named`: whether it was made of texts, so
/// that a built-in kind is read as what it says it is.
///
/// # Errors
/// Why it is no object of its kind, and what was found under `Strict`.
pub(super) fn made(call: &Call<'_>, draft: &mut Draft, strictness: Strictness, named: bool) -> Result<Vec<String>, Failure> {
    let says = |field: &str| draft.value[field].is_null() || draft.value[field].is_string();
    let lost = if named && !call.resource().is_custom() && draft.value.is_object() && says("apiVersion") && says("kind") {
        as_named(call, &mut draft.value).map_err(Failure::bad_request)?
    } else {
        Vec::new()
    };
    fits(call, &draft.value, named).map_err(Failure::bad_request)?;
    if let (false, Some(root), Some(map)) = (named, root(call), draft.value.as_object_mut()) {
        go_types::narrow(root, map);
    }
    if lost.is_empty() {
        return prune(call, draft, strictness);
    }
    let findings = codec::warnings(&draft.duplicates, &[]).into_iter().chain(lost).collect();
    told(findings, strictness)
}

/// What is said of a body: of a built-in kind in the order of its text, of YAML by the parser of YAML.
fn findings(call: &Call<'_>, duplicates: &[Duplicate], unknown: &[String], strictness: Strictness) -> Vec<String> {
    if duplicates.is_empty() && unknown.is_empty() {
        return Vec::new();
    }
    let source = body_type(&call.incoming.headers).ok().filter(|_| call.incoming.method != http::Method::PATCH);
    match source {
        Some(BodyType::Json) if !call.resource().is_custom() => codec::in_order(&codec::keys(&call.incoming.body), unknown),
        Some(BodyType::Yaml) if !duplicates.is_empty() => {
            let repeated = match strictness {
                Strictness::Strict => vec![codec::yaml_error(duplicates)],
                Strictness::Warn | Strictness::Ignore => codec::apply_warnings(duplicates),
            };
            repeated.into_iter().chain(codec::warnings(&[], unknown)).collect()
        }
        Some(_) | None => codec::warnings(duplicates, unknown),
    }
}
