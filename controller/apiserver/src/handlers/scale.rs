//! `/scale`: the replicas of an object under the paths that its kind names, as `autoscaling/v1` Scale.

use std::sync::{Arc, LazyLock};

use http::{Method, Response};
use serde_json::{Value, json};

use super::answer;
use super::apply::{checked, document as configuration, merged, refused, stored};
use super::call::Call;
use super::decode;
use super::options::WriteOptions;
use super::patch::strict;
use super::update::{self, ATTEMPTS, Attempt, Owners};
use crate::codec;
use crate::go_types;
use crate::http::{Body, Form, PatchType, json as respond, patch_type};
use crate::kinds::Scale;
use crate::patch;
use crate::schema::escaped_json;
use crate::selectors::written;
use crate::ssa::{self, ApplyOptions, ResetFields, SCALE_VERSION, TypeInfo, Types, scale_owners};
use crate::status::{Cause, Failure};
use crate::store::Object;
use crate::table::{self, Columns, Shape};

/// The kind of the answer.
const KIND: &str = "Scale";

static TYPES: LazyLock<Option<Types>> =
    LazyLock::new(|| Some(Types::single(SCALE_VERSION, TypeInfo::builtin(SCALE_VERSION, KIND)?)));

/// Answers GET, PUT and PATCH of the scale of one object.
pub(super) async fn scale(call: Call<'_>, paths: &Scale) -> Result<Response<Body>, Failure> {
    let mut old = find(&call)?;
    answer::form(&call)?;
    if matches!(call.incoming.method, Method::GET | Method::HEAD) {
        return shown(&call, &old, paths);
    }
    let put = call.incoming.method == Method::PUT;
    let kind = if put { None } else { Some(patch_type(&call.incoming.headers, !call.resource().is_custom())?) };
    let options = WriteOptions::parse(call.incoming, if put { "UpdateOptions" } else { "PatchOptions" }, kind)?;
    if kind == Some(PatchType::Apply) {
        return apply(call, paths, options).await;
    }
    let document = decode::plain(codec::json(&call.incoming.body))?.value;
    for _ in 0..ATTEMPTS {
        let next = match kind {
            None => replaced(&document)?,
            Some(kind) => patched(kind, owned_view(&call, &old, paths), &document)?,
        };
        update::check_name(&call, next["metadata"]["name"].as_str().unwrap_or_default())?;
        check_replicas(&call, &next)?;
        update::check_identity(&call, &next, &old)?;
        let mut new = call.current(&old);
        if let Some(slot) = slot(&mut new, &paths.spec_path) {
            *slot = next["spec"]["replicas"].as_i64().unwrap_or_default().into();
        }
        match update::finish(&call, (&old, call.current(&old)), new, &options, Owners::Open).await? {
            Attempt::Done(object) => return shown(&call, &object, paths),
            Attempt::Outrun => old = find(&call)?,
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

fn find(call: &Call<'_>) -> Result<Arc<Object>, Failure> {
    call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))
}

/// The answer with the scale of an object, in the shape that the client asked for.
fn shown(call: &Call<'_>, object: &Object, paths: &Scale) -> Result<Response<Body>, Failure> {
    let view = view(call, object, paths);
    let shaped = match answer::form(call)? {
        Form::Object => view,
        Form::Metadata(version) => table::partial(&view, version),
        Form::MetadataList(_) => {
            let package = if call.resource().is_custom() { "v1" } else { "autoscaling" };
            let why =
                format!("you requested PartialObjectMetadataList, but the requested object is not a list (*{package}.{KIND})");
            return Err(Failure::other_form(why));
        }
        Form::Table(version) => {
            let shape = Shape { version, include: answer::included(call).unwrap_or_default(), headers: true };
            let meta = json!({"resourceVersion": object.revision.to_string()});
            table::table(&Columns::of_builtin(SCALE_VERSION, KIND), &[&view], &meta, shape, call.core.clock.now())
        }
    };
    Ok(respond(200, format!("{shaped}\n")))
}

/// The scale in the body of a PUT; what does not say what it is counts as one.
fn replaced(document: &Value) -> Result<Value, Failure> {
    let is = |field: &str, wanted: &str| document[field].as_str().is_none_or(|found| found.is_empty() || found == wanted);
    if !is("apiVersion", SCALE_VERSION) || !is("kind", KIND) {
        return Err(Failure::bad_request("no kind is registered for the type v1.Scale in scheme \"pkg/runtime/scheme.go:111\""));
    }
    readable(document)
        .map_err(|why| Failure::bad_request(format!("{KIND} in version \"v1\" cannot be handled as a {KIND}: {why}")))?;
    Ok(document.clone())
}

/// The scale that a patch makes of the current one.
fn patched(kind: PatchType, mut scale: Value, document: &Value) -> Result<Value, Failure> {
    let outcome = match kind {
        PatchType::Json => patch::json::apply(&mut scale, document),
        PatchType::Merge | PatchType::Strategic | PatchType::Apply => patch::merge::apply(&mut scale, document),
    };
    outcome.map_err(|_| Failure::unprocessable())?;
    if let Err(why) = readable(&scale) {
        patch::sort_touched(&mut scale, document);
        return Err(strict(&escaped_json(&scale), &Failure::bad_request(why)));
    }
    Ok(scale)
}

fn readable(scale: &Value) -> Result<(), String> {
    go_types::root(SCALE_VERSION, KIND).map_or(Ok(()), |root| go_types::readable(root, scale))
}

/// Replicas of a custom object are judged with all else of it.
fn check_replicas(call: &Call<'_>, scale: &Value) -> Result<(), Failure> {
    let replicas = scale["spec"]["replicas"].as_i64().unwrap_or_default();
    if call.resource().is_custom() || replicas >= 0 {
        return Ok(());
    }
    let cause = Cause::invalid("spec.replicas", &replicas.to_string(), "must be greater than or equal to 0");
    Err(Failure::invalid("autoscaling", KIND, call.name(), vec![cause]))
}

/// Applies a Scale: who else owns the replicas is told as an owner of the Scale, and what is applied goes to the object.
async fn apply(call: Call<'_>, paths: &Scale, options: WriteOptions) -> Result<Response<Body>, Failure> {
    let forced = WriteOptions { force: true, ..options.clone() };
    for _ in 0..ATTEMPTS {
        let old = find(&call)?;
        let given = configuration(&call)?.value;
        let applied = checked((SCALE_VERSION, KIND), given)?;
        let own = of_object(&call, paths, &applied);
        contested(&call, owned_view(&call, &old, paths), applied, &options)?;
        let (made, before) = merged(&call, Some(&old), own, &forced)?;
        if let (Attempt::Done(object), _) = stored(&call, (Some(&old), before), made, &forced).await? {
            return shown(&call, &object, paths);
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

/// Refuses what another manager owns, unless the request forces it, and what is no Scale.
fn contested(call: &Call<'_>, mut live: Value, applied: Value, options: &WriteOptions) -> Result<(), Failure> {
    let types = TYPES.as_ref().ok_or_else(|| Failure::internal("a Scale has no type".to_owned()))?;
    let apply = ApplyOptions {
        manager: &options.manager,
        force: options.force,
        subresource: call.subresource(),
        api_version: SCALE_VERSION,
        reset: ResetFields::Nothing,
        now: call.core.clock.now(),
    };
    let outcome = ssa::apply(types, Some(&mut live), applied, apply).map_err(|error| refused(&error))?;
    let Some(made) = outcome else { return Ok(()) };
    readable(&made.object).map_err(Failure::bad_request)?;
    check_replicas(call, &made.object)
}

/// The object's own configuration that says what an applied Scale says.
fn of_object(call: &Call<'_>, paths: &Scale, applied: &Value) -> Value {
    let mut configuration =
        json!({"apiVersion": call.resource().api_version(), "kind": call.resource().kind, "metadata": applied["metadata"]});
    if let Some(replicas) = applied.pointer("/spec/replicas")
        && let Some(slot) = slot(&mut configuration, &paths.spec_path)
    {
        *slot = replicas.clone();
    }
    configuration
}

/// The current scale with the owners of its replicas.
fn owned_view(call: &Call<'_>, object: &Object, paths: &Scale) -> Value {
    let mut scale = view(call, object, paths);
    let owners = scale_owners(&call.current(object)["metadata"]["managedFields"], &paths.spec_path);
    if !owners.is_empty() {
        scale["metadata"]["managedFields"] = Value::Array(owners);
    }
    scale
}

fn view(call: &Call<'_>, object: &Object, paths: &Scale) -> Value {
    let value = call.current(object);
    let at =
        |path: &str| path.split('.').filter(|step| !step.is_empty()).try_fold(&value, |value, step| value.get(step)).cloned();
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": SCALE_VERSION,
        "metadata": {
            "name": object.meta.name, "namespace": object.meta.namespace, "uid": object.meta.uid,
            "resourceVersion": object.revision.to_string(), "creationTimestamp": value["metadata"]["creationTimestamp"],
        },
        "spec": {"replicas": at(&paths.spec_path).unwrap_or_else(|| json!(0))},
        "status": {"replicas": at(&paths.status_path).unwrap_or_else(|| json!(0))},
    });
    if let Some(selector) = paths.selector_path.as_deref().and_then(at) {
        scale["status"]["selector"] = if call.resource().is_custom() { selector } else { written(&selector).into() };
    }
    scale
}

/// The place that `path` names, made if it is absent.
fn slot<'a>(value: &'a mut Value, path: &str) -> Option<&'a mut Value> {
    path.split('.').filter(|step| !step.is_empty()).try_fold(value, |value, step| {
        if value.is_null() {
            *value = json!({});
        }
        Some(value.as_object_mut()?.entry(step).or_insert(Value::Null))
    })
}
