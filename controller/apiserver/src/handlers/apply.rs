//! Server-side apply: what is applied is merged into the object, or makes it.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::create;
use super::decode;
use super::options::{Strictness, WriteOptions};
use super::patch::{check_namespace, check_uid, unwise};
use super::update::{self, ATTEMPTS, Attempt, Owners};
use crate::codec::{self, Decoded, Duplicate};
use crate::go_types;
use crate::http::Body;
use crate::kinds::Resource;
use crate::ssa::{self, Applied, ApplyError, ApplyOptions};
use crate::status::{Cause, Failure};
use crate::store::Object;

/// Answers an apply to an object or to one of its subresources.
pub(super) async fn apply(call: Call<'_>, options: &WriteOptions) -> Result<Response<Body>, Failure> {
    let decoded = document(&call)?;
    let repeated = decoded.duplicates;
    let own = call.resource().api_version();
    let own = (own.as_str(), call.resource().kind.as_str());
    let applied = checked(own, decoded.value)?;
    let old = call.core.store.get(&call.key(call.name()));
    let unwise = unwise(&call, &applied, old.as_deref());
    let mut first = Some(applied);
    let again = || match first.take() {
        Some(applied) => Ok(applied),
        None => checked(own, document(&call)?.value),
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
    let mut decoded = codec::yaml(&call.incoming.body).map_err(|error| match error.go_yaml() {
        Some(why) => wrong(format!("error converting YAML to JSON: {why}")),
        None => wrong(error.to_string()),
    })?;
    if decoded.value.is_object() || decoded.value.is_null() {
        // What comes of YAML is in order.
        decoded.value.sort_all_objects();
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
pub(super) fn checked(own: (&str, &str), applied: Value) -> Result<Value, Failure> {
    let text = |field: &str| applied[field].as_str().unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    if version.is_empty() || kind.is_empty() || (version, kind) != own {
        let slash = if version.contains('/') { "" } else { "/" };
        return Err(Failure::bad_request(format!("invalid object type: {slash}{version}, Kind={kind}")));
    }
    if applied["metadata"]["managedFields"].as_array().is_some_and(|list| list.iter().all(Value::is_object)) {
        return Err(Failure::bad_request("metadata.managedFields must be nil"));
    }
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
    let version = call.resource().api_version();
    let given = Given::of(&applied);
    if let (None, Some(Value::Object(metadata))) = (old, applied.get_mut("metadata")) {
        // What is not there yet has no version that could be another one.
        metadata.remove("resourceVersion");
    }
    let apply = ApplyOptions {
        manager: &options.manager,
        force: options.force,
        subresource: call.subresource(),
        api_version: &version,
        reset: call.reset(),
        now: call.core.clock.now(),
    };
    let mut outcome = ssa::apply(call.types()?, before.as_mut(), applied, apply).map_err(|error| refused(&error))?;
    if let Some(Applied { object, .. }) = &mut outcome {
        convertible(call, object, &given)?;
        if let (Some(root), Some(tree)) = (decode::root(call), object.as_object_mut()) {
            go_types::narrow(root, tree);
        }
    }
    // What is pruned whole has lost its name with it.
    let name = outcome.as_ref().map_or(call.name(), |made| made.object["metadata"]["name"].as_str().unwrap_or_default());
    given.check(call, old, name)?;
    if old.is_none() && !call.subresource().is_empty() {
        return Err(Failure::not_found(call.resource(), call.name()));
    }
    Ok((outcome, before))
}

/// What an apply says of the object that it means.
struct Given {
    metadata: Value,
}

impl Given {
    fn of(applied: &Value) -> Self {
        let named = ["name", "namespace", "uid", "resourceVersion"].map(|field| (field, &applied["metadata"][field]));
        let named = named.into_iter().filter(|(_, value)| value.is_string());
        Self { metadata: named.map(|(field, value)| (field.to_owned(), value.clone())).collect() }
    }

    fn text(&self, field: &str) -> &str {
        self.metadata[field].as_str().unwrap_or_default()
    }

    /// Refuses an apply that means another object than its path; `name` is what it made of the object's.
    fn check(&self, call: &Call<'_>, old: Option<&Arc<Object>>, name: &str) -> Result<(), Failure> {
        let whole = json!({"metadata": self.metadata});
        match old {
            Some(old) => check_uid(call, &whole, old)?,
            None if !self.text("uid").is_empty() => {
                let uid = self.text("uid");
                let why = format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
                return Err(Failure::conflict(call.resource(), call.name(), &why));
            }
            None => {}
        }
        check_namespace(call, &self.metadata)?;
        update::check_name(call, name)?;
        old.map_or(Ok(()), |old| update::check_identity(call, &whole, old))
    }
}

/// Whether a merged tree can become an object of its kind.
fn convertible(call: &Call<'_>, merged: &Value, given: &Given) -> Result<(), Failure> {
    let (Some(root), Some(tree)) = (decode::root(call), merged.as_object()) else {
        return decode::readable(call, merged).map_err(|why| decode::unhandled(call, &Failure::bad_request(why)));
    };
    let Resource { group, version, kind, .. } = call.resource();
    let kind = format!("{group}/{version}, Kind={kind}");
    go_types::restorable(root, tree).map_err(|why| {
        Failure::internal_plain(format!(
            "failed to convert new object ({}/{}; {kind}) to proper version: unable to convert unstructured object to \
             {kind}: {why}",
            given.text("namespace"),
            given.text("name")
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
