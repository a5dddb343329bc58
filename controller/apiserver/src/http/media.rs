//! Media types: what a client accepts, and what it sends.

use http::HeaderMap;
use http::header;

use crate::status::Failure;

/// The body types of create and update.
pub(crate) const BODY_TYPES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// How an answer is shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Object,
    /// `meta.k8s.io` Table of this version.
    Table(&'static str),
    /// `meta.k8s.io` PartialObjectMetadata of this version, or a list of it.
    Metadata(&'static str),
}

/// How a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum BodyType {
    Json,
    Yaml,
    Protobuf,
}

/// How a patch is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PatchType {
    Json,
    Merge,
    Strategic,
    Apply,
}

fn essence(range: &str) -> (&str, impl Iterator<Item = (&str, &str)>) {
    let mut parts = range.split(';');
    let media = parts.next().unwrap_or_default().trim();
    (media, parts.filter_map(|part| part.trim().split_once('=')))
}

/// The first form in `Accept` that can be given.
///
/// Answers are always JSON, also to a client that would rather read protobuf: none refuses it.
pub(crate) fn negotiate(headers: &HeaderMap) -> Result<Form, Failure> {
    let mut ranges = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .peekable();
    if ranges.peek().is_none() {
        return Ok(Form::Object);
    }
    for range in ranges {
        let (media, parameters) = essence(range);
        if !matches!(media, "application/json" | "application/*" | "*/*" | "application/vnd.kubernetes.protobuf" | "") {
            continue;
        }
        let (mut form, mut version, mut group) = ("", "", "");
        for (name, value) in parameters {
            match name.trim() {
                "as" => form = value.trim(),
                "v" => version = value.trim(),
                "g" => group = value.trim(),
                _ => {}
            }
        }
        if form.is_empty() {
            return Ok(Form::Object);
        }
        let version = match version {
            "v1" => "v1",
            "v1beta1" => "v1beta1",
            _ => continue,
        };
        match form {
            "Table" if group == "meta.k8s.io" && media == "application/json" => return Ok(Form::Table(version)),
            "PartialObjectMetadata" | "PartialObjectMetadataList" if group == "meta.k8s.io" && media == "application/json" => {
                return Ok(Form::Metadata(version));
            }
            _ => {}
        }
    }
    Err(Failure::not_acceptable(&BODY_TYPES))
}

fn content_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

/// The encoding of a create or update body; a missing type is JSON.
pub(crate) fn body_type(headers: &HeaderMap) -> Result<BodyType, Failure> {
    match content_type(headers) {
        "" | "application/json" => Ok(BodyType::Json),
        "application/yaml" => Ok(BodyType::Yaml),
        "application/vnd.kubernetes.protobuf" => Ok(BodyType::Protobuf),
        _ => Err(Failure::unsupported_media_type(&BODY_TYPES)),
    }
}

/// The meaning of a patch body; `strategic` says whether the kind takes strategic merge patches.
pub(crate) fn patch_type(headers: &HeaderMap, strategic: bool) -> Result<PatchType, Failure> {
    let accepted: &[&str] = if strategic {
        &[
            "application/json-patch+json",
            "application/merge-patch+json",
            "application/strategic-merge-patch+json",
            "application/apply-patch+yaml",
        ]
    } else {
        &["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]
    };
    match content_type(headers) {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if strategic => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        _ => Err(Failure::unsupported_media_type(accepted)),
    }
}
