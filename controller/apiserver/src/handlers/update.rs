//! PUT, and the common end of every change of an existing object.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::create;
use super::decode;
use super::meta;
use super::options::WriteOptions;
use crate::http::Body;
use crate::kinds::{self, CoreKind};
use crate::schema::identical;
use crate::status::Failure;
use crate::store::{CommitError, Expected, Object, Write};

/// How often a change without a version is worked out again on a newer object.
pub(super) const ATTEMPTS: usize = 16;

/// How an attempt ended that can be made again.
pub(super) enum Attempt {
    Done(Arc<Object>),
    /// Somebody else was faster.
    Outrun,
}

/// What is known of the field owners of a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owners {
    /// This write's manager is still to be noted.
    Open,
    /// All are noted.
    Noted,
    /// All are noted, and the tree of the version before gave its list away; whether the two lists differ in anything but times.
    Moved { changed: bool },
}

/// Answers a PUT to an object or to one of its subresources.
pub(super) async fn update(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = WriteOptions::parse(call.incoming, "UpdateOptions", None)?;
    let mut draft = decode::body(&call)?;
    let mut warnings =
        decode::prune(&call, &mut draft, options.strictness).map_err(|failure| decode::unhandled(&call, &failure))?;
    warnings.extend(meta::distinct_owners(&mut draft.value, meta::OWNERS_REPEATED));
    replace(call, draft, &options, warnings.clone()).await.map_err(|failure| failure.warned(&warnings))
}

