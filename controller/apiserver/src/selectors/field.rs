//! `metadata.name=a,type!=b` over the fields that a kind can be selected by.

use serde_json::Value;

use crate::kinds::{CoreKind, Resource};
use crate::status::Failure;
use crate::store::Object;

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    field: String,
    value: String,
    equal: bool,
}

/// A conjunction of comparisons of fields with values.
#[derive(Debug, Clone, Default)]
pub(crate) struct FieldSelector {
    requirements: Vec<Requirement>,
    /// Set while a field lies outside the index, so that the object must be read.
    renamed: bool,
}

/// The fields of an event's subject.
const SUBJECT: [&str; 7] = ["kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath"];

/// The fields of a Pod.
const POD: [&str; 9] = [
    "spec.hostNetwork",
    "spec.nodeName",
    "spec.restartPolicy",
    "spec.schedulerName",
    "spec.serviceAccountName",
    "status.nominatedNodeName",
    "status.phase",
    "status.podIP",
    "status.podIPs",
];

fn supports(resource: &Resource, field: &str) -> bool {
    if field == "metadata.name" || (field == "metadata.namespace" && resource.namespaced) {
        return true;
    }
    match resource.core() {
        Some(CoreKind::Event) => {
            matches!(field, "reason" | "reportingComponent" | "source" | "type")
                || field.strip_prefix("involvedObject.").is_some_and(|rest| SUBJECT.contains(&rest))
        }
        Some(CoreKind::EventV1) => {
            matches!(field, "reason" | "reportingController" | "type")
                || field.strip_prefix("regarding.").is_some_and(|rest| SUBJECT.contains(&rest))
        }
        Some(CoreKind::Secret) => field == "type",
        Some(CoreKind::Namespace) => field == "status.phase",
        Some(CoreKind::Plain) => plain(&resource.plural).contains(&field),
        Some(CoreKind::Pod) => POD.contains(&field),
        Some(CoreKind::Service) => matches!(field, "spec.clusterIP" | "spec.type"),
        Some(
            CoreKind::ConfigMap
            | CoreKind::CustomResourceDefinition
            | CoreKind::Lease
            | CoreKind::Review
            | CoreKind::ServiceAccount,
        ) => false,
        None => resource.selectable.iter().any(|path| path.trim_start_matches('.') == field),
    }
}

/// The fields that a kind of the extended mode can be selected by.
fn plain(plural: &str) -> &'static [&'static str] {
    match plural {
        "pods" => &[
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.nominatedNodeName",
        ],
        "nodes" => &["spec.unschedulable"],
        "services" => &["spec.clusterIP", "spec.type"],
        "replicasets" | "replicationcontrollers" => &["status.replicas"],
        "jobs" => &["status.successful"],
        "certificatesigningrequests" => &["spec.signerName"],
        _ => &[],
    }
}

/// Kinds without fields of their own name those that each kind has.
fn unsupported(resource: &Resource, field: &str) -> Failure {
    let general = match resource.core() {
        Some(
            CoreKind::ConfigMap
            | CoreKind::CustomResourceDefinition
            | CoreKind::Lease
            | CoreKind::Review
            | CoreKind::ServiceAccount,
        ) => true,
        Some(CoreKind::Plain) => plain(&resource.plural).is_empty(),
        Some(
            CoreKind::Event | CoreKind::EventV1 | CoreKind::Namespace | CoreKind::Pod | CoreKind::Secret | CoreKind::Service,
        )
        | None => false,
    };
    Failure::bad_request(if general {
        format!("{field:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
    } else {
        format!("field label not supported: {field}")
    })
}

impl FieldSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// 400: no operator, or a field that `resource` has no selector for.
    pub(crate) fn parse(text: &str, resource: &Resource) -> Result<Self, Failure> {
        let mut requirements = Vec::new();
        for part in split(text) {
            let (field, value, equal) = if let Some((field, value)) = part.split_once("!=") {
                (field, value, false)
            } else if let Some((field, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
                (field, value, true)
            } else {
                return Err(Failure::bad_request(format!("invalid selector: '{text}'; can't understand '{part}'")));
            };
            if !supports(resource, field) {
                return Err(unsupported(resource, field));
            }
            requirements.push(Requirement { field: field.to_owned(), value: unescape(value), equal });
        }
        Ok(Self { requirements, renamed: resource.core() == Some(CoreKind::EventV1) })
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.requirements.is_empty()
    }

    pub(super) fn require_name(&mut self, name: &str) {
        self.requirements.push(Requirement { field: "metadata.name".to_owned(), value: name.to_owned(), equal: true });
    }

    pub(crate) fn matches(&self, object: &Object) -> bool {
        let mut read: Option<Value> = None;
        self.requirements.iter().all(|requirement| {
            let equal = match requirement.field.as_str() {
                "metadata.name" => object.meta.name == requirement.value,
                "metadata.namespace" => object.meta.namespace == requirement.value,
                field => {
                    let value = read.get_or_insert_with(|| object.value());
                    self.field(value, field) == requirement.value
                }
            };
            equal == requirement.equal
        })
    }

    /// The text of a stored field; an absent one is empty.
    fn field(&self, value: &Value, field: &str) -> String {
        let stored = if self.renamed {
            field.replacen("regarding.", "involvedObject.", 1).replace("reportingController", "reportingComponent")
        } else {
            field.to_owned()
        };
        let path = match stored.as_str() {
            "source" => "source.component",
            "status.successful" => "status.succeeded",
            other => other,
        };
        let found = path.split('.').try_fold(value, |value, step| value.get(step));
        match found {
            None | Some(Value::Null) => absent(path).to_owned(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
        }
    }
}

/// What a field that is not there counts as: Go has no absent flag or number.
fn absent(path: &str) -> &'static str {
    match path {
        "spec.hostNetwork" | "spec.unschedulable" => "false",
        "status.replicas" | "status.succeeded" => "0",
        _ => "",
    }
}

/// Splits at commas that no backslash protects.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut start, mut escaped) = (Vec::new(), 0, false);
    for (index, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            ',' => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts.into_iter().filter(|part| !part.is_empty()).collect()
}

fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escaped = false;
    for letter in text.chars() {
        if letter == '\\' && !escaped {
            escaped = true;
        } else {
            out.push(letter);
            escaped = false;
        }
    }
    out
}
