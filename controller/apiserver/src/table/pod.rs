//! Columns of Pods and Services, after the reference's printers.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::columns::{CREATED_TEXT, Column, NAME_TEXT};

const READY: &str = "The aggregate readiness state of this pod for accepting traffic.";
const STATUS: &str = "The aggregate status of the containers in this pod.";
const RESTARTS: &str =
    "The number of times the containers in this pod have been restarted and when the last container in this pod has restarted.";
const IP: &str = "podIP address allocated to the pod. Routable at least within the cluster. Empty if not yet allocated.";
const NODE: &str = "NodeName indicates in which node this pod is scheduled. If empty, this pod is a candidate for scheduling by the scheduler defined in schedulerName. Once this field is set, the kubelet for this node becomes responsible for the lifecycle of this pod. This field should not be used to express a desire for the pod to be scheduled on a specific node. https://kubernetes.io/docs/concepts/scheduling-eviction/assign-pod-node/#nodename";
const NOMINATED: &str = "nominatedNodeName is set only when this pod preempts other pods on the node, but it cannot be scheduled right away as preemption victims receive their graceful termination periods. This field does not guarantee that the pod will be scheduled on this node. Scheduler may decide to place the pod elsewhere if other nodes become available sooner. Scheduler may also decide to give the resources on this node to a higher priority pod that is created after preemption. As a result, this field may be different than PodSpec.nodeName when the pod is scheduled.";
const GATES: &str = "If specified, all readiness gates will be evaluated for pod readiness. A pod is ready when all its containers are ready AND all conditions specified in the readiness gates have status equal to \"True\" More info: https://git.k8s.io/enhancements/keps/sig-network/580-pod-readiness-gates";
const TYPE: &str = "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several other fields do not apply to ExternalName services. More info: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types";
const PORTS: &str = "The list of ports that are exposed by this service. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies";

/// What a cell shows where there is nothing.
const NONE: &str = "<none>";

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

/// Columns of Services.
pub(super) fn service_columns() -> Vec<Column> {
    let columns = [
        ("Name", NAME_TEXT, 0),
        ("Type", TYPE, 0),
        ("Cluster-IP", "clusterIP is the IP address of the service.", 0),
        ("External-IP", "externalIPs is a list of IP addresses for which nodes in the cluster will also accept traffic.", 0),
        ("Port(s)", PORTS, 0),
        ("Age", CREATED_TEXT, 0),
        ("Selector", "Route service traffic to pods with label keys and values matching this selector.", 1),
    ];
    columns.into_iter().map(|(name, text, priority)| Column::plain(name, "string", text, priority)).collect()
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

fn or_none(text: &str) -> Value {
    if text.is_empty() { NONE.into() } else { text.into() }
}

/// The cells of one Pod.
pub(super) fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let statuses = object["status"]["containerStatuses"].as_array().map(Vec::as_slice).unwrap_or_default();
    let total = object["spec"]["containers"].as_array().map_or(0, Vec::len);
    let ready = statuses.iter().filter(|status| status["ready"] == Value::Bool(true)).count();
    vec![
        text(object, "/metadata/name").into(),
        format!("{ready}/{total}").into(),
        reason(object, statuses).into(),
        restarts(statuses, now).into(),
        since(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into(),
        or_none(text(object, "/status/podIP")),
        or_none(text(object, "/spec/nodeName")),
        NONE.into(),
        NONE.into(),
    ]
}

/// What the containers do, in one word.
fn reason(object: &Value, statuses: &[Value]) -> String {
    let phase = text(object, "/status/phase");
    let stated = text(object, "/status/reason");
    let mut reason = if stated.is_empty() { phase } else { stated }.to_owned();
    let mut running = false;
    for status in statuses.iter().rev() {
        let (waiting, terminated) = (&status["state"]["waiting"], &status["state"]["terminated"]);
        if let Some(word) = waiting["reason"].as_str().filter(|word| !word.is_empty()) {
            reason = word.to_owned();
        } else if let Some(word) = terminated["reason"].as_str().filter(|word| !word.is_empty()) {
            reason = word.to_owned();
        } else if terminated.is_object() {
            reason = match (terminated["signal"].as_i64(), terminated["exitCode"].as_i64()) {
                (Some(signal), _) if signal != 0 => format!("Signal:{signal}"),
                (_, code) => format!("ExitCode:{}", code.unwrap_or_default()),
            };
        } else if status["ready"] == Value::Bool(true) && status["state"]["running"].is_object() {
            running = true;
        }
    }
    if reason == "Completed" && running {
        reason = if is_ready(object) { "Running" } else { "NotReady" }.to_owned();
    }
    let ends = object["metadata"]["deletionTimestamp"].is_string();
    if ends && !matches!(phase, "Succeeded" | "Failed") { "Terminating".to_owned() } else { reason }
}

fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array();
    conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// How often, and when last.
fn restarts(statuses: &[Value], now: Timestamp) -> String {
    let count: i64 = statuses.iter().filter_map(|status| status["restartCount"].as_i64()).sum();
    let ends = statuses.iter().filter_map(|status| status["lastState"]["terminated"]["finishedAt"].as_str()).max();
    match ends.filter(|_| count != 0) {
        Some(end) => format!("{count} ({} ago)", since(Some(end), now)),
        None => count.to_string(),
    }
}

/// The cells of one Service.
pub(super) fn service(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = object["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| format!("{}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP")))
        .collect();
    vec![
        text(object, "/metadata/name").into(),
        text(object, "/spec/type").into(),
        or_none(text(object, "/spec/clusterIP")),
        NONE.into(),
        or_none(&ports.join(",")),
        since(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into(),
        NONE.into(),
    ]
}