async fn replace(
    call: Call<'_>,
    mut draft: decode::Draft,
    options: &WriteOptions,
    mut warnings: Vec<String>,
) -> Result<Response<Body>, Failure> {
    let metadata = meta::of(&mut draft.value)?;
    let named = metadata.get("name").and_then(Value::as_str).unwrap_or_default();
    check_name(&call, named)?;
    let namespace = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if !namespace.is_empty() && namespace != call.target.namespace {
        return Err(Failure::bad_request(
            "the namespace of the provided object does not match the namespace sent on the request",
        ));
    }
    let version = version_of(metadata);
    if let Some(old) = call.core.store.get(&call.key(call.name())) {
        check_uid(&call, &draft.value, &old)?;
    }
    if call.core.store.get(&call.key(call.name())).is_some() {
        check_version(&call, version.as_deref())?;
    }
    for _ in 0..ATTEMPTS {
        let Some(old) = call.core.store.get(&call.key(call.name())) else {
            return absent(call, draft.value, options, warnings).await;
        };
        check_identity(&call, &draft.value, &old)?;
        let before = call.current(&old);
        let unwise = meta::warnings(call.resource(), &draft.value, Some(&old));
        warnings.extend(unwise.into_iter().filter(|warning| !warnings.contains(warning)).collect::<Vec<_>>());
        match finish(&call, (&old, before), draft.value.clone(), options, Owners::Open).await? {
            Attempt::Done(object) => return answer::written(&call, &object, 200, warnings),
            Attempt::Outrun if version.is_some() => return Err(Failure::modified(call.resource(), call.name())),
            Attempt::Outrun => {}
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

/// Refuses a body of another name than its path has.
pub(super) fn check_name(call: &Call<'_>, found: &str) -> Result<(), Failure> {
    let wanted = call.name();
    if found.is_empty() {
        let text = format!("the name of the object ({wanted} based on URL) was undeterminable: name must be provided");
        return Err(Failure::bad_request(text));
    }
    if found == wanted {
        return Ok(());
    }
    Err(Failure::bad_request(format!("the name of the object ({found}) does not match the name on the URL ({wanted})")))
}

async fn absent(call: Call<'_>, value: Value, options: &WriteOptions, warnings: Vec<String>) -> Result<Response<Body>, Failure> {
    if !call.resource().creates_on_update() || !call.subresource().is_empty() {
        return Err(Failure::not_found(call.resource(), call.name()));
    }
    let object = create::insert(call, value, options, true).await?;
    answer::written(&call, &object, 201, warnings)
}

/// The version that a body names; `None` when it names none.
pub(super) fn version_of(metadata: &serde_json::Map<String, Value>) -> Option<String> {
    metadata
        .get("resourceVersion")
        .and_then(Value::as_str)
        .filter(|version| !version.is_empty() && *version != "0")
        .map(str::to_owned)
}

/// Refuses a body without a version where the kind wants one.
pub(super) fn check_version(call: &Call<'_>, version: Option<&str>) -> Result<(), Failure> {
    if version.is_some() || call.resource().updates_unconditionally() {
        return Ok(());
    }
    let cause = crate::status::Cause::invalid("metadata.resourceVersion", "0", "must be specified for an update");
    Err(Failure::invalid(&call.resource().group, &call.resource().plural, call.name(), vec![cause]))
}

/// Refuses a body that names another object than `old`, in the words of the reference's storage.
fn check_uid(call: &Call<'_>, new: &Value, old: &Object) -> Result<(), Failure> {
    let uid = new["metadata"]["uid"].as_str().unwrap_or_default();
    if uid.is_empty() || uid == old.meta.uid {
        return Ok(());
    }
    let resource = call.resource();
    let namespace = &call.target.namespace;
    let group = if resource.is_custom() { format!("{}/", resource.group) } else { String::new() };
    let place = if namespace.is_empty() { String::new() } else { format!("{namespace}/") };
    let why = format!(
        "StorageError: invalid object, Code: 4, Key: /registry/{group}{}/{place}{}, ResourceVersion: 0, AdditionalErrorMsg: \
         Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
        resource.plural,
        call.name(),
        old.meta.uid
    );
    Err(Failure::conflict(resource, call.name(), &why))
}

/// Refuses a body that names another version or another object than `old`.
pub(super) fn check_identity(call: &Call<'_>, new: &Value, old: &Object) -> Result<(), Failure> {
    let metadata = &new["metadata"];
    if let Some(uid) = metadata["uid"].as_str()
        && !uid.is_empty()
        && uid != old.meta.uid
    {
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {}", old.meta.uid);
        return Err(Failure::conflict(call.resource(), call.name(), &why));
    }
    match metadata["resourceVersion"].as_str() {
        None | Some("" | "0") => Ok(()),
        Some(version) if version == old.revision.to_string() => Ok(()),
        Some(version) if version.parse::<u64>().is_err() => {
            Err(Failure::internal_plain(format!("strconv.ParseUint: parsing {version:?}: invalid syntax")))
        }
        Some(_) => Err(Failure::modified(call.resource(), call.name())),
    }
}

/// Turns `new`, which is based on `old` and its tree `before`, into the next version.
pub(super) async fn finish(
    call: &Call<'_>,
    (old, mut before): (&Arc<Object>, Value),
    mut new: Value,
    options: &WriteOptions,
    owners: Owners,
) -> Result<Attempt, Failure> {
    restrict(call, &before, &mut new)?;
    call.default(&mut new)?;
    kinds::prepare(call.resource(), &mut new, Some(&before));
    count_generation(call, &before, &mut new);
    if owners == Owners::Open {
        call.own(Some(&mut before), &mut new, options)?;
    }
    kinds::settle(call.resource(), &mut new, Some(&before), call.subresource());
    kinds::rest(call.resource(), &mut new);
    if !options.dry_run {
        // The store keeps no links.
        meta::of(&mut new)?.remove("selfLink");
    }
    let kept = match owners {
        Owners::Open | Owners::Noted => same_owners(&before, &new),
        Owners::Moved { changed } => !changed,
    };
    if kept && same(&before, &new) {
        return Ok(Attempt::Done(Arc::clone(old)));
    }
    let proven = call.validate(&new, Some((old, &before)))?;
    let gone = !before["metadata"]["deletionTimestamp"].is_null() && unheld(call, &new);
    let draft = call.encode(new);
    if options.dry_run {
        return call.unstored(&draft, old.revision).map(Attempt::Done);
    }
    // An object that goes is answered as the request left it: it has no version of its own.
    let last = gone.then(|| call.unstored(&draft, old.revision)).transpose()?;
    // Watchers see the last state that was stored.
    let draft = if gone { call.encode(call.current(old)) } else { draft };
    let expected = Expected::Revision(old.revision);
    let write = Write { key: call.key(call.name()), expected, draft, delete: gone, proven, through: call.through() };
    match call.core.store.commit_in(write, call.core.company()).await {
        Ok(object) => Ok(Attempt::Done(last.unwrap_or(object))),
        Err(CommitError::Stale) => Ok(Attempt::Outrun),
        Err(error) => Err(call.refused(call.name(), error)),
    }
}

/// Whether nothing keeps a deleted object any longer.
pub(super) fn unheld(call: &Call<'_>, new: &Value) -> bool {
    let none = |list: &Value| list.as_array().is_none_or(Vec::is_empty);
    none(&new["metadata"]["finalizers"])
        && (call.resource().core() != Some(CoreKind::Namespace) || none(&new["spec"]["finalizers"]))
}

/// Limits a change to what its path may change, and puts back what only the server writes.
fn restrict(call: &Call<'_>, before: &Value, new: &mut Value) -> Result<(), Failure> {
    meta::of(new)?;
    match call.subresource() {
        "" if call.resource().status => carry(new, before, "status"),
        "" => {}
        "status" | "approval" => put_back(new, before, &["metadata", "status"])?,
        "scale" | "finalize" => put_back(new, before, &["metadata", "spec"])?,
        part @ ("ephemeralcontainers" | "resize") => {
            let fields: &[&str] = if part == "resize" { &["containers", "initContainers"] } else { &["ephemeralContainers"] };
            put_back(new, before, &["metadata", "spec"])?;
            if let (Some(spec), Some(known)) = (new.get_mut("spec"), before.get("spec")) {
                put_back(spec, known, fields)?;
            }
        }
        _ => put_back(new, before, &["metadata"])?,
    }
    if !call.subresource().is_empty()
        && call.resource().keeps_metadata(call.subresource())
        && let (Some(metadata), Some(known)) = (new.get_mut("metadata"), before.get("metadata"))
    {
        put_back(metadata, known, &["managedFields"])?;
        if metadata.get("managedFields").is_none() {
            carry(metadata, known, "managedFields");
        }
    }
    meta::keep(meta::of(new)?, &before["metadata"]);
    meta::of(new)?.remove("resourceVersion");
    Ok(())
}

/// Makes every field of `new` but these what it is in `before`.
fn put_back(new: &mut Value, before: &Value, but: &[&str]) -> Result<(), Failure> {
    let wrong = || Failure::bad_request("the body of the request is not an object");
    let (new, before) = (new.as_object_mut().ok_or_else(wrong)?, before.as_object().ok_or_else(wrong)?);
    new.retain(|field, _| but.contains(&field.as_str()) || before.contains_key(field));
    for (field, value) in before.iter().filter(|(field, _)| !but.contains(&field.as_str())) {
        if !new.get(field).is_some_and(|found| identical(found, value)) {
            new.insert(field.clone(), value.clone());
        }
    }
    Ok(())
}

/// Makes `field` of `to` what it is in `from`.
fn carry(to: &mut Value, from: &Value, field: &str) {
    let Some(map) = to.as_object_mut() else { return };
    match from.get(field) {
        Some(value) if map.get(field).is_some_and(|found| identical(found, value)) => {}
        Some(value) => {
            map.insert(field.to_owned(), value.clone());
        }
        None => {
            map.remove(field);
        }
    }
}

fn count_generation(call: &Call<'_>, before: &Value, new: &mut Value) {
    if !call.resource().counts_generation() {
        return;
    }
    let status = call.resource().status;
    let counts = |field: &str| field != "metadata" && !(status && field == "status");
    let generation = before["metadata"]["generation"].as_i64().unwrap_or(1);
    if !same_fields(before, new, counts) {
        new["metadata"]["generation"] = json!(generation + 1);
    }
}

/// Whether two objects agree in the fields that count.
fn same_fields(left: &Value, right: &Value, counts: impl Fn(&str) -> bool) -> bool {
    let (Some(left), Some(right)) = (left.as_object(), right.as_object()) else { return identical(left, right) };
    let size = |map: &serde_json::Map<String, Value>| map.keys().filter(|field| counts(field)).count();
    size(left) == size(right)
        && left
            .iter()
            .filter(|(field, _)| counts(field))
            .all(|(field, value)| right.get(field).is_some_and(|found| identical(found, value)))
}

/// Whether no owner changed but the times at which they last wrote.
fn same_owners(before: &Value, new: &Value) -> bool {
    match (before["metadata"]["managedFields"].as_array(), new["metadata"]["managedFields"].as_array()) {
        (Some(old), Some(new)) => {
            let entry = |(old, new): (&Value, &Value)| same_fields(old, new, |field| field != "time");
            old.len() == new.len() && old.iter().zip(new).all(entry)
        }
        (old, new) => old == new,
    }
}

/// Whether nothing but the owners changed.
fn same(before: &Value, new: &Value) -> bool {
    same_fields(&before["metadata"], &new["metadata"], |field| field != "resourceVersion" && field != "managedFields")
        && same_fields(before, new, |field| field != "metadata")
}
