//! Names of groups, versions and kinds, and the approval that groups of the Kubernetes community ask for.

use serde_json::Value;

use super::super::naming::APPROVAL;
use super::text;
use crate::schema::{Problem, go_quote};

/// The longest DNS label.
const LABEL_LIMIT: usize = 63;
/// The longest DNS subdomain.
const SUBDOMAIN_LIMIT: usize = 253;

const LABEL: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, \
    and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is \
    '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

/// Whether an annotation approves an API of the community.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::crds) enum Approval {
    Approved,
    Bypassed,
    Invalid,
    Missing,
}

impl Approval {
    /// The state of `definition`, and what is said of it.
    pub(in crate::crds) fn of(definition: &Value) -> (Self, String) {
        let annotation = text(&definition["metadata"]["annotations"][APPROVAL]);
        let more = "see https://github.com/kubernetes/enhancements/pull/1111";
        let needed = format!("protected groups must have approval annotation {APPROVAL:?}");
        if annotation.is_empty() {
            return (Self::Missing, format!("{needed}, {more}"));
        }
        if annotation.starts_with("unapproved") {
            return (Self::Bypassed, format!("not approved: {}", go_quote(annotation)));
        }
        let address = annotation.split_once("://").is_some_and(|(scheme, rest)| {
            !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/') && !rest.contains(char::is_whitespace)
        });
        if address {
            return (Self::Approved, format!("approved in {annotation}"));
        }
        (Self::Invalid, format!("{needed} with either a URL or a reason starting with \"unapproved\", {more}"))
    }
}

/// Whether `group` belongs to the Kubernetes community.
pub(in crate::crds) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|domain| group.strip_suffix(domain).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')))
}

/// What a group of the community asks for, where its approval changes.
pub(super) fn approval(new: &Value, old: Option<&Value>, problems: &mut Vec<Problem>) {
    if !is_protected(text(&new["spec"]["group"])) {
        return;
    }
    let (state, reason) = Approval::of(new);
    if old.is_some_and(|old| Approval::of(old).0 == state) {
        return;
    }
    let path = format!("metadata.annotations[{APPROVAL}]");
    match state {
        Approval::Approved | Approval::Bypassed => {}
        Approval::Invalid => {
            problems.push(Problem::invalid(&path, new["metadata"]["annotations"][APPROVAL].clone(), &reason));
        }
        Approval::Missing => problems.push(Problem::required(&path, &reason)),
    }
}

fn label_problems(name: &str) -> Vec<String> {
    let mut found = Vec::new();
    if name.len() > LABEL_LIMIT {
        found.push(format!("must be no more than {LABEL_LIMIT} bytes"));
    }
    let letters = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase()) || !name.chars().all(letters) || name.ends_with('-') {
        found.push(LABEL.to_owned());
    }
    found
}

/// A DNS label, empty ones included.
pub(super) fn label(path: &str, name: &str, problems: &mut Vec<Problem>) {
    let found = label_problems(name);
    if !found.is_empty() {
        problems.push(Problem::invalid(path, name.into(), &found.join(",")));
    }
}

pub(super) fn group(group: &str, problems: &mut Vec<Problem>) {
    if group.is_empty() {
        problems.push(Problem::required("spec.group", ""));
        return;
    }
    let part = |part: &str| {
        !part.is_empty()
            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    let mut found = Vec::new();
    if group.len() > SUBDOMAIN_LIMIT {
        found.push(format!("must be no more than {SUBDOMAIN_LIMIT} bytes"));
    }
    if !group.split('.').all(part) {
        found.push(SUBDOMAIN.to_owned());
    }
    if !found.is_empty() {
        problems.push(Problem::invalid("spec.group", group.into(), &found.join(",")));
    } else if !group.contains('.') {
        problems.push(Problem::invalid("spec.group", group.into(), "should be a domain with at least one dot"));
    }
}

pub(super) fn required(names: &Value, problems: &mut Vec<Problem>) {
    for field in ["plural", "singular", "kind", "listKind"] {
        if text(&names[field]).is_empty() {
            problems.push(Problem::required(&format!("spec.names.{field}"), ""));
        }
    }
}

/// The names that are there.
pub(super) fn check(names: &Value, path: &str, problems: &mut Vec<Problem>) {
    for field in ["plural", "singular"] {
        let name = text(&names[field]);
        if !name.is_empty() {
            label(&format!("{path}.{field}"), name, problems);
        }
    }
    for field in ["kind", "listKind"] {
        let name = text(&names[field]);
        let found = label_problems(&name.to_lowercase());
        if !name.is_empty() && !found.is_empty() {
            let detail = format!("may have mixed case, but should otherwise match: {}", found.join(","));
            problems.push(Problem::invalid(&format!("{path}.{field}"), name.into(), &detail));
        }
    }
    let list = |field: &str| names[field].as_array().into_iter().flatten().enumerate();
    for (index, name) in list("shortNames") {
        label(&format!("{path}.shortNames[{index}]"), text(name), problems);
    }
    if !text(&names["kind"]).is_empty() && names["kind"] == names["listKind"] {
        let detail = "kind and listKind may not be the same";
        problems.push(Problem::invalid(&format!("{path}.listKind"), names["listKind"].clone(), detail));
    }
    for (index, name) in list("categories") {
        label(&format!("{path}.categories[{index}]"), text(name), problems);
    }
}
