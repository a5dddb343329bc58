//! POST of a review: a question about the caller or somebody else, answered and forgotten.

use std::sync::Arc;

use http::Response;
use serde_json::{Value, json};

use super::call::Call;
use super::decode;
use super::options::WriteOptions;
use crate::auth::{Account, Action, Role};
use crate::http::{Body, Form, json as respond, negotiate};
use crate::kinds::{Registry, Resource, SERVICE_ACCOUNTS};
use crate::status::{Cause, Failure};
use crate::store::Key;

/// The verbs of an object that has no kind of its own.
const VIEW_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Answers a review.
pub(super) fn review(call: Call<'_>) -> Result<Response<Body>, Failure> {
    WriteOptions::parse(call.incoming, "CreateOptions", None)?;
    if negotiate(&call.incoming.headers)? != Form::Object {
        return Err(Failure::not_acceptable(&["application/json", "application/yaml", "application/vnd.kubernetes.protobuf"]));
    }
    let mut value = decode::body(&call)?.value;
    let caller = call.incoming.caller;
    let status = match call.resource().kind.as_str() {
        "SelfSubjectReview" => json!({"userInfo": user(caller)}),
        "TokenReview" => token(&call, &value)?,
        "SelfSubjectRulesReview" => rules(&call, &value, caller)?,
        "SelfSubjectAccessReview" => access(&call, &value, caller)?,
        _ => {
            let spec = &value["spec"];
            let groups: Vec<&str> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let name = spec["user"].as_str().unwrap_or_default();
            if name.is_empty() && groups.is_empty() {
                let cause = Cause::invalid("spec.user", "\"\"", "at least one of user or group must be specified");
                return Err(invalid(&call, cause));
            }
            access(&call, &value, Role::of(name, &groups))?
        }
    };
    if let Some(map) = value.as_object_mut() {
        let metadata = map.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("creationTimestamp".to_owned(), Value::Null);
        }
        map.insert("status".to_owned(), status);
    }
    Ok(respond(201, value.to_string() + "\n"))
}

fn invalid(call: &Call<'_>, cause: Cause) -> Failure {
    let Resource { group, kind, .. } = call.resource();
    Failure::invalid(group, kind, "", vec![cause])
}

fn user(role: Role) -> Value {
    json!({"username": role.user(), "groups": role.groups()})
}

/// Whose token it is.
fn token(call: &Call<'_>, value: &Value) -> Result<Value, Failure> {
    let token = value["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(invalid(call, Cause::required("spec.token", "")));
    }
    Ok(match call.core.identify(token) {
        Some(role) => json!({"authenticated": true, "user": user(role)}),
        None => {
            account(call, token, &value["spec"]["audiences"]).unwrap_or_else(|why| json!({"authenticated": false, "error": why}))
        }
    })
}

/// The ServiceAccount that a token is of, while there is one, and for whom of those that are asked about.
fn account(call: &Call<'_>, token: &str, asked: &Value) -> Result<Value, String> {
    let unknown = || "the token is none of this server's run".to_owned();
    let grant = call.core.accounts.known(token, call.core.clock.now().as_second()).ok_or_else(unknown)?;
    let Account { namespace, name, uid } = &grant.account;
    let key = Key::new(&Arc::from(SERVICE_ACCOUNTS), namespace, name);
    if call.core.store.get(&key).is_none_or(|found| found.meta.uid != *uid) {
        return Err(format!("the service account {namespace}/{name} of the token is gone"));
    }
    let asked: Vec<&str> = asked.as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let audiences: Vec<&String> =
        grant.audiences.iter().filter(|audience| asked.is_empty() || asked.contains(&audience.as_str())).collect();
    if audiences.is_empty() {
        return Err(format!("token audiences {:?} is invalid for the target audiences {asked:?}", grant.audiences));
    }
    let groups = json!(["system:serviceaccounts", format!("system:serviceaccounts:{namespace}"), "system:authenticated"]);
    let user = json!({"username": format!("system:serviceaccount:{namespace}:{name}"), "uid": uid, "groups": groups});
    Ok(json!({"authenticated": true, "user": user, "audiences": audiences}))
}

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_default()
}

