//! POST of a review: a question about the caller or somebody else, answered and forgotten.

use std::sync::Arc;

use http::Response;
use serde_json::{Map, Value, json};

use super::call::Call;
use super::decode;
use super::options::WriteOptions;
use crate::auth::{Account, Action, Role};
use crate::go_types;
use crate::http::{Body, Transforms, json as respond, negotiate, warn};
use crate::kinds::{Registry, Resource, SERVICE_ACCOUNTS};
use crate::status::{Cause, Failure};
use crate::store::Key;

/// The verbs of an object that has no kind of its own.
const VIEW_VERBS: [&str; 3] = ["get", "patch", "update"];

/// Answers a review.
pub(super) fn review(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let options = WriteOptions::parse(call.incoming, "CreateOptions", None)?;
    negotiate(&call.incoming.headers, Transforms::None)?;
    let mut draft = decode::body(&call)?;
    let warnings = decode::prune(&call, &mut draft, options.strictness).map_err(|failure| decode::unhandled(&call, &failure))?;
    call.check_types(&draft.value)?;
    let mut asked = full(&call, draft.value);
    call.own(Some(&mut full(&call, json!({}))), &mut asked, &options)?;
    let mut response = respond(201, full(&call, answered(&call, asked)?).to_string() + "\n");
    warn(&mut response, warnings);
    Ok(response)
}

/// The review with its answer.
fn answered(call: &Call<'_>, mut asked: Value) -> Result<Value, Failure> {
    let caller = call.incoming.caller;
    let status = match call.resource().kind.as_str() {
        // These two answer with an object of their own.
        "SelfSubjectReview" => {
            return Ok(json!({"metadata": {"creationTimestamp": call.now()}, "status": {"userInfo": user(caller)}}));
        }
        "SelfSubjectRulesReview" => return Ok(json!({"status": rules(call, &asked, caller)?})),
        "TokenReview" => token(call, &asked)?,
        "SelfSubjectAccessReview" => {
            refuse(call, causes(&asked))?;
            access(call, &asked, caller)
        }
        _ => {
            let spec = &asked["spec"];
            let groups: Vec<&str> = spec["groups"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let name = text(spec, "user");
            let nobody = Cause::invalid("spec.user", "\"\"", "at least one of user or group must be specified");
            let nobody = (name.is_empty() && groups.is_empty()).then_some(nobody);
            let mut found = causes(&asked);
            // The subject is judged before the metadata.
            let place = found.len() - usize::from(has_metadata(&asked));
            found.splice(place..place, nobody);
            refuse(call, found)?;
            access(call, &asked, Role::of(name, &groups))
        }
    };
    asked["status"] = status;
    Ok(asked)
}

/// `value` as the reference writes a review.
fn full(call: &Call<'_>, value: Value) -> Value {
    let resource = call.resource();
    let mut out = Map::new();
    out.insert("kind".to_owned(), json!(resource.kind));
    out.insert("apiVersion".to_owned(), json!(resource.api_version()));
    if let (Some(root), Value::Object(mut fields)) = (resource.written_type(), value) {
        for name in ["kind", "apiVersion"] {
            fields.shift_remove(name);
        }
        out.extend(go_types::full(root, fields, &|_, _| {}));
    }
    Value::Object(out)
}

/// What is wrong with a question about access.
fn causes(asked: &Value) -> Vec<Cause> {
    let (resource, path) = (&asked["spec"]["resourceAttributes"], &asked["spec"]["nonResourceAttributes"]);
    let mut causes = Vec::new();
    match (resource.is_object(), path.is_object()) {
        (true, true) => {
            // The reference shows the fields under the names that they have in its memory.
            let shown = json!({"Path": text(path, "path"), "Verb": text(path, "verb")}).to_string();
            let why = "cannot be specified in combination with resourceAttributes";
            causes.push(Cause::invalid("spec.nonResourceAttributes", &shown, why));
        }
        (false, false) => {
            let why = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            causes.push(Cause::invalid("spec.resourceAttributes", "null", why));
        }
        (true, false) | (false, true) => {}
    }
    if has_metadata(asked) {
        causes.push(Cause::invalid("metadata", &asked["metadata"].to_string(), "must be empty"));
    }
    causes
}

fn has_metadata(asked: &Value) -> bool {
    asked["metadata"].as_object().is_some_and(|metadata| metadata.keys().any(|name| name != "managedFields"))
}

/// # Errors
/// 422 with all causes; the reference leaves out the name of the kind here.
fn refuse(call: &Call<'_>, causes: Vec<Cause>) -> Result<(), Failure> {
    if causes.is_empty() { Ok(()) } else { Err(Failure::invalid(&call.resource().group, "", "", causes)) }
}

fn user(role: Role) -> Value {
    json!({"username": role.user(), "groups": role.groups()})
}

/// Whose token it is.
fn token(call: &Call<'_>, value: &Value) -> Result<Value, Failure> {
    let token = value["spec"]["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(Failure::bad_request("token is required for TokenReview in authentication"));
    }
    Ok(match call.core.identify(token) {
        Some(role) => json!({"authenticated": true, "user": user(role)}),
        None => account(call, token, &value["spec"]["audiences"]).unwrap_or_else(|why| json!({"error": why})),
    })
}

/// The ServiceAccount that a token is of, while there is one, and for whom of those that are asked about.
fn account(call: &Call<'_>, token: &str, asked: &Value) -> Result<Value, String> {
    let unknown = || "invalid bearer token".to_owned();
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
fn access(call: &Call<'_>, value: &Value, role: Role) -> Value {
    let spec = &value["spec"];
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    if path.is_object() {
        let reads = ["get", "head"].contains(&text(path, "verb"));
        return json!({"allowed": role == Role::Owner || (role == Role::Viewer && reads)});
    }
    let action = Action {
        verb: text(resource, "verb"),
        group: text(resource, "group"),
        resource: text(resource, "resource"),
        subresource: text(resource, "subresource"),
    };
    if !serves(&call.core.registry(), &action) {
        return json!({"allowed": false, "reason": "this server does not serve that"});
    }
    json!({"allowed": role.may(&action)})
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
        return Err(Failure::bad_request("no namespace on request"));
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
