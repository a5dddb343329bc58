//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.

use std::sync::Arc;

use http::Response;
use serde_json::Value;

use super::answer;
use super::apply;
use super::call::Call;
use super::decode::{self, Draft};
use super::meta;
use super::options::{Strictness, WriteOptions};
use super::update::{self, ATTEMPTS, Attempt, Owners};
use crate::codec;
use crate::go_types;
use crate::http::{Body, PatchType, patch_type};
use crate::patch::{self, strategic::Lookup};
use crate::schema::{canonical_json, escaped_json, go_quote, go_value};
use crate::status::{Cause, Failure};
use crate::store::Object;

/// Answers a PATCH to an object or to one of its subresources.
pub(super) async fn patch(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let kind = patch_type(&call.incoming.headers, !call.resource().is_custom())?;
    let options = WriteOptions::parse(call.incoming, "PatchOptions", Some(kind))?;
    if kind == PatchType::Apply {
        return apply::apply(call, &options).await;
    }
    if call.core.store.get(&call.key(call.name())).is_none() {
        return Err(Failure::not_found(call.resource(), call.name()));
    }
    if let Some(why) = codec::go_json_error(&call.incoming.body) {
        let prefix = if kind == PatchType::Strategic { "" } else { "error decoding patch: " };
        return Err(Failure::bad_request(format!("{prefix}{why}")));
    }
    let document = decode::plain(codec::json(&call.incoming.body))?;
    let odd = if kind == PatchType::Json { odd_operations(&call, &document.value, options.strictness)? } else { Vec::new() };
    if kind == PatchType::Merge && options.strictness == Strictness::Ignore && !document.value.is_object() {
        // Nobody looked at it before it was to be merged.
        return Err(Failure::bad_request("Invalid JSON Patch"));
    }
    for _ in 0..ATTEMPTS {
        let old = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
        let before = call.current(&old);
        let (value, left) = patched(&call, kind, &before, &document.value)?;
        let duplicates = if kind == PatchType::Json { Vec::new() } else { document.duplicates.clone() };
        let mut draft = Draft { value, duplicates };
        let text = || match &left {
            Some(left) => go_value(left),
            None => shown(&call, kind, &before, &document.value),
        };
        typed(&call, kind, &mut draft.value, &text).map_err(|failure| strict(&text(), &failure))?;
        let mut warnings =
            made(&call, kind, &mut draft, (&odd, options.strictness)).map_err(|failure| strict(&text(), &failure))?;
        named_type(&call, kind, &mut draft.value)?;
        let named = based_on(&before, &draft.value);
        let unwise = unwise(&call, &draft.value, Some(&old));
        let outcome = changed(&call, (&old, before), draft.value, &options, &mut warnings).await;
        match outcome.map_err(|failure| failure.warned(&warnings))? {
            Attempt::Done(object) => {
                return answer::written(&call, &object, 200, warnings.into_iter().chain(unwise).collect());
            }
            Attempt::Outrun if named => return Err(Failure::modified(call.resource(), call.name())),
            Attempt::Outrun => {}
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

/// What is said of members of operations that none has, or that are there twice.
///
/// # Errors
/// 400 for a member of a wrong type. A client that wants nothing said is told so when the operation is done.
fn odd_operations(call: &Call<'_>, patch: &Value, strictness: Strictness) -> Result<Vec<String>, Failure> {
    const TEXTS: [&str; 3] = ["op", "path", "from"];
    if strictness == Strictness::Ignore {
        return Ok(Vec::new());
    }
    let operations = || patch.as_array().into_iter().flatten().enumerate();
    let members =
        || operations().flat_map(|(index, operation)| operation.as_object().into_iter().flatten().map(move |at| (index, at)));
    for (_, (key, value)) in members() {
        if TEXTS.contains(&key.as_str()) && !value.is_null() && !value.is_string() {
            let found = codec::json_type(value);
            return Err(Failure::bad_request(format!(
                "error decoding patch: json: cannot unmarshal {found} into Go struct field jsonPatchOp.{key} of type string"
            )));
        }
    }
    let unknown = members().filter(|(_, (key, _))| !TEXTS.contains(&key.as_str()) && *key != "value");
    let unknown: Vec<String> = unknown.map(|(index, (key, _))| format!("[{index}].{key}")).collect();
    let found = codec::in_order(&codec::keys(&call.incoming.body), &unknown);
    Ok(found.into_iter().map(|finding| format!("json patch {finding}")).collect())
}

/// Whether what a patch made says what it is. One of trees is of its kind whatever it says, and one of texts, shown by `text`,
/// says it in two texts.
///
/// # Errors
/// Why not, in the words of the reference's decoder.
fn typed(call: &Call<'_>, kind: PatchType, made: &mut Value, text: &dyn Fn() -> String) -> Result<(), Failure> {
    if let Some(why) = codec::no_type_error(made) {
        return Err(Failure::bad_request(format!("couldn't get version/kind; json parse error: {why}")));
    }
    let Some(fields) = made.as_object_mut() else { return Ok(()) };
    if kind == PatchType::Strategic {
        if decode::root(call).is_some() {
            go_types::restored_type(fields).map_err(Failure::bad_request)?;
            fields.insert("apiVersion".to_owned(), call.resource().api_version().into());
            fields.insert("kind".to_owned(), call.resource().kind.clone().into());
        }
        return Ok(());
    }
    let wrong = fields
        .iter()
        .find(|(field, value)| matches!(field.as_str(), "apiVersion" | "kind") && !value.is_null() && !value.is_string());
    if let Some((field, value)) = wrong {
        let found = codec::json_type(value);
        return Err(Failure::bad_request(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go struct field .{field} of type string"
        )));
    }
    if call.resource().is_custom() && made["kind"].as_str().unwrap_or_default().is_empty() {
        return Err(Failure::bad_request(format!("Object 'Kind' is missing in '{}'", text())));
    }
    Ok(())
}

/// What is taken but said to be unwise in metadata that can be changed here.
pub(super) fn unwise(call: &Call<'_>, new: &Value, old: Option<&Object>) -> Vec<String> {
    if !call.subresource().is_empty() && call.resource().keeps_metadata(call.subresource()) {
        return Vec::new();
    }
    meta::warnings(call.resource(), new, old)
}

/// Checks what the patched object says that it is. A custom one is judged by it with all else.
fn named_type(call: &Call<'_>, kind: PatchType, made: &mut Value) -> Result<(), Failure> {
    if !call.resource().is_custom() {
        return if kind == PatchType::Strategic { Ok(()) } else { decode::check_type(call, made) };
    }
    if made["apiVersion"].as_str().unwrap_or_default().is_empty() {
        return Err(Failure::internal("Object 'apiVersion' is missing in 'object has no apiVersion field'"));
    }
    Ok(())
}

/// Reads what a patch made; what is said of its fields after what is said of the patch.
fn made(
    call: &Call<'_>,
    kind: PatchType,
    draft: &mut Draft,
    (odd, strictness): (&[String], Strictness),
) -> Result<Vec<String>, Failure> {
    let gathering = if strictness == Strictness::Strict { Strictness::Warn } else { strictness };
    let found = decode::made(call, draft, gathering, kind != PatchType::Strategic)?;
    let warnings = decode::told(odd.iter().cloned().chain(found).collect(), strictness)?;
    meta::of(&mut draft.value)?;
    Ok(warnings)
}

/// Checks what a patch made of `old`, and writes it.
async fn changed(
    call: &Call<'_>,
    (old, before): (&Arc<Object>, Value),
    mut value: Value,
    options: &WriteOptions,
    warnings: &mut Vec<String>,
) -> Result<Attempt, Failure> {
    check_uid(call, &value, old)?;
    update::check_identity(call, &value, old)?;
    check_name(call, &value)?;
    check_namespace(call, &value["metadata"])?;
    update::check_version(call, value["metadata"].as_object().and_then(update::version_of).as_deref())?;
    warnings.extend(meta::distinct_owners(&mut value, meta::OWNERS_REPEATED_BY_PATCH));
    update::finish(call, (old, before), value, options, Owners::Open).await
}

/// What a patch makes of an object, and what a merge of trees leaves of the patch.
fn patched(call: &Call<'_>, kind: PatchType, before: &Value, document: &Value) -> Result<(Value, Option<Value>), Failure> {
    let mut after = before.clone();
    let outcome = match kind {
        PatchType::Json => patch::json::apply(&mut after, document).map(|()| None),
        PatchType::Merge | PatchType::Apply => patch::merge::apply(&mut after, document).map(|()| None),
        PatchType::Strategic => {
            let merges = &call.compiled()?.merges;
            let keys = |path: &str| merges.get(path).copied();
            let lookup = Lookup::new(&call.resource().kind, decode::root(call), &keys);
            patch::strategic::apply(&mut after, document, &lookup).map(Some)
        }
    };
    outcome.map(|left| (after, left)).map_err(|error| match error.status() {
        400 => Failure::bad_request(error.to_string()),
        413 => Failure::too_large_because(error.to_string()),
        500 => Failure::internal_plain(error.to_string()),
        _ => Failure::unprocessable(),
    })
}

/// How a refusal shows what was made of a patch of texts.
fn shown(call: &Call<'_>, kind: PatchType, before: &Value, document: &Value) -> String {
    let Ok((mut made, _)) = patched(call, kind, before, document) else { return String::new() };
    if call.resource().is_custom() {
        return canonical_json(&made);
    }
    patch::sort_touched(&mut made, document);
    escaped_json(&made)
}

/// Whether the patch names a version, so that it must not be tried again on a newer one.
fn based_on(before: &Value, after: &Value) -> bool {
    let version = |value: &Value| value["metadata"]["resourceVersion"].as_str().map(str::to_owned);
    version(after) != version(before)
}

/// A patch may name the uid but not change it.
pub(super) fn check_uid(call: &Call<'_>, value: &Value, old: &Object) -> Result<(), Failure> {
    match value["metadata"]["uid"].as_str() {
        Some(uid) if !uid.is_empty() && uid != old.meta.uid => {
            // The reference finds it in two places.
            let cause = Cause::invalid("metadata.uid", &go_quote(uid), "field is immutable");
            Err(Failure::invalid(&call.resource().group, &call.resource().kind, call.name(), vec![cause.clone(), cause]))
        }
        Some(_) | None => Ok(()),
    }
}

fn check_name(call: &Call<'_>, value: &Value) -> Result<(), Failure> {
    update::check_name(call, value["metadata"]["name"].as_str().unwrap_or_default())
}

/// Refuses a body of another namespace than its path has.
pub(super) fn check_namespace(call: &Call<'_>, metadata: &Value) -> Result<(), Failure> {
    let given = metadata["namespace"].as_str().unwrap_or_default();
    if call.target.namespace.is_empty() || given.is_empty() || given == call.target.namespace {
        return Ok(());
    }
    Err(Failure::bad_request("the namespace of the provided object does not match the namespace sent on the request"))
}

/// Wrong fields in a patch are reported as a wrong value of what the patch makes, which is of no kind yet.
pub(super) fn strict(patched: &str, failure: &Failure) -> Failure {
    let cause = Cause::invalid("patch", &go_quote(patched), &failure.message);
    Failure::invalid("", "", "", vec![cause])
}
