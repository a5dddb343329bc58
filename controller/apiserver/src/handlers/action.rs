//! Subresources that are actions of the extended mode: what is POSTed to them is done and not stored (API-5).

use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::call::Call;
use super::decode;
use super::delete::{DeleteOptions, remove};
use super::options::WriteOptions;
use super::{Internal, timestamp};
use crate::auth::{Account, Grant};
use crate::http::{Body, json as respond};
use crate::status::{Cause, Failure};

/// How long a token is good unless its request says otherwise, and the shortest life.
const TOKEN_SECONDS: (i64, i64) = (3_600, 600);
/// Who a token is for unless its request says so, and who issues it.
const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";

/// Answers a POST to an action of one object.
pub(super) async fn act(call: Call<'_>, name: &str) -> Result<Response<Body>, Failure> {
    let options = WriteOptions::parse(call.incoming, "CreateOptions", None)?;
    let body = decode::any(&call)?;
    match name {
        "eviction" => evict(call, &body, &options).await,
        "binding" => bind(call, &body, &options).await,
        _ => token(call, body),
    }
}

fn done() -> Response<Body> {
    let status =
        json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": StatusCode::CREATED.as_u16()});
    respond(201, format!("{status}\n"))
}

/// The name in a body is that of the object, where it is given.
fn check_name(call: &Call<'_>, body: &Value) -> Result<(), Failure> {
    let found = body["metadata"]["name"].as_str().unwrap_or_default();
    if found.is_empty() || found == call.name() {
        return Ok(());
    }
    Err(Failure::bad_request(format!("name in URL does not match name in {} object", body["kind"].as_str().unwrap_or_default())))
}

/// Deletes a Pod; no budget is asked, since nothing here knows whether Pods are healthy.
async fn evict(call: Call<'_>, body: &Value, options: &WriteOptions) -> Result<Response<Body>, Failure> {
    check_name(&call, body)?;
    let asked = &body["deleteOptions"];
    let text = |field: &str| asked["preconditions"][field].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    let dry = asked["dryRun"].as_array().is_some_and(|list| list.iter().any(|word| word == "All"));
    let options = DeleteOptions {
        propagation: None,
        uid: text("uid"),
        version: text("resourceVersion"),
        dry_run: options.dry_run || dry,
        grace: asked["gracePeriodSeconds"].as_i64().and_then(|seconds| u32::try_from(seconds).ok()),
    };
    remove(&call, call.name(), &options).await?;
    Ok(done())
}

/// Gives a Pod its node, once.
async fn bind(call: Call<'_>, body: &Value, options: &WriteOptions) -> Result<Response<Body>, Failure> {
    check_name(&call, body)?;
    let node = body["target"]["name"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(Failure::invalid("", "Binding", call.name(), vec![Cause::required("target.name", "")]));
    }
    let found = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
    let bound = found.value()["spec"]["nodeName"].as_str().unwrap_or_default().to_owned();
    if !bound.is_empty() {
        let why = format!("pod {} is already assigned to node {bound:?}", call.name());
        return Err(Failure::conflict(call.resource(), call.name(), &why));
    }
    if !options.dry_run {
        let now = call.now();
        let pod = Internal::new(call.core, &call.target.resource, &call.target.namespace, call.name());
        pod.edit(&|before| scheduled(before, node, &now)).await?;
    }
    Ok(done())
}

/// The Pod on its node; `None` where it has one.
fn scheduled(before: &Value, node: &str, now: &str) -> Option<Value> {
    let mut next = before.clone();
    let spec = next.get_mut("spec")?.as_object_mut()?;
    if spec.contains_key("nodeName") {
        return None;
    }
    spec.insert("nodeName".to_owned(), node.into());
    let status = next.as_object_mut()?.entry("status").or_insert_with(|| json!({})).as_object_mut()?;
    let conditions = status.entry("conditions").or_insert_with(|| json!([])).as_array_mut()?;
    conditions.retain(|condition| condition["type"] != "PodScheduled");
    conditions.push(json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now}));
    Some(next)
}

/// A token that TokenReview of this server takes for the account, and nobody else does.
fn token(call: Call<'_>, mut body: Value) -> Result<Response<Body>, Failure> {
    let account = call.core.store.get(&call.key(call.name())).ok_or_else(|| Failure::not_found(call.resource(), call.name()))?;
    let spec = &body["spec"];
    let given: Vec<String> =
        spec["audiences"].as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
    let audiences = if given.is_empty() { vec![ISSUER.to_owned()] } else { given };
    let (usual, least) = TOKEN_SECONDS;
    let seconds = spec["expirationSeconds"].as_i64().unwrap_or(usual);
    if seconds < least {
        let why = "may not specify a duration less than 10 minutes";
        let cause = Cause::invalid("spec.expirationSeconds", &seconds.to_string(), why);
        return Err(Failure::invalid("authentication.k8s.io", "TokenRequest", call.name(), vec![cause]));
    }
    let now = call.core.clock.now();
    let until = now.checked_add(jiff::SignedDuration::from_secs(seconds));
    let until = until.map_err(|_| Failure::bad_request("spec.expirationSeconds: the token would never end"))?;
    let grant = Grant {
        account: Account {
            namespace: call.target.namespace.clone(),
            name: call.name().to_owned(),
            uid: account.meta.uid.clone(),
        },
        audiences: audiences.clone(),
        issued: now.as_second(),
        until: until.as_second(),
    };
    let token = call.core.accounts.issue(call.core.random.as_ref(), ISSUER, &grant);
    let token = token.map_err(|error| Failure::internal(format!("no token: {error}")))?;
    let Some(map) = body.as_object_mut() else { return Err(Failure::bad_request("the body of the request is not an object")) };
    map.insert("kind".to_owned(), json!("TokenRequest"));
    map.insert("apiVersion".to_owned(), json!("authentication.k8s.io/v1"));
    map.insert(
        "metadata".to_owned(),
        json!({"name": call.name(), "namespace": call.target.namespace, "creationTimestamp": timestamp(now)}),
    );
    let bound = spec_bound(map.get("spec"));
    map.insert("spec".to_owned(), json!({"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound}));
    map.insert("status".to_owned(), json!({"token": token, "expirationTimestamp": timestamp(until)}));
    Ok(respond(201, body.to_string() + "\n"))
}

fn spec_bound(spec: Option<&Value>) -> Value {
    spec.map(|spec| spec["boundObjectRef"].clone()).unwrap_or_default()
}
