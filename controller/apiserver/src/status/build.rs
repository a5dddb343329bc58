//! One constructor per golden refusal, so that texts stand in one place.

use super::{Cause, Details, Failure};
use crate::kinds::Resource;

/// What a request was about that was refused before its resource was looked up.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refused<'a> {
    pub(crate) group: &'a str,
    pub(crate) resource: &'a str,
    pub(crate) name: &'a str,
}

impl Failure {
    fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self { code, reason, message: message.into(), details: None, continue_token: String::new(), warnings: Vec::new() }
    }

    fn about(mut self, details: Details) -> Self {
        self.details = Some(Box::new(details));
        self
    }

    fn on(resource: &Resource, name: &str) -> Details {
        Details { name: name.to_owned(), group: resource.group.clone(), kind: resource.plural.clone(), ..Details::default() }
    }

    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    pub(crate) fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized")
    }

    /// A request that no role may send, refused before any resource is known.
    pub(crate) fn forbidden_plain(message: impl Into<String>) -> Self {
        Self::new(403, "Forbidden", message).about(Details::default())
    }

    /// 403 of a role that may not do it, whether it is served or not.
    pub(crate) fn forbidden_by_role(refused: &Refused<'_>, why: &str) -> Self {
        let Refused { group, resource, name } = *refused;
        let qualified = if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
        let subject = if name.is_empty() { qualified } else { format!("{qualified} \"{name}\"") };
        let details = Details { name: name.to_owned(), group: group.to_owned(), kind: resource.to_owned(), ..Details::default() };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(details)
    }

    pub(crate) fn forbidden(resource: &Resource, name: &str, why: &str) -> Self {
        let subject = if name.is_empty() { resource.qualified() } else { format!("{} \"{name}\"", resource.qualified()) };
        Self::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(Self::on(resource, name))
    }

    /// 403 with one machine-readable cause, as admission sends for a namespace that is going away.
    pub(crate) fn forbidden_because(resource: &Resource, name: &str, why: &str, cause: Cause) -> Self {
        let mut failure = Self::forbidden(resource, name, why);
        if let Some(details) = failure.details.as_mut() {
            details.causes.push(cause);
        }
        failure
    }

    pub(crate) fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified())).about(Self::on(resource, name))
    }

    pub(crate) fn namespace_not_found(name: &str) -> Self {
        let details = Details { name: name.to_owned(), kind: "namespaces".to_owned(), ..Details::default() };
        Self::new(404, "NotFound", format!("namespaces \"{name}\" not found")).about(details)
    }

    pub(crate) fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource").about(Details::default())
    }

    pub(crate) fn method_not_allowed() -> Self {
        Self::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
            .about(Details::default())
    }

    pub(crate) fn not_supported(resource: &Resource, verb: &str) -> Self {
        let details = Details { group: resource.group.clone(), kind: resource.plural.clone(), ..Details::default() };
        Self::new(405, "MethodNotAllowed", format!("{verb} is not supported on resources of kind \"{}\"", resource.qualified()))
            .about(details)
    }

    pub(crate) fn not_acceptable(accepted: &[&str]) -> Self {
        Self::new(406, "NotAcceptable", format!("only the following media types are accepted: {}", accepted.join(", ")))
    }

    /// 406 of a path whose types are fixed.
    pub(crate) fn not_representable(produced: &[&str]) -> Self {
        let message = format!("406: Not Acceptable\n\nAvailable representations: {}", produced.join(", "));
        Self::new(406, "NotAcceptable", message).about(Details::default())
    }

    /// 406 for a shape that this answer cannot have.
    pub(crate) fn other_form(why: impl Into<String>) -> Self {
        Self::new(406, "NotAcceptable", why)
    }

    pub(crate) fn unsupported_media_type(accepted: &[&str]) -> Self {
        Self::new(
            415,
            "UnsupportedMediaType",
            format!("the body of the request was in an unknown format - accepted media types include: {}", accepted.join(", ")),
        )
    }

    /// No route takes a body of this type.
    pub(crate) fn no_such_media_type() -> Self {
        Self::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").about(Details::default())
    }

    /// `going`: what is there is being deleted, so that the name may soon be free.
    pub(crate) fn already_exists(resource: &Resource, name: &str, going: bool) -> Self {
        let going = if going { "object is being deleted: " } else { "" };
        Self::new(409, "AlreadyExists", format!("{going}{} \"{name}\" already exists", resource.qualified()))
            .about(Self::on(resource, name))
    }

    pub(crate) fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified()))
            .about(Self::on(resource, name))
    }

    /// A delete of another object or version than the one it names; the reference speaks of the Kind here.
    pub(crate) fn precondition(resource: &Resource, name: &str, why: &str) -> Self {
        let qualified =
            if resource.group.is_empty() { resource.kind.clone() } else { format!("{}.{}", resource.kind, resource.group) };
        let details = Details { kind: resource.kind.clone(), ..Self::on(resource, name) };
        Self::new(409, "Conflict", format!("Operation cannot be fulfilled on {qualified} \"{name}\": {why}")).about(details)
    }

    pub(crate) fn modified(resource: &Resource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// An apply that would take fields away from other managers.
    pub(crate) fn apply_conflict(message: impl Into<String>, causes: Vec<Cause>) -> Self {
        Self::new(409, "Conflict", message).about(Details { causes, ..Details::default() })
    }

    pub(crate) fn expired(message: impl Into<String>) -> Self {
        Self::new(410, "Expired", message)
    }

    /// An expired list that the client may go on with, inconsistently, by `token`.
    pub(crate) fn expired_continue(token: String) -> Self {
        let mut failure = Self::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without \
             the continue parameter, or use the continue token in this response to retrieve the remainder of the results. \
             Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
             deleted between the time the first chunk was returned and now may show up in the list.",
        );
        failure.continue_token = token;
        failure
    }

    pub(crate) fn too_large(limit: usize) -> Self {
        Self::new(413, "RequestEntityTooLarge", format!("Request entity too large: limit is {limit}"))
    }

    /// 413 for another limit than that of the body.
    pub(crate) fn too_large_because(message: impl Into<String>) -> Self {
        Self::new(413, "RequestEntityTooLarge", message)
    }

    /// All problems of one object at once; `kind` is the Kind, not the plural.
    pub(crate) fn invalid(group: &str, kind: &str, name: &str, causes: Vec<Cause>) -> Self {
        let qualified = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
        let texts: Vec<String> = causes
            .iter()
            .map(
                |cause| {
                    if cause.field.is_empty() { cause.message.clone() } else { format!("{}: {}", cause.field, cause.message) }
                },
            )
            .collect();
        let list = match texts.as_slice() {
            [] => String::new(),
            [one] => one.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        Self::new(422, "Invalid", format!("{qualified} \"{name}\" is invalid: {list}")).about(Details {
            name: name.to_owned(),
            group: group.to_owned(),
            kind: kind.to_owned(),
            causes,
            ..Details::default()
        })
    }

    /// Wrong query options, which the reference reports as an invalid object of the options' own kind.
    pub(crate) fn invalid_options(kind: &str, causes: Vec<Cause>) -> Self {
        Self::invalid("meta.k8s.io", kind, "", causes)
    }

    /// A patch that does not fit: the reference does not say why.
    pub(crate) fn unprocessable() -> Self {
        Self::new(422, "Invalid", "the server rejected our request due to an error in our request").about(Details::default())
    }

    pub(crate) fn too_many_requests(message: impl Into<String>) -> Self {
        Self::new(429, "TooManyRequests", message).about(Details { retry_after_seconds: 1, ..Details::default() })
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let cause = Cause { reason: String::new(), message: message.clone(), field: String::new() };
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"))
            .about(Details { causes: vec![cause], ..Details::default() })
    }

    /// 500 whose message stands alone, as the reference sends for malformed apply bodies and versions.
    pub(crate) fn internal_plain(message: impl Into<String>) -> Self {
        Self::new(500, "", message)
    }

    pub(crate) fn unavailable(message: impl Into<String>) -> Self {
        Self::new(503, "ServiceUnavailable", message).about(Details { retry_after_seconds: 1, ..Details::default() })
    }

    pub(crate) fn timeout(message: impl Into<String>) -> Self {
        Self::new(504, "Timeout", message).about(Details { retry_after_seconds: 1, ..Details::default() })
    }

    pub(crate) fn future_version(asked: u64, current: u64) -> Self {
        let cause = Cause {
            reason: "ResourceVersionTooLarge".to_owned(),
            message: "Too large resource version".to_owned(),
            field: String::new(),
        };
        Self::new(504, "Timeout", format!("Timeout: Too large resource version: {asked}, current: {current}")).about(Details {
            causes: vec![cause],
            retry_after_seconds: 1,
            ..Details::default()
        })
    }
}

impl Cause {
    pub(crate) fn new(reason: &str, field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { reason: reason.to_owned(), message: message.into(), field: field.into() }
    }

    pub(crate) fn invalid(field: impl Into<String>, value: &str, why: &str) -> Self {
        Self::new("FieldValueInvalid", field, format!("Invalid value: {value}: {why}"))
    }

    pub(crate) fn required(field: impl Into<String>, why: &str) -> Self {
        let message = if why.is_empty() { "Required value".to_owned() } else { format!("Required value: {why}") };
        Self::new("FieldValueRequired", field, message)
    }

    pub(crate) fn forbidden(field: impl Into<String>, why: &str) -> Self {
        Self::new("FieldValueForbidden", field, format!("Forbidden: {why}"))
    }

    pub(crate) fn unsupported(field: impl Into<String>, value: &str, supported: &[&str]) -> Self {
        let list: Vec<String> = supported.iter().map(|entry| format!("{entry:?}")).collect();
        Self::new("FieldValueNotSupported", field, format!("Unsupported value: {value:?}: supported values: {}", list.join(", ")))
    }
}
