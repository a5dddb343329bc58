//! From a path to the handler of its verb.

use std::sync::Arc;

use http::{Method, Response};

use super::call::Call;
use super::{action, create, delete, exec, forward, log, patch, pod, read, review, scale, update, watch};
use crate::crds;
use crate::discovery;
use crate::http::{
    BODY_TYPES, Body, Incoming, Packing, Route, STREAM_TYPES, Target, Transforms, accepts, in_encoding, negotiate, packed, parse,
    text,
};
use crate::kinds::CoreKind;
use crate::server::Core;
use crate::status::Failure;

/// Answers one request.
pub(crate) async fn dispatch(core: &Arc<Core>, incoming: &Incoming) -> Response<Body> {
    let registry = core.registry();
    let route = parse(&incoming.path, &registry);
    let packing = packing(&route);
    // These are JSON whatever their client would rather read.
    let fixed = matches!(route, Route::Root | Route::OpenApiV2 | Route::OpenApiIndex | Route::OpenApiGroup(_));
    let answer = match route {
        // The groups that the reference itself serves know that they are asked for something else.
        Route::Unknown if registry.is_builtin_path(&incoming.path) => Failure::no_such_path().into(),
        Route::Unknown => text(404, "404 page not found\n"),
        Route::Object(target) => {
            let call = Call { core, target: &target, incoming };
            // One box per request keeps the futures of the callers small.
            let answer = Box::pin(object(call)).await.unwrap_or_else(Response::from);
            if target.resource.core() == Some(CoreKind::CustomResourceDefinition)
                && let Err(failure) = crds::settle(core).await
            {
                tracing::warn!(%failure, "a definition is settled later");
            }
            answer
        }
        other => discovery::answer(core, &registry, &other, incoming).unwrap_or_else(Response::from),
    };
    let answer = if fixed { answer } else { in_encoding(answer, &incoming.headers) };
    packed(answer, packing, &incoming.headers).await
}

/// When the answers of a path are packed: documents of OpenAPI by the rules of their own handlers, all else where it is long.
fn packing(route: &Route) -> Packing {
    match route {
        Route::OpenApiV2 => Packing::Document,
        Route::OpenApiIndex | Route::OpenApiGroup(_) => Packing::Never,
        Route::Object(_)
        | Route::Root
        | Route::Health { .. }
        | Route::Version
        | Route::CoreVersions
        | Route::Groups
        | Route::Group(_)
        | Route::Resources { .. }
        | Route::Unknown => Packing::Long,
    }
}

fn served_subresource(target: &Target) -> bool {
    match target.subresource.as_deref() {
        None => true,
        Some("status") => target.resource.status,
        Some("scale") => target.resource.scale.is_some(),
        Some(name) if target.resource.streams().contains(&name) => target.name.is_some(),
        Some("finalize") => target.resource.storage.as_ref() == crate::kinds::NAMESPACES,
        Some(other) => target.resource.others.contains(&other),
    }
}

async fn object(call: Call<'_>) -> Result<Response<Body>, Failure> {
    if !served_subresource(call.target) {
        return Err(if call.resource().is_custom() {
            Failure::not_found(call.resource(), call.name())
        } else {
            Failure::no_such_path()
        });
    }
    let writes = matches!(call.incoming.method, Method::POST | Method::DELETE | Method::PUT | Method::PATCH);
    if writes && call.resource().namespaced && call.target.namespace.is_empty() {
        let custom = call.resource().is_custom();
        return if custom { Ok(text(404, "404 page not found\n")) } else { Err(Failure::method_not_allowed()) };
    }
    if let Some(answer) = special(call).await {
        return answer;
    }
    if call.subresource() == "finalize" && call.incoming.method != Method::PUT {
        return Err(Failure::method_not_allowed());
    }
    if let (true, Some(verb)) = (call.resource().is_custom() && call.target.subresource.is_some(), unserved(&call)) {
        return Err(Failure::not_supported(call.resource(), verb));
    }
    if let (Some("scale"), Some(paths)) = (call.target.subresource.as_deref(), &call.resource().scale) {
        return match call.incoming.method {
            Method::HEAD if !call.resource().is_custom() => Err(Failure::method_not_allowed()),
            Method::GET | Method::HEAD | Method::PUT | Method::PATCH => scale::scale(call, paths).await,
            _ => Err(Failure::method_not_allowed()),
        };
    }
    verb(call).await
}

