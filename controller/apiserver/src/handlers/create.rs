//! POST: a new object.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::account;
use super::answer;
use super::call::Call;
use super::decode;
use super::meta;
use super::options::WriteOptions;
use crate::crds;
use crate::http::Body;
use crate::kinds::{self, CoreKind};
use crate::ports::name_suffix;
use crate::status::Failure;
use crate::store::{CommitError, Expected, Object, Write};

/// How often a generated name is drawn again when it is taken.
const NAME_TRIES: usize = 8;
/// The longest base of a generated name: room for the suffix stays.
const BASE_LIMIT: usize = 58;

/// Answers a POST to a collection.
pub(super) async fn create(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = WriteOptions::parse(call.incoming, "CreateOptions", None)?;
    let mut draft = decode::body(&call)?;
    let warnings = decode::prune(&call, &mut draft, options.strictness).map_err(|failure| decode::unhandled(&call, &failure))?;
    let formats = crds::unrecognized_formats(call.resource(), &draft.value);
    let unwise = meta::warnings(call.resource(), &draft.value, None);
    let warnings: Vec<String> =
        warnings.into_iter().chain(meta::distinct_owners(&mut draft.value, meta::OWNERS_REPEATED)).collect();
    let object = insert(call, draft.value, &options, true).await.map_err(|failure| failure.warned(&warnings))?;
    answer::written(&call, &object, 201, warnings.into_iter().chain(formats).chain(unwise).collect())
}

/// Completes, validates and stores a new object; `manage` is false when its field owners are already noted.
pub(super) async fn insert(
    call: Call<'_>,
    mut value: Value,
    options: &WriteOptions,
    manage: bool,
) -> Result<Arc<Object>, Failure> {
    place(&call, &mut value)?;
    if !meta::of(&mut value)?.get("name").and_then(Value::as_str).unwrap_or_default().is_empty() {
        return store(call, value, options, manage).await;
    }
    let mut tries = 0;
    loop {
        tries += 1;
        match store(call, value.clone(), options, manage).await {
            Err(failure) if failure.reason == "AlreadyExists" && tries < NAME_TRIES => {}
            other => return other,
        }
    }
}

/// Checks that body and path name the same namespace and object.
fn place(call: &Call<'_>, value: &mut Value) -> Result<(), Failure> {
    let namespace = call.target.namespace.clone();
    let metadata = meta::of(value)?;
    let given = metadata.get("namespace").and_then(Value::as_str).unwrap_or_default();
    if call.resource().namespaced {
        if namespace.is_empty() {
            return Err(Failure::method_not_allowed());
        }
        if !given.is_empty() && given != namespace {
            return Err(Failure::bad_request(
                "the namespace of the provided object does not match the namespace sent on the request",
            ));
        }
        metadata.insert("namespace".to_owned(), Value::String(namespace));
    } else {
        metadata.remove("namespace");
    }
    if metadata.get("resourceVersion").and_then(Value::as_str).is_some_and(|version| !version.is_empty() && version != "0") {
        return Err(Failure::internal_plain("resourceVersion should not be set on objects to be created"));
    }
    Ok(())
}

async fn store(call: Call<'_>, mut value: Value, options: &WriteOptions, manage: bool) -> Result<Arc<Object>, Failure> {
    let name = complete(&call, &mut value)?;
    call.check_namespace(&name)?;
    call.check_definition(&name)?;
    call.default(&mut value)?;
    kinds::prepare(call.resource(), &mut value, None);
    if manage {
        call.own(kinds::blank(call.resource()).as_mut(), &mut value, options)?;
    }
    // Nobody owns a status, but one that is none keeps the rest from being owned.
    if call.resource().drops_status() && call.resource().is_custom() {
        drop_status(&mut value);
    }
    kinds::settle(call.resource(), &mut value, None, "");
    kinds::rest(call.resource(), &mut value);
    let proven = call.validate(&value, None)?;
    let key = call.key(&name);
    let draft = call.encode(value);
    if options.dry_run {
        if call.core.store.get(&key).is_some() {
            return Err(call.refused(&name, CommitError::Exists));
        }
        return Object::parse(draft.unversioned(), 0).map(Arc::new).map_err(|error| Failure::internal(error.to_string()));
    }
    let write = Write { key, expected: Expected::Absent, draft, delete: false, proven, through: call.through() };
    let object = call.core.store.commit_in(write, call.core.company()).await.map_err(|error| call.refused(&name, error))?;
    if call.resource().core() == Some(CoreKind::Namespace) {
        account::ensure(call.core, &name).await?;
    }
    Ok(object)
}

fn drop_status(value: &mut Value) {
    if let Some(map) = value.as_object_mut() {
        map.remove("status");
    }
}

/// Sets what the server sets on a new object; returns its name.
fn complete(call: &Call<'_>, value: &mut Value) -> Result<String, Failure> {
    let no_id = |error: std::io::Error| Failure::internal(format!("no randomness: {error}"));
    let uid = call.core.ids.uid().map_err(no_id)?;
    let now = call.now();
    if call.resource().drops_status() && !call.resource().is_custom() {
        drop_status(value);
    }
    let generation = call.resource().counts_generation();
    let metadata = meta::of(value)?;
    for field in ["deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"] {
        metadata.remove(field);
    }
    let mut name = metadata.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    let base: String =
        metadata.get("generateName").and_then(Value::as_str).unwrap_or_default().chars().take(BASE_LIMIT).collect();
    if name.is_empty() && !base.is_empty() {
        name = format!("{base}{}", name_suffix(call.core.random.as_ref()).map_err(no_id)?);
        metadata.insert("name".to_owned(), Value::String(name.clone()));
    }
    metadata.insert("uid".to_owned(), Value::String(uid));
    metadata.insert("creationTimestamp".to_owned(), Value::String(now));
    if generation {
        metadata.insert("generation".to_owned(), json!(1));
    }
    Ok(name)
}
