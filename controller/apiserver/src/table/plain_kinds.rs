//! Columns of the kinds of the extended mode, as far as an object itself holds them.

use jiff::Timestamp;
use serde_json::Value;

use super::columns::{CREATED_TEXT, Column, NAME_TEXT};
use super::printers::{Printer, age, name, size, text};

/// The columns and the printer of a kind that has more than its name and age.
pub(super) fn of(api_version: &str, kind: &str) -> Option<(Vec<Column>, Printer)> {
    let (names, printer): (&[&str], Printer) = match (api_version, kind) {
        ("v1", "Pod") => (&["Ready", "Status", "Restarts"], pod),
        ("v1", "Service") => (&["Type", "Cluster-IP", "External-IP", "Port(s)"], service),
        ("v1", "Node") => (&["Status", "Roles"], node),
        ("v1", "PersistentVolumeClaim") => (&["Status", "Volume"], claim),
        ("apps/v1", "Deployment") => (&["Ready", "Up-to-date", "Available"], deployment),
        ("apps/v1", "ReplicaSet") | ("v1", "ReplicationController") => (&["Desired", "Current", "Ready"], replicas),
        ("apps/v1", "StatefulSet") => (&["Ready"], set),
        ("batch/v1", "Job") => (&["Status", "Completions"], job),
        _ => return None,
    };
    let column = |name: &str| Column::plain(name, "string", "", 0);
    let mut columns = vec![Column::plain("Name", "string", NAME_TEXT, 0)];
    columns.extend(names.iter().map(|name| column(name)));
    columns.push(Column::plain("Age", "string", CREATED_TEXT, 0));
    Some((columns, printer))
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn row(object: &Value, now: Timestamp, cells: Vec<Value>) -> Vec<Value> {
    std::iter::once(name(object)).chain(cells).chain([age(object, now)]).collect()
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = object.pointer("/status/containerStatuses").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ready = statuses.iter().filter(|status| status["ready"] == Value::Bool(true)).count();
    let restarts: i64 = statuses.iter().map(|status| count(status, "/restartCount")).sum();
    let phase = or(text(object, "/status/reason"), text(object, "/status/phase"));
    let deleted = !text(object, "/metadata/deletionTimestamp").is_empty();
    let status = if deleted { "Terminating" } else { phase };
    row(
        object,
        now,
        vec![format!("{ready}/{}", size(object, "/spec/containers")).into(), status.into(), restarts.to_string().into()],
    )
}

fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports = object.pointer("/spec/ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ports: Vec<String> =
        ports.iter().map(|port| format!("{}/{}", count(port, "/port"), or(text(port, "/protocol"), "TCP"))).collect();
    let ports = if ports.is_empty() { "<none>".to_owned() } else { ports.join(",") };
    let kind = or(text(object, "/spec/type"), "ClusterIP");
    let address = or(text(object, "/spec/clusterIP"), "<none>");
    row(object, now, vec![kind.into(), address.into(), "<none>".into(), ports.into()])
}

fn node(object: &Value, now: Timestamp) -> Vec<Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let ready = conditions.iter().find(|condition| condition["type"] == "Ready");
    let status = match ready.and_then(|condition| condition["status"].as_str()) {
        Some("True") => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    row(object, now, vec![status.into(), "<none>".into()])
}

fn claim(object: &Value, now: Timestamp) -> Vec<Value> {
    row(object, now, vec![text(object, "/status/phase").into(), text(object, "/spec/volumeName").into()])
}

fn deployment(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"));
    let cells = ["/status/updatedReplicas", "/status/availableReplicas"].map(|pointer| count(object, pointer).into());
    row(object, now, std::iter::once(ready.into()).chain(cells).collect())
}

fn replicas(object: &Value, now: Timestamp) -> Vec<Value> {
    let cells = ["/spec/replicas", "/status/replicas", "/status/readyReplicas"].map(|pointer| count(object, pointer).into());
    row(object, now, cells.into())
}

fn set(object: &Value, now: Timestamp) -> Vec<Value> {
    let ready = format!("{}/{}", count(object, "/status/readyReplicas"), count(object, "/spec/replicas"));
    row(object, now, vec![ready.into()])
}

fn job(object: &Value, now: Timestamp) -> Vec<Value> {
    let conditions = object.pointer("/status/conditions").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let holds = |kind: &str| conditions.iter().any(|condition| condition["type"] == kind && condition["status"] == "True");
    let status = if holds("Complete") {
        "Complete"
    } else if holds("Failed") {
        "Failed"
    } else {
        "Running"
    };
    let wanted = object.pointer("/spec/completions").and_then(Value::as_i64).unwrap_or(1);
    row(object, now, vec![status.into(), format!("{}/{wanted}", count(object, "/status/succeeded")).into()])
}