/// The verb of a request that no subresource of a custom resource takes.
fn unserved(call: &Call<'_>) -> Option<&'static str> {
    match call.incoming.method {
        Method::DELETE => Some("delete"),
        Method::POST => Some("create"),
        _ => None,
    }
}

/// What every resource can do.
async fn verb(call: Call<'_>) -> Result<Response<Body>, Failure> {
    let named = call.target.name.is_some();
    let sub = call.target.subresource.is_some();
    let allow = |verb: &str| allowed(call, verb);
    // A built-in kind knows no HEAD; of the others it shows what GET does.
    let reads = |method: &Method| *method == Method::GET || (*method == Method::HEAD && call.resource().is_custom());
    let watches = call.target.watch || (call.incoming.query.flag("watch") && !named);
    if reads(&call.incoming.method) || KNOWN.contains(&(&call.incoming.method, named)) {
        negotiated(call, watches || (!named && call.incoming.method == Method::GET))?;
    }
    match (call.incoming.method.clone(), named) {
        (method, _) if watches && reads(&method) => {
            allow("watch")?;
            watch::watch(call)
        }
        (Method::HEAD, _) if !call.resource().is_custom() => Err(Failure::method_not_allowed()),
        _ if call.target.watch => Err(Failure::method_not_allowed()),
        (Method::GET | Method::HEAD, true) => read::get(call).await,
        (Method::GET | Method::HEAD, false) => read::list(call).await,
        // The reference routes all requests for custom resources to one handler, which looks for a name where it needs one.
        (Method::PUT | Method::PATCH, false) if call.resource().is_custom() => Err(Failure::bad_request("name must be provided")),
        (Method::POST, named) if !named || (call.resource().is_custom() && !sub) => {
            allow("create")?;
            create::create(call).await
        }
        (Method::PUT, true) => {
            allow("update")?;
            update::update(call).await
        }
        (Method::PATCH, true) => {
            allow("patch")?;
            patch::patch(call).await
        }
        (Method::DELETE, true) if !sub => {
            allow("delete")?;
            delete::delete(call).await
        }
        (Method::DELETE, false) => {
            allow("deletecollection")?;
            delete::delete_collection(call).await
        }
        _ => Err(Failure::method_not_allowed()),
    }
}

/// Refuses a verb that the resource does not have. The reference has no way at all to delete all namespaces.
fn allowed(call: Call<'_>, verb: &str) -> Result<(), Failure> {
    if call.resource().allows(verb) {
        Ok(())
    } else if call.resource().core() == Some(CoreKind::Namespace) {
        Err(Failure::method_not_allowed())
    } else {
        Err(Failure::not_supported(call.resource(), verb))
    }
}

/// The methods of objects, and whether each is for one of them.
const KNOWN: [(&Method, bool); 5] =
    [(&Method::POST, false), (&Method::PUT, true), (&Method::PATCH, true), (&Method::DELETE, true), (&Method::DELETE, false)];

/// Refuses a request before it does anything if its answer could not have the type and shape that it asks for; `lists` says
/// whether the path can answer with a stream.
fn negotiated(call: Call<'_>, lists: bool) -> Result<(), Failure> {
    let headers = &call.incoming.headers;
    if !call.resource().is_custom() {
        let streams = if lists { STREAM_TYPES.as_slice() } else { &[] };
        accepts(headers, &[BODY_TYPES.as_slice(), streams].concat())?;
    }
    negotiate(headers, Transforms::All).map(|_| ())
}

/// Questions, connections and writes of mirrors, which are no verbs of a stored object; `None` for all others.
async fn special(call: Call<'_>) -> Option<Result<Response<Body>, Failure>> {
    let (resource, method) = (call.resource(), &call.incoming.method);
    if resource.core() == Some(CoreKind::Review) {
        return Some(match (method, &call.target.name) {
            (&Method::POST, None) => accepts(&call.incoming.headers, &BODY_TYPES).and_then(|()| review::review(call)),
            (_, None) => Err(Failure::method_not_allowed()),
            (_, Some(_)) => Err(Failure::no_such_path()),
        });
    }
    if let Some(name) = call.target.subresource.as_deref().filter(|name| resource.streams().contains(name)) {
        return Some(match (name, method) {
            ("log", &Method::GET) => log::log(call).await,
            ("exec", &Method::GET | &Method::POST) => exec::exec(call).await,
            ("attach", &Method::GET | &Method::POST) => exec::attach(call).await,
            ("portforward", &Method::GET | &Method::POST) => forward::forward(call),
            _ => Err(Failure::method_not_allowed()),
        });
    }
    if let Some(name) = call.target.subresource.as_deref().filter(|name| resource.actions().any(|known| known == *name)) {
        return Some(if method == Method::POST { action::act(call, name).await } else { Err(Failure::method_not_allowed()) });
    }
    let reads = matches!(*method, Method::GET | Method::HEAD);
    if resource.is_mirror() && !reads { Some(pod::write(call).await) } else { None }
}
