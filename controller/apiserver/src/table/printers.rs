//! Columns of the built-in kinds.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::columns::{CREATED_TEXT, Column, NAME_TEXT};
use super::plain_kinds;

/// Makes the cells of one object.
pub(super) type Printer = fn(&Value, Timestamp) -> Vec<Value>;

/// What a cell shows where there is nothing.
pub(super) const NONE: &str = "<none>";

const SECRET_TYPE: &str = "Used to facilitate programmatic handling of secret data. More info: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types";
const SECRET_DATA: &str = "Data contains the secret data. Each key must consist of alphanumeric characters, '-', '_' or '.'. The serialized form of the secret data is a base64 encoded string, representing the arbitrary (possibly non-string) data value here. Described in https://tools.ietf.org/html/rfc4648#section-4";
const CONFIG_DATA: &str = "Data contains the configuration data. Each key must consist of alphanumeric characters, '-', '_' or '.'. Values with non-UTF-8 byte sequences must use the BinaryData field. The keys stored in Data must not overlap with the keys in the BinaryData field, this is enforced during validation process.";
const LEASE_HOLDER: &str = "holderIdentity contains the identity of the holder of a current lease. If Coordinated Leader Election is used, the holder identity must be equal to the elected LeaseCandidate.metadata.name field.";

/// The columns and the printer of a kind.
pub(super) fn of(api_version: &str, kind: &str) -> (Vec<Column>, Printer) {
    let text = |name: &str, description: &str| Column::plain(name, "string", description, 0);
    let name = || text("Name", NAME_TEXT);
    let age = || text("Age", CREATED_TEXT);
    match (api_version, kind) {
        ("v1", "Secret") => (vec![name(), text("Type", SECRET_TYPE), text("Data", SECRET_DATA), age()], secret),
        ("v1", "ConfigMap") => (vec![name(), text("Data", CONFIG_DATA), age()], config_map),
        ("v1", "Namespace") => (vec![name(), text("Status", "The status of the namespace"), age()], namespace),
        ("v1", "Pod") => (super::pod::columns(), super::pod::pod),
        ("v1", "Service") => (super::service::columns(), super::service::cells),
        ("v1", "ServiceAccount") => (vec![name(), age()], named),
        ("v1" | "events.k8s.io/v1", "Event") => (event_columns(), event),
        ("autoscaling/v1", "Scale") => (scale_columns(), scale),
        ("coordination.k8s.io/v1", "Lease") => (vec![name(), text("Holder", LEASE_HOLDER), age()], lease),
        ("apiextensions.k8s.io/v1", _) => (vec![name(), Column::plain("Created At", "date", CREATED_TEXT, 0)], plain),
        (version, kind) => plain_kinds::of(version, kind).unwrap_or_else(|| (vec![name(), age()], named)),
    }
}

fn scale_columns() -> Vec<Column> {
    let count = |name: &str, description: &str| Column::plain(name, "integer", description, 0);
    vec![
        Column::plain("Name", "string", NAME_TEXT, 0),
        count("Desired", "Number of desired replicas"),
        count("Available", "Number of actual replicas"),
        Column::plain("Age", "date", CREATED_TEXT, 0),
    ]
}

fn scale(object: &Value, now: Timestamp) -> Vec<Value> {
    let count = |pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    vec![name(object), count("/spec/replicas"), count("/status/replicas"), age(object, now)]
}

fn event_columns() -> Vec<Column> {
    let columns = [
        ("Last Seen", "The time at which the most recent occurrence of this event was recorded.", 0),
        ("Type", "Type of this event (Normal, Warning), new types could be added in the future", 0),
        (
            "Reason",
            "This should be a short, machine understandable string that gives the reason for the transition into the object's current status.",
            0,
        ),
        ("Object", "The object that this event is about.", 0),
        (
            "Subobject",
            "If referring to a piece of an object instead of an entire object, this string should contain a valid JSON/Go field access statement, such as desiredState.manifest.containers[2]. For example, if the object reference is to a container within a pod, this would take on a value like: \"spec.containers{name}\" (where \"name\" refers to the name of the container that triggered the event) or if no container name is specified \"spec.containers[2]\" (container with index 2 in this pod). This syntax is chosen only to have some well-defined way of referencing a part of an object.",
            1,
        ),
        ("Source", "The component reporting this event. Should be a short machine understandable string.", 1),
        ("Message", "A human-readable description of the status of this operation.", 0),
        ("First Seen", "The time at which the event was first recorded. (Time of server receipt is in TypeMeta.)", 1),
        ("Count", "The number of times this event has occurred.", 1),
        ("Name", NAME_TEXT, 1),
    ];
    columns.into_iter().map(|(name, description, priority)| Column::plain(name, "string", description, priority)).collect()
}

pub(super) fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A text, or the word for none.
pub(super) fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

pub(super) fn size(object: &Value, pointer: &str) -> usize {
    match object.pointer(pointer) {
        Some(Value::Object(fields)) => fields.len(),
        Some(Value::Array(items)) => items.len(),
        Some(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | None => 0,
    }
}

pub(super) fn name(object: &Value) -> Value {
    text(object, "/metadata/name").into()
}

pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    since(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into()
}

fn plain(object: &Value, _now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "/metadata/creationTimestamp").into()]
}

fn secret(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "/type").into(), size(object, "/data").into(), age(object, now)]
}

fn config_map(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), (size(object, "/data") + size(object, "/binaryData")).into(), age(object, now)]
}

fn namespace(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "/status/phase").into(), age(object, now)]
}

fn named(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), age(object, now)]
}

fn lease(object: &Value, now: Timestamp) -> Vec<Value> {
    vec![name(object), text(object, "/spec/holderIdentity").into(), age(object, now)]
}

/// Either shape of an event: the fields of `v1`, else their counterparts of `events.k8s.io/v1`.
fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |pointers: &[&str]| pointers.iter().map(|pointer| text(object, pointer)).find(|text| !text.is_empty());
    let time = |pointers: &[&str]| since(either(pointers), now);
    let count = ["/series/count", "/count", "/deprecatedCount"].iter().find_map(|pointer| object.pointer(pointer)?.as_i64());
    let kind = either(&["/involvedObject/kind", "/regarding/kind"]).unwrap_or_default().to_lowercase();
    let target = match either(&["/involvedObject/name", "/regarding/name"]) {
        Some(name) => format!("{kind}/{name}"),
        None => kind,
    };
    let component = either(&["/source/component", "/deprecatedSource/component", "/reportingComponent", "/reportingController"]);
    let host = either(&["/source/host", "/deprecatedSource/host", "/reportingInstance"]);
    let source = [component, host].into_iter().flatten().collect::<Vec<_>>().join(", ");
    vec![
        time(&["/series/lastObservedTime", "/lastTimestamp", "/deprecatedLastTimestamp", "/eventTime"]).into(),
        text(object, "/type").into(),
        text(object, "/reason").into(),
        target.into(),
        either(&["/involvedObject/fieldPath", "/regarding/fieldPath"]).unwrap_or_default().into(),
        source.into(),
        either(&["/message", "/note"]).unwrap_or_default().trim().into(),
        time(&["/firstTimestamp", "/deprecatedFirstTimestamp", "/eventTime"]).into(),
        count.filter(|count| *count > 0).unwrap_or(1).into(),
        name(object),
    ]
}
