//! DELETE of one object or of a collection: options, preconditions, finalizers, the object's end.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::update::ATTEMPTS;
use crate::codec;
use crate::crds;
use crate::http::{Body, BodyType, body_type, json as respond};
use crate::kinds::CoreKind;
use crate::paging;
use crate::proto;
use crate::schema::go_quote;
use crate::selectors::Selector;
use crate::status::{Cause, Details, Failure};
use crate::store::{CommitError, Expected, Object, Scope, Write};

/// The finalizer that makes the collector let dependents go on without their owner.
pub(crate) const ORPHAN: &str = "orphan";
/// The finalizer that makes the collector delete dependents before their owner.
pub(crate) const FOREGROUND: &str = "foregroundDeletion";

/// What becomes of the objects that name a deleted one as their owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Propagation {
    Background,
    Foreground,
    Orphan,
}

/// The options of a delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DeleteOptions {
    pub(crate) propagation: Option<Propagation>,
    pub(crate) uid: Option<String>,
    pub(crate) version: Option<String>,
    pub(crate) dry_run: bool,
    /// Seconds between TERM and KILL, for what runs.
    pub(crate) grace: Option<u32>,
}

impl DeleteOptions {
    /// Reads the options from the body and the query; the body wins.
    pub(super) fn parse(call: &Call<'_>) -> Result<Self, Failure> {
        let bytes = &call.incoming.body;
        let body = if bytes.is_empty() { json!({}) } else { of_its_kind(decoded(call)?)? };
        let mut causes = Vec::new();
        let asked: Vec<&str> = body["dryRun"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let dry_run = super::options::dry_run(call.incoming, &mut causes) || !asked.is_empty();
        causes.extend(super::options::unsupported_dry_run(&asked));
        let named = body["propagationPolicy"].as_str().or_else(|| call.incoming.query.get("propagationPolicy"));
        let orphan = body["orphanDependents"].as_bool().or_else(|| call.incoming.query.choice("orphanDependents"));
        if let (Some(named), Some(_)) = (named, orphan) {
            let why = "orphanDependents and deletionPropagation cannot be both set";
            causes.push(Cause::invalid("propagationPolicy", &go_quote(named), why));
        }
        let propagation = match (named, orphan) {
            (Some("Background"), _) | (None, Some(false)) => Some(Propagation::Background),
            (Some("Foreground"), _) => Some(Propagation::Foreground),
            (Some("Orphan"), _) | (None, Some(true)) => Some(Propagation::Orphan),
            (None, None) => None,
            (Some(other), _) => {
                causes.push(Cause::unsupported("propagationPolicy", other, &["Foreground", "Background", "Orphan", "nil"]));
                None
            }
        };
        if !causes.is_empty() {
            return Err(Failure::invalid_options("DeleteOptions", causes));
        }
        let text = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let preconditions = &body["preconditions"];
        let (uid, version) = (text(&preconditions["uid"]), text(&preconditions["resourceVersion"]));
        let queried = paging::number(&call.incoming.query, "gracePeriodSeconds")?;
        let grace = body["gracePeriodSeconds"].as_i64().or(queried).and_then(|seconds| u32::try_from(seconds).ok());
        Ok(Self { propagation, uid, version, dry_run, grace })
    }
}

/// The body, which is an object.
fn decoded(call: &Call<'_>) -> Result<Value, Failure> {
    let bytes = &call.incoming.body;
    let untyped = |why: &str| Failure::bad_request(format!("couldn't get version/kind; json parse error: {why}"));
    let value = match body_type(&call.incoming.headers)? {
        BodyType::Json => {
            if let Some(why) = codec::go_json_error(bytes) {
                return Err(untyped(&why));
            }
            codec::json(bytes).map_err(|error| Failure::bad_request(error.to_string()))?.value
        }
        BodyType::Yaml => codec::yaml(bytes).map_err(|error| Failure::bad_request(error.to_string()))?.value,
        BodyType::Protobuf => proto::decode(bytes).map_err(|error| Failure::bad_request(error.to_string()))?,
    };
    match codec::no_type_error(&value) {
        Some(why) => Err(untyped(&why)),
        None => Ok(value),
    }
}

/// Refuses a body that says it is something else; one that says nothing, or another version, is taken.
fn of_its_kind(body: Value) -> Result<Value, Failure> {
    /// The reference names the table in which it looked by a line of its own source.
    const TABLE: &str = "pkg/runtime/scheme.go:111";
    match body["kind"].as_str() {
        None | Some("" | "DeleteOptions") => Ok(body),
        Some(other) => {
            let version = body["apiVersion"].as_str().unwrap_or_default();
            Err(Failure::bad_request(format!("no kind {other:?} is registered for version {version:?} in scheme {TABLE:?}")))
        }
    }
}

/// How a delete ended.
pub(crate) enum Removed {
    /// The object is gone; this was its last state.
    Gone(Arc<Object>),
    /// The object stays until its finalizers are gone.
    Waiting(Arc<Object>),
}

/// Answers a DELETE of one object.
pub(super) async fn delete(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = DeleteOptions::parse(&call)?;
    let namespace = call.resource().core() == Some(CoreKind::Namespace);
    if namespace && matches!(call.name(), "default" | "kube-system" | "kube-public") {
        return Err(Failure::forbidden(call.resource(), call.name(), "this namespace may not be deleted"));
    }
    match remove(&call, call.name(), &options).await? {
        Removed::Waiting(object) => answer::one(&call, &object, 200, Vec::new()),
        Removed::Gone(object) if call.resource().shows_deleted() => answer::one(&call, &object, 200, Vec::new()),
        Removed::Gone(object) => Ok(respond(
            200,
            Failure::success(&Details {
                name: call.name().to_owned(),
                group: call.resource().group.clone(),
                kind: call.resource().plural.clone(),
                uid: object.meta.uid.clone(),
                ..Details::default()
            }),
        )),
    }
}

/// Why one object of a collection was not deleted.
enum Refused {
    /// It is not the one that the request names.
    Precondition(Failure),
    /// Something happened to it since the collection was read.
    Meanwhile(Failure),
}

/// Answers a DELETE of a collection with what was deleted, as it was when the collection was read.
pub(super) async fn delete_collection(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = DeleteOptions::parse(&call)?;
    paging::list_options(&call.incoming.query)?;
    let selector = Selector::parse(&call.incoming.query, call.resource())?;
    let scope = if call.target.namespace.is_empty() { Scope::All } else { Scope::Namespace(call.target.namespace.clone()) };
    if scope == Scope::All && call.resource().namespaced {
        return Err(Failure::method_not_allowed());
    }
    let (revision, objects) = call.core.store.list(&call.resource().storage, &scope, &|object| selector.matches(object));
    let removals = objects.iter().map(|object| {
        let own = DeleteOptions { uid: Some(object.meta.uid.clone()), ..options.clone() };
        let wanted = check(&call, &object.meta.name, object, &options);
        async move {
            wanted.map_err(Refused::Precondition)?;
            remove(&call, &object.meta.name, &own).await.map(|_| Arc::clone(object)).map_err(Refused::Meanwhile)
        }
    });
    let mut gone = Vec::with_capacity(objects.len());
    for removal in futures::future::join_all(removals).await {
        match removal {
            Ok(object) => gone.push(object),
            // Somebody else deleted it, or replaced it by another object, in the meantime.
            Err(Refused::Meanwhile(failure)) if matches!(failure.code, 404 | 409) => {}
            Err(Refused::Meanwhile(failure) | Refused::Precondition(failure)) => return Err(failure),
        }
    }
    answer::all(&call, &gone, &answer::ListMeta { revision, ..answer::ListMeta::default() })
}

/// Deletes `name`, or marks it as deleted while finalizers hold it.
///
/// # Errors
/// 404, a failed precondition (409), or the store's refusal.
pub(crate) async fn remove(call: &Call<'_>, name: &str, options: &DeleteOptions) -> Result<Removed, Failure> {
    for _ in 0..ATTEMPTS {
        let old = call.core.store.get(&call.key(name)).ok_or_else(|| Failure::not_found(call.resource(), name))?;
        check(call, name, &old, options)?;
        let before = call.current(&old);
        let next = marked(call, &before, options.propagation);
        let held = next["metadata"]["finalizers"].as_array().is_some_and(|list| !list.is_empty())
            || next["spec"]["finalizers"]
                .as_array()
                .is_some_and(|list| call.resource().core() == Some(CoreKind::Namespace) && !list.is_empty());
        if held && next == before {
            return Ok(Removed::Waiting(old));
        }
        let draft = if held { call.encode(next) } else { call.encode(before) };
        if options.dry_run {
            let object = call.unstored(&draft, old.revision)?;
            return Ok(if held { Removed::Waiting(object) } else { Removed::Gone(object) });
        }
        let expected = Expected::Revision(old.revision);
        let (key, through) = (call.key(name), call.through());
        let write = Write { key, expected, draft, delete: !held, proven: old.proven, through };
        match call.core.store.commit_in(write, call.core.company()).await {
            Ok(object) if held => return Ok(Removed::Waiting(object)),
            Ok(object) => return Ok(Removed::Gone(object)),
            Err(CommitError::Stale) => {}
            Err(error) => return Err(call.refused(name, error)),
        }
    }
    Err(Failure::modified(call.resource(), name))
}

/// Compares the preconditions.
///
/// # Errors
/// 409 naming the one that does not hold.
pub(super) fn check(call: &Call<'_>, name: &str, old: &Object, options: &DeleteOptions) -> Result<(), Failure> {
    let current = old.revision.to_string();
    let checks = [
        ("UID", &options.uid, old.meta.uid.as_str(), "deleted and then recreated"),
        ("ResourceVersion", &options.version, current.as_str(), "modified"),
    ];
    for (what, wanted, found, cause) in checks {
        if let Some(wanted) = wanted
            && wanted != found
        {
            let why = format!(
                "the {what} in the precondition ({wanted}) does not match the {what} in record ({found}). The object might have been {cause}"
            );
            return Err(Failure::precondition(call.resource(), name, &why));
        }
    }
    Ok(())
}

/// `before` with its deletion asked for.
fn marked(call: &Call<'_>, before: &Value, propagation: Option<Propagation>) -> Value {
    let mut next = before.clone();
    let dependents = !call.core.store.dependents(before["metadata"]["uid"].as_str().unwrap_or_default()).is_empty();
    let first = before["metadata"]["deletionTimestamp"].is_null();
    let metadata = &mut next["metadata"];
    let mut finalizers: Vec<Value> = metadata["finalizers"].as_array().cloned().unwrap_or_default();
    if let Some(propagation) = propagation {
        finalizers.retain(|entry| entry != ORPHAN && entry != FOREGROUND);
        match propagation {
            Propagation::Background => {}
            Propagation::Foreground if dependents => finalizers.push(json!(FOREGROUND)),
            Propagation::Orphan if dependents => finalizers.push(json!(ORPHAN)),
            // Without dependents the collector would take the finalizer off at once.
            Propagation::Foreground | Propagation::Orphan => {}
        }
    }
    if let Some(metadata) = metadata.as_object_mut() {
        if finalizers.is_empty() {
            metadata.remove("finalizers");
        } else {
            metadata.insert("finalizers".to_owned(), Value::Array(finalizers));
        }
        if !metadata.contains_key("deletionTimestamp") {
            metadata.insert("deletionTimestamp".to_owned(), json!(call.now()));
            metadata.insert("deletionGracePeriodSeconds".to_owned(), json!(0));
            if let Some(generation) = metadata.get("generation").and_then(Value::as_i64) {
                metadata.insert("generation".to_owned(), json!(generation + 1));
            }
            if call.resource().core() == Some(CoreKind::Namespace) {
                metadata.remove("deletionGracePeriodSeconds");
                next["status"]["phase"] = json!("Terminating");
            }
        }
    }
    if first && call.resource().core() == Some(CoreKind::CustomResourceDefinition) {
        crds::terminate(&mut next, &call.now());
        // The reference writes neither when it marks a definition.
        next["metadata"]["generation"] = before["metadata"]["generation"].clone();
        if let Some(metadata) = next["metadata"].as_object_mut() {
            metadata.remove("deletionGracePeriodSeconds");
        }
    }
    next
}
