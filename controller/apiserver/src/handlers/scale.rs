//! `/scale`: the replicas of a custom kind under the paths that its definition names, as `autoscaling/v1` Scale.

use http::{Method, Response};
use serde_json::{Value, json};

use super::call::Call;
use super::decode;
use super::options::WriteOptions;
use super::update::{self, ATTEMPTS, Attempt, Owners};
use crate::codec;
use crate::http::{Body, PatchType, json as respond, patch_type};
use crate::kinds::Scale;
use crate::patch;
use crate::selectors::written;
use crate::status::{Cause, Failure};
use crate::store::Object;

/// Answers GET, PUT and PATCH of the scale of one object.
pub(super) async fn scale(call: Call<'_>, paths: &Scale) -> Result<Response<Body>, Failure> {
    let found = call.core.store.get(&call.key(call.name()));
    let mut old = found.ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
    if call.incoming.method == Method::GET {
        return Ok(respond(200, format!("{}\n", view(&call, &old, paths))));
    }
    let put = call.incoming.method == Method::PUT;
    let kind = if put { None } else { Some(patch_type(&call.incoming.headers, false)?) };
    let options = WriteOptions::parse(call.incoming, if put { "UpdateOptions" } else { "PatchOptions" }, kind)?;
    let document = decode::plain(codec::json(&call.incoming.body))?.value;
    for _ in 0..ATTEMPTS {
        let next = asked(&call, kind, view(&call, &old, paths), &document, paths)?;
        update::check_identity(&call, &next, &old)?;
        let mut new = call.current(&old);
        if let Some(slot) = slot(&mut new, &paths.spec_path) {
            *slot = next["spec"]["replicas"].clone();
        }
        match update::finish(&call, (&old, call.current(&old)), new, &options, Owners::Open).await? {
            Attempt::Done(object) => return Ok(respond(200, format!("{}\n", view(&call, &object, paths)))),
            Attempt::Outrun => {
                let found = call.core.store.get(&call.key(call.name()));
                old = found.ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
            }
        }
    }
    Err(Failure::modified(call.resource(), call.name()))
}

/// The scale that the request wants.
fn asked(
    call: &Call<'_>,
    kind: Option<PatchType>,
    mut current: Value,
    document: &Value,
    paths: &Scale,
) -> Result<Value, Failure> {
    let outcome = match kind {
        None => {
            current = document.clone();
            Ok(())
        }
        Some(PatchType::Json) => patch::json::apply(&mut current, document),
        Some(PatchType::Merge | PatchType::Strategic | PatchType::Apply) => patch::merge::apply(&mut current, document),
    };
    outcome.map_err(|_| Failure::unprocessable())?;
    let replicas = &current["spec"]["replicas"];
    if replicas.as_i64().is_some_and(|count| (0..=i64::from(i32::MAX)).contains(&count)) {
        return Ok(current);
    }
    let cause = Cause::invalid(&paths.spec_path, &replicas.to_string(), "should be a non-negative integer");
    Err(Failure::invalid(&call.resource().group, &call.resource().kind, call.name(), vec![cause]))
}

fn view(call: &Call<'_>, object: &Object, paths: &Scale) -> Value {
    let value = call.current(object);
    let at =
        |path: &str| path.split('.').filter(|step| !step.is_empty()).try_fold(&value, |value, step| value.get(step)).cloned();
    let mut scale = json!({
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
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
