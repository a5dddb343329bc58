//! Objects and lists as the client asked to see them: whole, as a Table, or their metadata alone.

use std::borrow::Cow;
use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::call::stored_as;
use crate::http::{Body, Form, Transforms, json, negotiate, warn};
use crate::kinds::{self, CoreKind, encode};
use crate::schema::go_quote;
use crate::status::Failure;
use crate::store::Object;
use crate::table::{self, Include, Shape};

/// The metadata of a list.
#[derive(Debug, Clone, Default)]
pub(super) struct ListMeta {
    pub(super) revision: u64,
    pub(super) token: String,
    pub(super) remaining: Option<usize>,
}

/// The bytes of `object` in the shape of the path's resource.
pub(super) fn bytes<'a>(call: &Call<'_>, object: &'a Object) -> Cow<'a, [u8]> {
    let resource = &call.target.resource;
    if kinds::is_stored_shape(resource) {
        return Cow::Borrowed(&object.bytes);
    }
    let mut value = object.value();
    kinds::from_storage(resource, &mut value);
    Cow::Owned(encode(resource, &value).finish(object.revision).to_vec())
}

/// Only the metadata of `object`.
fn metadata(call: &Call<'_>, object: &Object, version: &str) -> Bytes {
    if kinds::is_stored_shape(&call.target.resource)
        && let Some(bytes) = kinds::partial(&object.bytes, version)
    {
        return bytes;
    }
    let metadata = call.current(object)["metadata"].take();
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": format!("meta.k8s.io/{version}"), "metadata": metadata});
    let layout = call.core.registry().find("", "v1", "configmaps").cloned();
    let layout = layout.unwrap_or_else(|| stored_as(call.core, &call.target.resource));
    encode(&layout, &partial).finish(object.revision)
}

/// One object in `form`, for an answer or a watch line; `first` says whether a Table shows its columns.
pub(super) fn shaped(call: &Call<'_>, object: &Object, form: &Form, first: bool) -> Bytes {
    match form {
        Form::Object => match bytes(call, object) {
            Cow::Borrowed(_) => object.bytes.clone(),
            Cow::Owned(bytes) => Bytes::from(bytes),
        },
        Form::Metadata(version) | Form::MetadataList(version) => metadata(call, object, version),
        Form::Table(version) => {
            let meta = ListMeta { revision: object.revision, ..ListMeta::default() };
            let include = included(call).unwrap_or_default();
            Bytes::from(table_of(call, &[object], &meta, Shape { version, include, headers: first }))
        }
    }
}

/// A response with one object.
pub(super) fn one(call: &Call<'_>, object: &Arc<Object>, code: u16, warnings: Vec<String>) -> Result<Response<Body>, Failure> {
    let form = form(call)?;
    if let Form::MetadataList(_) = form {
        return Err(no_list(call));
    }
    let bytes = shaped(call, object, &form, true);
    let mut line = BytesMut::with_capacity(bytes.len() + 1);
    line.extend_from_slice(&bytes);
    line.put_u8(b'\n');
    let mut response = json(code, line.freeze());
    deprecation(call, &mut response);
    warn(&mut response, warnings);
    Ok(response)
}

/// A response with an object that was just written, and with what is unwise about it.
pub(super) fn written(
    call: &Call<'_>,
    object: &Arc<Object>,
    code: u16,
    mut warnings: Vec<String>,
) -> Result<Response<Body>, Failure> {
    warnings.extend(kinds::warnings(call.resource(), &|| call.current(object)));
    one(call, object, code, warnings)
}

/// A response with a list of objects.
pub(super) fn all(call: &Call<'_>, objects: &[Arc<Object>], meta: &ListMeta) -> Result<Response<Body>, Failure> {
    let mut response = match form(call)? {
        Form::Object => json(200, list_bytes(call, objects, meta)),
        Form::Metadata(_) => {
            let found = type_name(call, &call.resource().list_kind);
            let why = format!("you requested PartialObjectMetadata, but the requested object is a list ({found})");
            return Err(Failure::other_form(why));
        }
        Form::MetadataList(version) => {
            let head = format!(
                "{{\"kind\":\"PartialObjectMetadataList\",\"apiVersion\":\"meta.k8s.io/{version}\",\"metadata\":{},\"items\":[",
                list_meta(meta)
            );
            let mut out = BytesMut::from(head.as_bytes());
            join(&mut out, objects.iter().map(|object| Cow::Owned(metadata(call, object, version).to_vec())));
            out.extend_from_slice(b"]}\n");
            json(200, out.freeze())
        }
        Form::Table(version) => {
            let objects: Vec<&Object> = objects.iter().map(Arc::as_ref).collect();
            let include = included(call).unwrap_or_default();
            json(200, table_of(call, &objects, meta, Shape { version, include, headers: true }))
        }
    };
    deprecation(call, &mut response);
    Ok(response)
}