/// Whether `role` may do it, and whether there is anything to do it to.
fn access(call: &Call<'_>, value: &Value, role: Role) -> Result<Value, Failure> {
    let spec = &value["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if resource.is_object() == path.is_object() {
        let message = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
        return Err(invalid(call, Cause::invalid("spec.resourceAttributes", &resource.to_string(), message)));
    }
    if path.is_object() {
        let reads = ["get", "head"].contains(&text(path, "verb"));
        return Ok(json!({"allowed": role == Role::Owner || (role == Role::Viewer && reads)}));
    }
    let action = Action {
        verb: text(resource, "verb"),
        group: text(resource, "group"),
        resource: text(resource, "resource"),
        subresource: text(resource, "subresource"),
    };
    if !serves(&call.core.registry(), &action) {
        return Ok(json!({"allowed": false, "reason": "this server does not serve that"}));
    }
    Ok(match role.may(&action) {
        true => json!({"allowed": true}),
        false => json!({"allowed": false, "reason": format!("{} may not do that", role.user())}),
    })
}

/// Whether any served resource knows the action.
fn serves(registry: &Registry, action: &Action<'_>) -> bool {
    let Action { verb, group, resource, subresource } = *action;
    let fits = |wanted: &str, found: &str| wanted == "*" || wanted == found;
    registry.all().iter().any(|found| {
        fits(group, &found.group)
            && fits(resource, &found.plural)
            && verbs(found, subresource).iter().any(|known| fits(verb, known))
    })
}

/// The verbs of a resource or of one of its subresources.
fn verbs(resource: &Resource, subresource: &str) -> Vec<&'static str> {
    match subresource {
        "" | "*" => resource.verbs.clone(),
        "finalize" if resource.subresources().contains(&"finalize") => vec!["update"],
        name if resource.subresources().contains(&name) => VIEW_VERBS.to_vec(),
        name if resource.actions().any(|known| known == name) => vec!["create"],
        name if resource.streams().contains(&name) => crate::discovery::stream(name).1.to_vec(),
        _ => Vec::new(),
    }
}

/// Everything that `role` may do, resource by resource.
fn rules(call: &Call<'_>, value: &Value, role: Role) -> Result<Value, Failure> {
    if text(&value["spec"], "namespace").is_empty() {
        return Err(invalid(call, Cause::required("spec.namespace", "")));
    }
    let registry = call.core.registry();
    let rules: Vec<Value> = registry
        .all()
        .iter()
        .flat_map(|resource| {
            let views = resource.subresources().into_iter().chain(resource.actions());
            let parts = views.chain(resource.streams().iter().copied());
            std::iter::once("").chain(parts).map(move |subresource| (resource, subresource)).collect::<Vec<_>>()
        })
        .filter_map(|(resource, subresource)| {
            let (group, plural) = (resource.group.as_str(), resource.plural.as_str());
            let may = |verb: &&str| role.may(&Action { verb, group, resource: plural, subresource });
            let verbs: Vec<&str> = verbs(resource, subresource).into_iter().filter(may).collect();
            let name = if subresource.is_empty() { plural.to_owned() } else { format!("{plural}/{subresource}") };
            (!verbs.is_empty()).then(|| json!({"verbs": verbs, "apiGroups": [group], "resources": [name]}))
        })
        .collect();
    let paths = match role {
        Role::Owner => json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]),
        Role::Viewer => json!([{"verbs": ["get"], "nonResourceURLs": ["*"]}]),
        Role::Nobody => json!([]),
    };
    Ok(json!({"resourceRules": rules, "nonResourceRules": paths, "incomplete": false}))
}
