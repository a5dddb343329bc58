//! PATCH: JSON patch, merge patch, strategic merge patch and server-side apply.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::create;
use super::decode::{self, Draft};
use super::meta;
use super::options::{Strictness, WriteOptions};
use super::update::{self, ATTEMPTS, Attempt, Owners};
use crate::codec::{self, Decoded, Duplicate};
use crate::go_types;
use crate::http::{Body, PatchType, patch_type};
use crate::kinds::Resource;
use crate::patch;
use crate::schema::{canonical_json, escaped_json, go_quote, go_value};
use crate::ssa::{self, Applied, ApplyError, ApplyOptions};
use crate::status::{Cause, Failure};
use crate::store::Object;

/// Answers a PATCH to an object or to one of its subresources.
pub(super) async fn patch(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let kind = patch_type(&call.incoming.headers, !call.resource().is_custom())?;
    let options = WriteOptions::parse(call.incoming, "PatchOptions", Some(kind))?;
    if kind == PatchType::Apply {
        return apply(call, &options).await;
    }
    if let Some(why) = codec::go_json_error(&call.incoming.body) {
        let prefix = if kind == PatchType::Strategic { "" } else { "error decoding patch: " };
        return Err(Failure::bad_request(format!("{prefix}{why}")));
    }
    let document = decode::plain(codec::json(&call.incoming.body))?;
    for _ in 0..ATTEMPTS {
        let old = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
        let before = call.current(&old);
        let value = patched(&call, kind, &before, &document.value)?;
        let mut draft = Draft { value, duplicates: document.duplicates.clone() };
        let text = || shown(&call, kind, &before, &document.value);
        let mut warnings = made(&call, kind, &mut draft, options.strictness).map_err(|failure| strict(&text(), &failure))?;
        decode::check_type(&call, &mut draft.value)?;
        let named = based_on(&before, &draft.value);
        let unwise = meta::warnings(call.resource(), &draft.value, Some(&old));
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

/// Reads what a patch made; what is said of its fields.
fn made(call: &Call<'_>, kind: PatchType, draft: &mut Draft, strictness: Strictness) -> Result<Vec<String>, Failure> {
    let warnings = decode::made(call, draft, strictness, kind != PatchType::Strategic)?;
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
    warnings.extend(meta::distinct_owners(&mut value, meta::OWNERS_REPEATED_BY_PATCH));
    update::finish(call, (old, before), value, options, Owners::Open).await
}

fn patched(call: &Call<'_>, kind: PatchType, before: &Value, document: &Value) -> Result<Value, Failure> {
    let mut after = before.clone();
    let outcome = match kind {
        PatchType::Json => patch::json::apply(&mut after, document),
        PatchType::Merge | PatchType::Apply => patch::merge::apply(&mut after, document),
        PatchType::Strategic => {
            let merges = &call.compiled()?.merges;
            patch::strategic::apply_with(&mut after, document, &call.resource().kind, &|path| merges.get(path).copied())
        }
    };
    outcome.map(|()| after).map_err(|error| match error.status() {
        400 => Failure::bad_request(error.to_string()),
        413 => Failure::too_large_because(error.to_string()),
        500 => Failure::internal_plain(error.to_string()),
        _ => Failure::unprocessable(),
    })
}

/// How a refusal shows what was made of a patch: the patch itself where trees are merged, else the text that came of it.
fn shown(call: &Call<'_>, kind: PatchType, before: &Value, document: &Value) -> String {
    if kind == PatchType::Strategic {
        return go_value(document);
    }
    let Ok(mut made) = patched(call, kind, before, document) else { return String::new() };
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
fn check_uid(call: &Call<'_>, value: &Value, old: &Object) -> Result<(), Failure> {
    match value["metadata"]["uid"].as_str() {
        Some(uid) if uid != old.meta.uid => {
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
fn check_namespace(call: &Call<'_>, metadata: &Value) -> Result<(), Failure> {
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

async fn apply(call: Call<'_>, options: &WriteOptions) -> Result<Response<Body>, Failure> {
    let decoded = document(&call)?;
    let repeated = decoded.duplicates;
    let own = call.resource().api_version();
    let own = (own.as_str(), call.resource().kind.as_str());
    let applied = checked(&call, own, decoded.value)?;
    let old = call.core.store.get(&call.key(call.name()));
    let unwise = meta::warnings(call.resource(), &applied, old.as_deref());
    let mut first = Some(applied);
    let again = || match first.take() {
        Some(applied) => Ok(applied),
        None => checked(&call, own, document(&call)?.value),
    };
    let (object, code) = apply_value(&call, again, &repeated, options).await?;
    let warnings = noted(&repeated, options.strictness)?;
    answer::written(&call, &object, code, warnings.into_iter().chain(unwise).collect())
}

/// What is said of keys that an apply gives twice.
///
/// # Errors
/// 400 under `Strict`.
fn noted(repeated: &[Duplicate], strictness: Strictness) -> Result<Vec<String>, Failure> {
    match strictness {
        Strictness::Strict => {
            codec::apply_strict_error(repeated).map_or_else(|| Ok(Vec::new()), |text| Err(Failure::bad_request(text)))
        }
        Strictness::Warn => Ok(codec::apply_warnings(repeated)),
        Strictness::Ignore => Ok(Vec::new()),
    }
}

/// The body of an apply, which is YAML and an object.
pub(super) fn document(call: &Call<'_>) -> Result<Decoded, Failure> {
    let wrong = |why: String| Failure::bad_request(format!("error decoding YAML: {why}"));
    let decoded = codec::yaml(&call.incoming.body).map_err(|error| match error.go_yaml() {
        Some(why) => wrong(format!("error converting YAML to JSON: {why}")),
        None => wrong(error.to_string()),
    })?;
    if decoded.value.is_object() || decoded.value.is_null() {
        return Ok(decoded);
    }
    let found = codec::json_type(&decoded.value);
    Err(wrong(format!(
        "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
    )))
}

/// Merges what `applied` gives into the object, or makes it; says whether it was made by the code. Each attempt asks for it anew
/// and uses it up; the keys `repeated` in it are told once it merges.
pub(super) async fn apply_value(
    call: &Call<'_>,
    mut applied: impl FnMut() -> Result<Value, Failure>,
    repeated: &[Duplicate],
    options: &WriteOptions,
) -> Result<(Arc<Object>, u16), Failure> {
    for _ in 0..ATTEMPTS {
        let old = call.core.store.get(&call.key(call.name()));
        let (merged, before) = merged(call, old.as_ref(), applied()?, options)?;
        let warnings = noted(repeated, options.strictness)?;
        let stored = stored(call, (old.as_ref(), before), merged, options).await;
        if let (Attempt::Done(object), code) = stored.map_err(|failure| failure.warned(&warnings))? {
            return Ok((object, code));
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

/// Checks what an apply body of this version and kind must and must not have.
pub(super) fn checked(call: &Call<'_>, own: (&str, &str), mut applied: Value) -> Result<Value, Failure> {
    let text = |field: &str| applied[field].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version.is_empty() || kind.is_empty() || (version, kind) != own {
        let slash = if version.contains('/') { "" } else { "/" };
        return Err(Failure::bad_request(format!("invalid object type: {slash}{version}, Kind={kind}")));
    }
    if applied["metadata"].get("managedFields").is_some_and(|list| list.as_array().is_none_or(|list| !list.is_empty())) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
    let slot = applied.as_object_mut().map(|fields| fields.entry("metadata").or_insert_with(|| json!({})));
    let Some(metadata) = slot.and_then(Value::as_object_mut) else {
        return Err(Failure::bad_request("metadata: must be an object"));
    };
    match metadata.get("name").and_then(Value::as_str) {
        None | Some("") => {
            metadata.insert("name".to_owned(), Value::String(call.name().to_owned()));
        }
        Some(_) => {}
    }
    check_namespace(call, &applied["metadata"])?;
    check_name(call, &applied)?;
    Ok(applied)
}

/// Merges what `applied` gives into `old`: what comes of it, `None` where nothing changes, and the tree of `old`.
pub(super) fn merged(
    call: &Call<'_>,
    old: Option<&Arc<Object>>,
    mut applied: Value,
    options: &WriteOptions,
) -> Result<(Option<Applied>, Option<Value>), Failure> {
    let mut before = old.map(|old| call.current(old));
    if let Some(old) = old {
        check_uid(call, &applied, old)?;
        update::check_identity(call, &applied, old)?;
    } else if !call.subresource().is_empty() {
        return Err(Failure::not_found(call.resource(), call.name()));
    } else if let Some(uid) = applied["metadata"]["uid"].as_str() {
        let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
        return Err(Failure::conflict(call.resource(), call.name(), &why));
    } else if let Some(metadata) = applied["metadata"].as_object_mut() {
        // What is not there yet has no version that could be another one.
        metadata.remove("resourceVersion");
    }
    let version = call.resource().api_version();
    let given = applied["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let apply = ApplyOptions {
        manager: &options.manager,
        force: options.force,
        subresource: call.subresource(),
        api_version: &version,
        reset: call.reset(),
        now: call.core.clock.now(),
    };
    let outcome = ssa::apply(call.types()?, before.as_mut(), applied, apply).map_err(|error| refused(&error))?;
    if let Some(Applied { object, .. }) = &outcome {
        convertible(call, object, &given)?;
    }
    Ok((outcome, before))
}

/// Whether a merged tree can become an object of its kind; `namespace` is the one that the apply names.
fn convertible(call: &Call<'_>, merged: &Value, namespace: &str) -> Result<(), Failure> {
    let (Some(root), Some(tree)) = (decode::root(call), merged.as_object()) else {
        return decode::readable(call, merged).map_err(|why| decode::unhandled(call, &Failure::bad_request(why)));
    };
    let Resource { group, version, kind, .. } = call.resource();
    let kind = format!("{group}/{version}, Kind={kind}");
    go_types::restorable(root, tree).map_err(|why| {
        Failure::internal_plain(format!(
            "failed to convert new object ({namespace}/{}; {kind}) to proper version: unable to convert unstructured object to \
             {kind}: {why}",
            call.name()
        ))
    })
}

/// Writes what an apply made of the object, or the object that it made; says by the code which.
pub(super) async fn stored(
    call: &Call<'_>,
    (old, before): (Option<&Arc<Object>>, Option<Value>),
    outcome: Option<Applied>,
    options: &WriteOptions,
) -> Result<(Attempt, u16), Failure> {
    match (old.zip(before), outcome) {
        (Some((old, _)), None) => Ok((Attempt::Done(Arc::clone(old)), 200)),
        (Some((old, before)), Some(Applied { object, owners_changed })) => {
            let owners = owners_changed.map_or(Owners::Noted, |changed| Owners::Moved { changed });
            Ok((update::finish(call, (old, before), object, options, owners).await?, 200))
        }
        (None, made) => {
            // An apply that makes an object has always changed something.
            let Some(Applied { object, .. }) = made else { return Err(Failure::internal("an apply made nothing".to_owned())) };
            match create::insert(*call, object, options, false).await {
                Ok(object) => Ok((Attempt::Done(object), 201)),
                Err(failure) if failure.reason == "AlreadyExists" => Ok((Attempt::Outrun, 201)),
                Err(failure) => Err(failure),
            }
        }
    }
}

/// The answer to an apply that was not merged.
pub(super) fn refused(error: &ApplyError) -> Failure {
    match error {
        ApplyError::Conflicts { conflicts } => Failure::apply_conflict(
            error.to_string(),
            conflicts.iter().map(|conflict| Cause::new("FieldManagerConflict", conflict.field(), conflict.message())).collect(),
        ),
        ApplyError::Type { message } => Failure::internal_plain(message),
        ApplyError::BadRequest { message } => Failure::bad_request(message),
    }
}