fn list_meta(meta: &ListMeta) -> Value {
    let mut value = json!({"resourceVersion": meta.revision.to_string()});
    if !meta.token.is_empty() {
        value["continue"] = json!(meta.token);
    }
    if let Some(remaining) = meta.remaining {
        value["remainingItemCount"] = json!(remaining);
    }
    value
}

fn join<'a>(out: &mut BytesMut, items: impl Iterator<Item = Cow<'a, [u8]>>) {
    for (index, item) in items.enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        out.extend_from_slice(&item);
    }
}

/// Built-in kinds list their items without type; custom kinds with it, alphabetically and with an empty `continue`.
fn list_bytes(call: &Call<'_>, objects: &[Arc<Object>], meta: &ListMeta) -> Bytes {
    let resource = call.resource();
    let (kind, version) = (&resource.list_kind, resource.api_version());
    let total: usize = objects.iter().map(|object| object.bytes.len() + 1).sum();
    /// Room for the list's own fields.
    const FRAME_BYTES: usize = 512;
    let mut out = BytesMut::with_capacity(total + FRAME_BYTES);
    if resource.is_custom() {
        out.extend_from_slice(format!("{{\"apiVersion\":\"{version}\",\"items\":[").as_bytes());
        join(&mut out, objects.iter().map(|object| bytes(call, object)));
        let mut metadata = json!({"continue": meta.token});
        if let Some(remaining) = meta.remaining {
            metadata["remainingItemCount"] = json!(remaining);
        }
        metadata["resourceVersion"] = json!(meta.revision.to_string());
        out.extend_from_slice(format!("],\"kind\":\"{kind}\",\"metadata\":{metadata}}}\n").as_bytes());
        return out.freeze();
    }
    let metadata = list_meta(meta);
    out.extend_from_slice(
        format!("{{\"kind\":\"{kind}\",\"apiVersion\":\"{version}\",\"metadata\":{metadata},\"items\":[").as_bytes(),
    );
    let typed = format!("\"kind\":\"{}\",\"apiVersion\":\"{version}\",", resource.kind);
    join(
        &mut out,
        objects.iter().map(|object| {
            let whole = bytes(call, object);
            match whole.strip_prefix(b"{").and_then(|rest| rest.strip_prefix(typed.as_bytes())) {
                Some(rest) => Cow::Owned([b"{".as_slice(), rest].concat()),
                None => whole,
            }
        }),
    );
    out.extend_from_slice(b"]}\n");
    out.freeze()
}

/// What the rows of a Table carry besides their cells; `None` where the client says nothing that has a meaning.
pub(super) fn included(call: &Call<'_>) -> Option<Include> {
    Include::parse(call.incoming.query.get("includeObject").unwrap_or_default())
}

/// The shape that the client asked for.
///
/// # Errors
/// 406: it cannot be given; 400: what is to stand in the rows of a Table is unknown.
pub(super) fn form(call: &Call<'_>) -> Result<Form, Failure> {
    let form = negotiate(&call.incoming.headers, Transforms::All)?;
    if matches!(form, Form::Table(_)) && included(call).is_none() {
        let asked = go_quote(call.incoming.query.get("includeObject").unwrap_or_default());
        let why = format!("includeObject: Invalid value: {asked}: must be 'Metadata', 'Object', 'None', or empty");
        return Err(Failure::bad_request(format!("Unable to convert to Table as requested: {why}")));
    }
    Ok(form)
}

/// The refusal to show one object as a list.
fn no_list(call: &Call<'_>) -> Failure {
    if call.resource().is_custom() {
        return Failure::internal_plain("content is not a list");
    }
    let found = type_name(call, &call.resource().kind);
    Failure::other_form(format!("you requested PartialObjectMetadataList, but the requested object is not a list ({found})"))
}

/// What the reference's language calls a type.
fn type_name(call: &Call<'_>, kind: &str) -> String {
    let resource = call.resource();
    let package = match resource.core() {
        None => return "*unstructured.UnstructuredList".to_owned(),
        Some(CoreKind::EventV1) => "core",
        Some(_) if resource.group.is_empty() => "core",
        Some(_) => resource.group.split('.').next().unwrap_or_default(),
    };
    format!("*{package}.{kind}")
}

/// A Table as text; a kind whose columns cannot be made has none.
fn table_of(call: &Call<'_>, objects: &[&Object], meta: &ListMeta, shape: Shape) -> String {
    let Ok(compiled) = call.compiled() else { return "{}".to_owned() };
    let values: Vec<Value> = objects.iter().map(|object| call.current(object)).collect();
    let values: Vec<&Value> = values.iter().collect();
    table::table(&compiled.columns, &values, &list_meta(meta), shape, call.core.clock.now()).to_string() + "\n"
}

fn deprecation(call: &Call<'_>, response: &mut Response<Body>) {
    warn(response, call.resource().deprecation.iter().cloned().collect());
}
