//! Media types: what a client accepts, and what it sends.

use http::HeaderMap;
use http::header;

use crate::status::Failure;

/// The body types of create and update.
pub(crate) const BODY_TYPES: [&str; 3] = ["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"];

/// The types of a watch, as refusals name them.
pub(crate) const STREAM_TYPES: [&str; 2] = ["application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch"];

/// How an answer is shaped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// The object itself.
    Object,
    /// `meta.k8s.io` Table of this version.
    Table(&'static str),
    /// `meta.k8s.io` PartialObjectMetadata of this version.
    Metadata(&'static str),
    /// `meta.k8s.io` PartialObjectMetadataList of this version.
    MetadataList(&'static str),
}

/// How an answer is written; a client that would rather read protobuf reads JSON as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    Json,
    Yaml,
}

/// Which shapes beside its own an answer can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transforms {
    None,
    All,
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

/// One entry of `Accept`.
struct Clause<'a> {
    kind: &'a str,
    sub: &'a str,
    quality: f32,
    parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Clause<'a> {
    /// `None` for what is no media range.
    fn parse(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (kind, sub) = match parts.next()? {
            "*" => ("*", "*"),
            range => range.split_once('/')?,
        };
        let mut clause = Self { kind: kind.trim(), sub: sub.trim(), quality: 1.0, parameters: Vec::new() };
        for (name, value) in parts.filter_map(|part| part.split_once('=')) {
            match (name.trim(), value.trim()) {
                ("q", value) => clause.quality = value.parse().unwrap_or(1.0),
                parameter => clause.parameters.push(parameter),
            }
        }
        Some(clause)
    }

    fn covers(&self, kind: &str, sub: &str) -> bool {
        (self.kind == "*" && self.sub == "*") || (self.kind == kind && (self.sub == "*" || self.sub == sub))
    }

    /// The shape that this entry asks for; `None` where it cannot be had in a body of the type `sub`.
    fn form(&self, sub: &str, transforms: Transforms) -> Option<Form> {
        let value = |wanted: &str| self.parameters.iter().rev().find(|(name, _)| *name == wanted).map(|(_, value)| *value);
        if value("stream").is_some_and(|stream| !stream.is_empty() && (stream != "watch" || sub == "yaml")) {
            return None;
        }
        let (form, group, version) = (value("as"), value("g"), value("v"));
        if form.is_none() && group.is_none() && version.is_none() {
            return Some(Form::Object);
        }
        let version = match version {
            Some("v1") => "v1",
            Some("v1beta1") => "v1beta1",
            Some(_) | None => return None,
        };
        match (form?, transforms) {
            _ if group != Some("meta.k8s.io") => None,
            ("Table", Transforms::All) if sub == "json" || sub == "yaml" => Some(Form::Table(version)),
            ("PartialObjectMetadata", Transforms::All) => Some(Form::Metadata(version)),
            ("PartialObjectMetadataList", Transforms::All) => Some(Form::MetadataList(version)),
            _ => None,
        }
    }
}

fn accept(headers: &HeaderMap) -> &str {
    headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

/// The entries of `Accept`: the better liked first, among equals those without stars.
fn clauses(text: &str) -> Vec<Clause<'_>> {
    let mut clauses: Vec<Clause<'_>> = text.split(',').filter_map(|range| Clause::parse(range.trim())).collect();
    let stars = |clause: &Clause<'_>| u8::from(clause.kind == "*") + u8::from(clause.sub == "*");
    clauses.sort_by(|left, right| right.quality.total_cmp(&left.quality).then_with(|| stars(left).cmp(&stars(right))));
    clauses
}

fn chosen(headers: &HeaderMap, transforms: Transforms) -> Option<(Form, Encoding)> {
    let text = accept(headers);
    if text.is_empty() {
        return Some((Form::Object, Encoding::Json));
    }
    clauses(text).iter().find_map(|clause| {
        [("json", Encoding::Json), ("yaml", Encoding::Yaml), ("vnd.kubernetes.protobuf", Encoding::Json)].into_iter().find_map(
            |(sub, encoding)| {
                let form = clause.covers("application", sub).then(|| clause.form(sub, transforms)).flatten()?;
                Some((form, encoding))
            },
        )
    })
}

/// The first shape in `Accept` that can be given.
///
/// # Errors
/// 406: none can.
pub(crate) fn negotiate(headers: &HeaderMap, transforms: Transforms) -> Result<Form, Failure> {
    chosen(headers, transforms).map(|(form, _)| form).ok_or_else(|| Failure::not_acceptable(&BODY_TYPES))
}

/// How an answer is written to a client that sent `headers`.
pub(crate) fn encoding(headers: &HeaderMap, transforms: Transforms) -> Encoding {
    chosen(headers, transforms).map_or(Encoding::Json, |(_, encoding)| encoding)
}

/// Compares `Accept` with the types of a path of the reference's own, by name: of ranges it knows `*/*` alone.
///
/// # Errors
/// 406: none of them is named.
pub(crate) fn accepts(headers: &HeaderMap, produced: &[&str]) -> Result<(), Failure> {
    let text = accept(headers);
    let named = |range: &str| {
        let media = range.split(';').next().unwrap_or_default().trim();
        media == "*/*" || produced.contains(&media)
    };
    if text.is_empty() || text.split(',').any(named) { Ok(()) } else { Err(Failure::not_representable(produced)) }
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
    /// What custom kinds take.
    const CUSTOM: [&str; 3] = ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];
    match content_type(headers) {
        "application/json-patch+json" => Ok(PatchType::Json),
        "application/merge-patch+json" => Ok(PatchType::Merge),
        "application/strategic-merge-patch+json" if strategic => Ok(PatchType::Strategic),
        "application/apply-patch+yaml" => Ok(PatchType::Apply),
        // Built-in kinds have routes of their own, which do not take it.
        _ if strategic => Err(Failure::no_such_media_type()),
        _ => Err(Failure::unsupported_media_type(&CUSTOM)),
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(accept: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(header::ACCEPT, HeaderValue::from_static(accept))])
    }

    /// API-18: the best liked entry that can be given decides, stars stand behind names, and shapes that an answer cannot have
    /// are passed over.
    #[test]
    fn the_best_liked_form_is_given() {
        let all = |accept| chosen(&headers(accept), Transforms::All);
        assert_eq!(all("application/json;q=0.5,application/yaml"), Some((Form::Object, Encoding::Yaml)));
        assert_eq!(all("*/*, application/yaml"), Some((Form::Object, Encoding::Yaml)));
        assert_eq!(all("application/*"), Some((Form::Object, Encoding::Json)));
        assert_eq!(all("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io"), None);
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json";
        assert_eq!(all(table), Some((Form::Table("v1"), Encoding::Json)));
        assert_eq!(chosen(&headers(table), Transforms::None), Some((Form::Object, Encoding::Json)));
        assert_eq!(all("text/html"), None);
    }
}
