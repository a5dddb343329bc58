//! Columns of Services, after the reference's printer.

use jiff::Timestamp;
use serde_json::Value;

use super::age::since;
use super::columns::{CREATED_TEXT, Column, NAME_TEXT};
use super::printers::{or_none, text};
use crate::selectors::written;

const TYPE: &str = "type determines how the Service is exposed. Defaults to ClusterIP. Valid options are ExternalName, ClusterIP, NodePort, and LoadBalancer. \"ClusterIP\" allocates a cluster-internal IP address for load-balancing to endpoints. Endpoints are determined by the selector or if that is not specified, by manual construction of an Endpoints object or EndpointSlice objects. If clusterIP is \"None\", no virtual IP is allocated and the endpoints are published as a set of endpoints rather than a virtual IP. \"NodePort\" builds on ClusterIP and allocates a port on every node which routes to the same endpoints as the clusterIP. \"LoadBalancer\" builds on NodePort and creates an external load-balancer (if supported in the current cloud) which routes to the same endpoints as the clusterIP. \"ExternalName\" aliases this service to the specified externalName. Several other fields do not apply to ExternalName services. More info: https://kubernetes.io/docs/concepts/services-networking/service/#publishing-services-service-types";
const PORTS: &str = "The list of ports that are exposed by this service. More info: https://kubernetes.io/docs/concepts/services-networking/service/#virtual-ips-and-service-proxies";

/// Columns of Services.
pub(super) fn columns() -> Vec<Column> {
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

/// The cells of one Service.
pub(super) fn cells(object: &Value, now: Timestamp) -> Vec<Value> {
    let ports: Vec<String> = object["spec"]["ports"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| {
            let node = port["nodePort"].as_i64().filter(|node| *node > 0).map(|node| format!(":{node}")).unwrap_or_default();
            format!("{}{node}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
        })
        .collect();
    vec![
        text(object, "/metadata/name").into(),
        text(object, "/spec/type").into(),
        or_none(text(object, "/spec/clusterIP")),
        or_none(&outside(object)),
        or_none(&ports.join(",")),
        since(object.pointer("/metadata/creationTimestamp").and_then(Value::as_str), now).into(),
        or_none(&object.pointer("/spec/selector").map(written).unwrap_or_default()),
    ]
}

/// Where a Service is reached from outside.
fn outside(object: &Value) -> String {
    let list = |pointer: &str| object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let own = list("/spec/externalIPs").iter().filter_map(Value::as_str);
    match text(object, "/spec/type") {
        "ExternalName" => text(object, "/spec/externalName").to_owned(),
        "LoadBalancer" => {
            let given = list("/status/loadBalancer/ingress").iter();
            let given = given.filter_map(|one| one["ip"].as_str().or(one["hostname"].as_str())).filter(|name| !name.is_empty());
            let all: Vec<&str> = given.chain(own).collect();
            if all.is_empty() { "<pending>".to_owned() } else { all.join(",") }
        }
        _ => own.collect::<Vec<_>>().join(","),
    }
}
