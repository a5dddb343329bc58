//! What a path means.

use std::sync::Arc;

use super::query::decode;
use crate::kinds::{Registry, Resource};

/// A path to one resource, object or subresource.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    pub(crate) resource: Arc<Resource>,
    /// Empty for cluster-scoped objects and for lists over all namespaces.
    pub(crate) namespace: String,
    pub(crate) name: Option<String>,
    pub(crate) subresource: Option<String>,
    /// Whether the path itself asks for a watch, in the form that stands for `watch=true` in old clients.
    pub(crate) watch: bool,
}

/// What a path means; a trailing slash changes nothing.
#[derive(Debug, Clone)]
pub(crate) enum Route {
    Root,
    /// `/healthz`, `/livez` or `/readyz`, or one check below it.
    Health {
        path: String,
        check: Option<String>,
    },
    Version,
    CoreVersions,
    Groups,
    Group(String),
    Resources {
        group: String,
        version: String,
    },
    OpenApiV2,
    OpenApiIndex,
    /// A document of the index, by what stands behind the index in its path.
    OpenApiGroup(String),
    Object(Target),
    Unknown,
}

/// Reads `path` against what is served.
pub(crate) fn parse(path: &str, registry: &Registry) -> Route {
    let segments: Vec<String> =
        path.split('/').filter(|segment| !segment.is_empty()).map(|segment| decode(segment, false)).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments.as_slice() {
        [] => Route::Root,
        ["healthz" | "livez" | "readyz", rest @ ..] => {
            Route::Health { path: segments[0].to_owned(), check: rest.first().map(|check| (*check).to_owned()) }
        }
        ["version"] => Route::Version,
        ["api"] => Route::CoreVersions,
        ["apis"] => Route::Groups,
        ["openapi", "v2"] => Route::OpenApiV2,
        ["openapi", "v3"] => Route::OpenApiIndex,
        ["openapi", "v3", document @ ..] => Route::OpenApiGroup(document.join("/")),
        ["api", version] => Route::Resources { group: String::new(), version: (*version).to_owned() },
        ["apis", group] => Route::Group((*group).to_owned()),
        ["apis", group, version] => Route::Resources { group: (*group).to_owned(), version: (*version).to_owned() },
        ["api", version, rest @ ..] => target(registry, "", version, rest),
        ["apis", group, version, rest @ ..] => target(registry, group, version, rest),
        _ => Route::Unknown,
    }
}

/// Whether a path has the old form of a watch: the word stands before the resource.
pub(crate) fn is_watch_path(path: &str) -> bool {
    let mut steps = path.split('/').filter(|step| !step.is_empty());
    let version = match steps.next() {
        Some("api") => 0,
        Some("apis") => 1,
        _ => return false,
    };
    steps.nth(version).is_some() && steps.next() == Some("watch") && steps.next().is_some()
}

fn target(registry: &Registry, group: &str, version: &str, rest: &[&str]) -> Route {
    let (watch, rest) = match rest {
        ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
        _ => (false, rest),
    };
    let (namespace, rest) = match rest {
        // `namespaces/x` and its subresources are the Namespace itself.
        ["namespaces", _] | ["namespaces", _, "status" | "finalize"] if group.is_empty() => ("", rest),
        ["namespaces", namespace, inner @ ..] if !inner.is_empty() => (*namespace, inner),
        _ => ("", rest),
    };
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, Some((*name).to_owned()), None),
        [plural, name, subresource] => (*plural, Some((*name).to_owned()), Some((*subresource).to_owned())),
        _ => return Route::Unknown,
    };
    let Some(resource) = registry.find(group, version, plural) else { return Route::Unknown };
    let misplaced =
        (!namespace.is_empty() && !resource.namespaced) || (namespace.is_empty() && resource.namespaced && name.is_some());
    if misplaced || (watch && (subresource.is_some() || !resource.allows("watch"))) {
        return Route::Unknown;
    }
    Route::Object(Target { resource: Arc::clone(resource), namespace: namespace.to_owned(), name, subresource, watch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn object(path: &str) -> Option<(String, String, Option<String>, Option<String>)> {
        match parse(path, &Registry::new(Vec::new())) {
            Route::Object(target) => Some((target.resource.plural.clone(), target.namespace, target.name, target.subresource)),
            _ => None,
        }
    }

    /// API-17: a trailing slash names the same thing, as the python client sends it.
    #[test]
    fn trailing_slashes_change_nothing() {
        assert!(matches!(parse("/version/", &Registry::new(Vec::new())), Route::Version));
        assert!(matches!(parse("/apis/", &Registry::new(Vec::new())), Route::Groups));
    }

    /// API-4: a namespace, what lies in it and its subresources are told apart; what is not served is unknown.
    #[test]
    fn paths_are_told_apart() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(object("/api/v1/namespaces/a"), Some(("namespaces".into(), String::new(), some("a"), None)));
        assert_eq!(
            object("/api/v1/namespaces/a/finalize"),
            Some(("namespaces".into(), String::new(), some("a"), some("finalize")))
        );
        assert_eq!(object("/api/v1/namespaces/a/secrets/b"), Some(("secrets".into(), "a".into(), some("b"), None)));
        assert_eq!(object("/api/v1/secrets"), Some(("secrets".into(), String::new(), None, None)));
        assert_eq!(object("/api/v1/watch/namespaces/a/secrets/b"), object("/api/v1/namespaces/a/secrets/b"));
        assert!(is_watch_path("/api/v1/watch/secrets") && is_watch_path("/apis/a.dev/v1/watch/things"));
        assert!(!is_watch_path("/api/v1/watch") && !is_watch_path("/api/v1/namespaces/watch/secrets"));
        assert_eq!(object("/apis/apps/v1/deployments"), None);
        assert_eq!(object("/api/v1/secrets/b"), None);
    }
}
