//! Columns of Pods, after the reference's printers.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::columns::{CREATED_TEXT, Column, NAME_TEXT};
use super::printers::{or_none, text};

const READY: &str = "The aggregate readiness state of this pod for accepting traffic.";
const STATUS: &str = "The aggregate status of the containers in this pod.";
const RESTARTS: &str =
    "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.";
const IP: &str = "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.";
const NODE: &str = "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename";
const NOMINATED: &str = "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.";
const GATES: &str = "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates";

/// Columns of Pods.
pub(super) fn columns() -> Vec<Column> {
    let columns = [
        ("Name", NAME_TEXT, 0),
        ("Ready", READY, 0),
        ("Status", STATUS, 0),
        ("Restarts", RESTARTS, 0),
        ("Age", CREATED_TEXT, 0),
        ("IP", IP, 1),
        ("Node", NODE, 1),
        ("Nominated Node", NOMINATED, 1),
        ("Readiness Gates", GATES, 1),
    ];
    columns.into_iter().map(|(name, text, priority)| Column::plain(name, "string", text, priority)).collect()
}

/// The cells of one Pod.
pub(super) fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = list(&object["status"]["containerStatuses"]);
    let beside: Vec<&Value> =
        list(&object["spec"]["initContainers"]).iter().filter(|container| container["restartPolicy"] == "Always").collect();
    let is_beside = |status: &&Value| beside.iter().any(|container| container["name"] == status["name"]);
    let first = list(&object["status"]["initContainerStatuses"]);
    let lasting: Vec<&Value> = first.iter().filter(is_beside).chain(statuses).collect();
    let total = list(&object["spec"]["containers"]).len() + beside.len();
    let ready = lasting.iter().filter(|status| status["ready"] == Value::Bool(true)).count();
    let initializing = first
        .iter()
        .enumerate()
        .find(|(_, status)| !is_done(status, is_beside(status)))
        .map(|(done, status)| initializing(status, done, list(&object["spec"]["initContainers"]).len()))
        .filter(|_| !has(object, "Initialized"));
    let (word, counted) = match initializing {
        Some(word) => (ended(object, word), first.iter().collect()),
        None => (reason(object, statuses), lasting),
    };
    vec![
        text(object, "/metadata/name").into(),
        format!("{ready}/{total}").into(),
        word.into(),
        restarts(&counted, now).into(),
        since(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into(),
        or_none(text(object, "/status/podIP")),
        or_none(text(object, "/spec/nodeName")),
        or_none(text(object, "/status/nominatedNodeName")),
        or_none(&gates(object)),
    ]
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// Whether the next container may start: this one has ended well, or runs beside all others.
fn is_done(status: &Value, beside: bool) -> bool {
    status["state"]["terminated"]["exitCode"] == 0 || (beside && status["started"] == Value::Bool(true))
}

/// What the container does that all others wait for; `done` of `all` have ended before it.
fn initializing(status: &Value, done: usize, all: usize) -> String {
    let (waiting, terminated) = (&status["state"]["waiting"], &status["state"]["terminated"]);
    let stated =
        |state: &Value| state["reason"].as_str().filter(|word| !word.is_empty() && *word != "PodInitializing").map(str::to_owned);
    let word = if terminated.is_object() {
        stated(terminated).unwrap_or_else(|| exit(terminated))
    } else {
        stated(waiting).unwrap_or_else(|| format!("{done}/{all}"))
    };
    format!("Init:{word}")
}

/// How a container ended that gives no reason.
fn exit(terminated: &Value) -> String {
    match (terminated["signal"].as_i64(), terminated["exitCode"].as_i64()) {
        (Some(signal), _) if signal != 0 => format!("Signal:{signal}"),
        (_, code) => format!("ExitCode:{}", code.unwrap_or_default()),
    }
}

/// How many of its readiness gates are open.
fn gates(object: &Value) -> String {
    let gates = list(&object["spec"]["readinessGates"]);
    let open = gates.iter().filter(|gate| has(object, gate["conditionType"].as_str().unwrap_or_default())).count();
    if gates.is_empty() { String::new() } else { format!("{open}/{}", gates.len()) }
}

/// What the containers do, in one word.
fn reason(object: &Value, statuses: &[Value]) -> String {
    let phase = text(object, "/status/phase");
    let stated = text(object, "/status/reason");
    let mut reason = if stated.is_empty() { phase } else { stated }.to_owned();
    let scheduled = list(&object["status"]["conditions"]).iter().find(|condition| condition["type"] == "PodScheduled");
    if let Some(gated) = scheduled.and_then(|condition| condition["reason"].as_str()).filter(|word| *word == "SchedulingGated") {
        gated.clone_into(&mut reason);
    }
    let mut running = false;
    for status in statuses.iter().rev() {
        let (waiting, terminated) = (&status["state"]["waiting"], &status["state"]["terminated"]);
        if let Some(word) = waiting["reason"].as_str().filter(|word| !word.is_empty()) {
            reason = word.to_owned();
        } else if let Some(word) = terminated["reason"].as_str().filter(|word| !word.is_empty()) {
            reason = word.to_owned();
        } else if terminated.is_object() {
            reason = exit(terminated);
        } else if status["ready"] == Value::Bool(true) && status["state"]["running"].is_object() {
            running = true;
        }
    }
    if reason == "Completed" && running {
        reason = if has(object, "Ready") { "Running" } else { "NotReady" }.to_owned();
    }
    ended(object, reason)
}

/// The word, unless the Pod is being deleted and has not ended by itself.
fn ended(object: &Value, word: String) -> String {
    let ends = object["metadata"]["deletionTimestamp"].is_string();
    if ends && !matches!(text(object, "/status/phase"), "Succeeded" | "Failed") { "Terminating".to_owned() } else { word }
}

/// Whether a condition holds.
fn has(object: &Value, kind: &str) -> bool {
    list(&object["status"]["conditions"]).iter().any(|condition| condition["type"] == kind && condition["status"] == "True")
}

/// How often, and when last.
fn restarts(statuses: &[&Value], now: Timestamp) -> String {
    let count: i64 = statuses.iter().filter_map(|status| status["restartCount"].as_i64()).sum();
    let ends = statuses.iter().filter_map(|status| status["lastState"]["terminated"]["finishedAt"].as_str()).max();
    match ends.filter(|_| count != 0) {
        Some(end) => format!("{count} ({} ago)", since(Some(end), now)),
        None => count.to_string(),
    }
}
