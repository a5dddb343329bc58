//! What clients may ask of a Pod: it mirrors something else, so every write is refused with what to change instead, and a
//! delete is a restart of what it mirrors.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Response};
use serde_json::{Value, json};

use super::answer;
use super::call::Call;
use super::decode;
use super::delete::{self, DeleteOptions};
use super::internal::Internal;
use super::mirror::put;
use super::update::ATTEMPTS;
use crate::http::Body;
use crate::kinds::Resource;
use crate::status::{Class, Failure};
use crate::store::{Object, Scope};
use crate::workloads::{PodKey, WorkloadError};

/// Grace that is shown where neither the request nor the mirror names one.
const GRACE_SECONDS: u64 = 30;

/// Answers what a client must not do to a mirror, and a delete, which restarts.
pub(super) async fn write(call: Call<'_>) -> Result<Response<Body>, Failure> {
    match (&call.incoming.method, call.target.name.is_some()) {
        (&Method::DELETE, true) if call.resource().allows("delete") => restart(call).await,
        (&Method::POST, false) | (&Method::PUT | &Method::PATCH, true) | (&Method::DELETE, _) => Err(refusal(&call)),
        _ => Err(Failure::method_not_allowed()),
    }
}

/// 403 that names what to change instead; 404 for a change of what is not there.
fn refusal(call: &Call<'_>) -> Failure {
    let named = call.target.name.clone().or_else(|| {
        let draft = decode::body(call).ok().filter(|_| call.incoming.method == Method::POST)?;
        draft.value["metadata"]["name"].as_str().map(str::to_owned)
    });
    let Some(name) = named else {
        let kind = kind(call, None).map_or_else(|| "objects of this server".to_owned(), |kind| kind.plural.clone());
        return Failure::forbidden(call.resource(), "", &format!("they mirror {kind}; change those instead"));
    };
    let object = call.core.store.get(&call.key(&name));
    if object.is_none() && call.target.name.is_some() {
        return Failure::not_found(call.resource(), &name);
    }
    let owner = object.as_deref().and_then(|object| object.meta.owner_references.first());
    let kind = kind(call, object.as_deref());
    let why = match (owner, kind) {
        (Some(owner), Some(kind)) => format!("it mirrors {} {:?}; change that instead", kind.singular, owner.name),
        (None, Some(kind)) => format!("each of them mirrors one of the {}; create one of those instead", kind.plural),
        (_, None) => "each of them mirrors something that this server runs".to_owned(),
    };
    Failure::forbidden(call.resource(), &name, &why)
}

/// The kind that a mirror mirrors; without one, that of any.
fn kind(call: &Call<'_>, object: Option<&Object>) -> Option<Arc<Resource>> {
    let registry = call.core.registry();
    let of = |object: &Object| {
        let owner = object.meta.owner_references.first()?;
        registry.find_kind(&owner.api_version, &owner.kind).cloned()
    };
    match object {
        Some(object) => of(object),
        None => call.core.store.list(&call.resource().storage, &Scope::All, &|_| true).1.iter().find_map(|object| of(object)),
    }
}

/// The Pod that a path names.
///
/// # Errors
/// 404.
pub(super) fn pod(call: &Call<'_>) -> Result<(Arc<Object>, PodKey), Failure> {
    let object = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
    let key = PodKey { namespace: object.meta.namespace.clone(), name: object.meta.name.clone(), uid: object.meta.uid.clone() };
    Ok((object, key))
}

/// The request to restart is durable before the delete is answered; the mirror shows it at once.
async fn restart(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = DeleteOptions::parse(&call)?;
    let (object, key) = pod(&call)?;
    delete::check(&call, call.name(), &object, &options)?;
    let marked = ending(&call, &object, &options)?;
    if options.dry_run {
        return answer::one(&call, &call.unstored(&call.encode(marked), object.revision)?, 200, Vec::new());
    }
    let grace = options.grace.map(|seconds| Duration::from_secs(seconds.into()));
    call.core.workloads()?.restart(&key, grace).await.map_err(|error| failed(&error))?;
    let internal = Internal::new(call.core, &call.target.resource, &key.namespace, &key.name);
    for _ in 0..ATTEMPTS {
        // It may be replaced by now: then there is nothing left to mark.
        let Some(current) = internal.get().filter(|current| current.meta.uid == key.uid && !current.deleting()) else { break };
        let value = ending(&call, &current, &options)?;
        if put(call.core, &call.target.resource, &call.key(&key.name), Some(&current), &value).await.is_ok() {
            break;
        }
    }
    let last = internal.get().filter(|current| current.meta.uid == key.uid);
    let last = match last {
        Some(last) => last,
        None => call.unstored(&call.encode(marked), object.revision)?,
    };
    answer::one(&call, &last, 200, Vec::new())
}

/// The Pod with its end in view.
fn ending(call: &Call<'_>, object: &Object, options: &DeleteOptions) -> Result<Value, Failure> {
    let mut value = object.value();
    if object.deleting() {
        return Ok(value);
    }
    let own = value["spec"]["terminationGracePeriodSeconds"].as_u64().unwrap_or(GRACE_SECONDS);
    let grace = options.grace.map_or(own, u64::from);
    let ends = call.core.clock.now().checked_add(Duration::from_secs(grace));
    let ends = ends.map_err(|error| Failure::bad_request(format!("gracePeriodSeconds: {error}")))?;
    value["metadata"]["deletionTimestamp"] = json!(super::admit::timestamp(ends));
    value["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
    Ok(value)
}

/// The answer to what the embedding process could not do.
pub(super) fn failed(error: &WorkloadError) -> Failure {
    match error.class {
        Class::Invalid => Failure::bad_request(&error.message),
        Class::Transient => Failure::unavailable(&error.message),
        Class::Denied => Failure::forbidden_plain(&error.message),
        Class::Bug => Failure::internal(&error.message),
    }
}
