//! What a request asks for, read from its method and path alone, and the refusal that names it as the reference does.

use super::{Action, Role};
use crate::http::Query;
use crate::status::{Failure, Refused};

/// A request about a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked<'a> {
    verb: &'static str,
    group: &'a str,
    namespace: &'a str,
    resource: &'a str,
    name: &'a str,
    subresource: &'a str,
}

impl<'a> Asked<'a> {
    /// Reads a request; `None` where it is about no resource.
    pub(super) fn read(method: &str, path: &'a str, query: &Query) -> Option<Self> {
        let steps: Vec<&str> = path.split('/').filter(|step| !step.is_empty()).collect();
        let (group, rest) = match steps.as_slice() {
            ["api", _, rest @ ..] => ("", rest),
            ["apis", group, _, rest @ ..] => (*group, rest),
            _ => return None,
        };
        // The old form of a watch: the word stands before the resource.
        let (watches, rest) = match rest {
            ["watch", rest @ ..] if !rest.is_empty() => (true, rest),
            _ => (false, rest),
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, resource, rest @ ..] if !["status", "finalize"].contains(resource) => {
                (*namespace, [&[*resource], rest].concat())
            }
            // A namespace lies in itself.
            ["namespaces", namespace, ..] => (*namespace, rest.to_vec()),
            _ => ("", rest.to_vec()),
        };
        let (resource, name) = (*rest.first()?, rest.get(1).copied().unwrap_or_default());
        let verb = match (method, name.is_empty()) {
            _ if watches => "watch",
            ("GET" | "HEAD", false) => "get",
            ("GET" | "HEAD", true) if query.flag("watch") => "watch",
            ("GET" | "HEAD", true) => "list",
            ("POST", _) => "create",
            ("PUT", _) => "update",
            ("PATCH", _) => "patch",
            ("DELETE", false) => "delete",
            ("DELETE", true) => "deletecollection",
            _ => "",
        };
        Some(Self { verb, group, namespace, resource, name, subresource: rest.get(2).copied().unwrap_or_default() })
    }

    /// What a role is asked about.
    pub(super) fn action(&self) -> Action<'a> {
        Action { verb: self.verb, group: self.group, resource: self.resource, subresource: self.subresource }
    }

    /// The refusal of `role`.
    pub(super) fn refusal(&self, role: Role) -> Failure {
        let Self { verb, group, namespace, resource, name, subresource } = *self;
        let full = if subresource.is_empty() { resource.to_owned() } else { format!("{resource}/{subresource}") };
        let place =
            if namespace.is_empty() { "at the cluster scope".to_owned() } else { format!("in the namespace \"{namespace}\"") };
        let why = format!("User \"{}\" cannot {verb} resource \"{full}\" in API group \"{group}\" {place}", role.user());
        Failure::forbidden_by_role(&Refused { group, resource, name }, &why)
    }
}
