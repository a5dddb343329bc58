//! What the reference fills into an object of the extended mode: most of it from a table, the rest from the object itself.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::super::resource::Resource;
use crate::go_types;

/// `<type> <field> <value> [<condition>]`: a value for a field that is absent. The condition looks at a neighbour: `a=b` has that
/// text, `a` is there, `!a` is not. `<type>@<kind>` stands for the spec of that kind alone.
const TABLE: &str = include_str!("defaults.txt");
/// The start of the addresses that Services get.
const SERVICE_NETWORK: [u8; 2] = [10, 96];
/// The first of the ports that Services get on nodes, and how many there are.
const NODE_PORTS: (u32, u32) = (30_000, 2_768);

struct Line {
    field: &'static str,
    value: Value,
    condition: Option<&'static str>,
}

static LINES: LazyLock<HashMap<&'static str, Vec<Line>>> = LazyLock::new(|| {
    let mut lines: HashMap<&str, Vec<Line>> = HashMap::new();
    for (name, line) in TABLE.lines().filter_map(line) {
        lines.entry(name).or_default().push(line);
    }
    lines
});

fn line(text: &'static str) -> Option<(&'static str, Line)> {
    let mut words = text.split(' ');
    let (name, field, value, condition) = (words.next()?, words.next()?, words.next()?, words.next());
    Some((name, Line { field, value: serde_json::from_str(value).ok()?, condition }))
}

/// Brings `new` into its full form with every default; `old` is what it replaces. Who writes it owns all of that.
pub(in crate::kinds) fn complete(resource: &Resource, new: &mut Value, old: Option<&Value>) {
    let Some(root) = go_types::root(&resource.api_version(), &resource.kind) else { return };
    let Some(map) = new.as_object_mut() else { return };
    let metadata = map.shift_remove("metadata");
    let mut made = std::mem::take(map);
    if let Some(spec) = made.get_mut("spec").and_then(Value::as_object_mut) {
        from_table(&format!("{}@{}", spec_of(&resource.kind), resource.kind), spec);
    }
    made = go_types::full(root, made, &|name, map| {
        from_table(name, map);
        from_itself(name, map);
    });
    if let Some(metadata) = metadata {
        made.insert("metadata".to_owned(), metadata);
    }
    *map = made;
    match resource.kind.as_str() {
        "Pod" => requests(new),
        "ReplicationController" if old.is_none() && new["metadata"].get("labels").is_none() => {
            let labels = new["spec"]["template"]["metadata"]["labels"].clone();
            if let (true, Some(metadata)) = (labels.is_object(), place(new, &["metadata"])) {
                metadata.insert("labels".to_owned(), labels);
            }
        }
        _ => {}
    }
}

/// What an object of a kind holds that nothing was given for; its creator does not own that.
pub(in crate::kinds) fn blank(resource: &Resource) -> Value {
    let root = go_types::root(&resource.api_version(), &resource.kind);
    let mut made = root.map(|root| go_types::full(root, Map::new(), &|_, _| {})).unwrap_or_default();
    made.insert("apiVersion".to_owned(), resource.api_version().into());
    made.insert("kind".to_owned(), resource.kind.clone().into());
    Value::Object(made)
}

/// The type of the spec that only this kind completes.
fn spec_of(kind: &str) -> &'static str {
    match kind {
        "Pod" => "core.v1.PodSpec",
        "Job" => "batch.v1.JobSpec",
        _ => "",
    }
}

fn from_table(name: &str, map: &mut Map<String, Value>) {
    for Line { field, value, condition } in LINES.get(name).into_iter().flatten() {
        let there = |name: &str| map.get(name).is_some_and(|value| !value.is_null() && *value != "" && *value != json!([]));
        let holds = condition.is_none_or(|condition| match (condition.split_once('='), condition.strip_prefix('!')) {
            (Some((name, text)), _) => map.get(name).is_some_and(|value| value == text),
            (None, Some(name)) => !there(name),
            (None, None) => there(condition),
        });
        if holds && !there(field) {
            map.insert((*field).to_owned(), value.clone());
        }
    }
}

/// Defaults that follow from the fields beside them.
fn from_itself(name: &str, map: &mut Map<String, Value>) {
    match name {
        "core.v1.Container" | "core.v1.EphemeralContainerCommon" => {
            let latest = map.get("image").and_then(Value::as_str).is_none_or(is_latest);
            map.entry("imagePullPolicy").or_insert_with(|| json!(if latest { "Always" } else { "IfNotPresent" }));
        }
        // Those of a StatefulSet say what they are, too.
        "core.v1.PersistentVolumeClaim" => {
            map.entry("kind").or_insert_with(|| json!("PersistentVolumeClaim"));
            map.entry("apiVersion").or_insert_with(|| json!("v1"));
        }
        "core.v1.Volume" if map.len() == 1 && map.contains_key("name") => {
            map.insert("emptyDir".to_owned(), json!({}));
        }
        "core.v1.PodSpec" => {
            // Both names are kept, the older one for older readers.
            for (one, other) in [("serviceAccountName", "serviceAccount"), ("serviceAccount", "serviceAccountName")] {
                if let (Some(name), false) = (map.get(one).cloned(), map.contains_key(other)) {
                    map.insert(other.to_owned(), name);
                }
            }
        }
        "core.v1.ServicePort" => {
            if let (Some(port), false) = (map.get("port").cloned(), map.contains_key("targetPort")) {
                map.insert("targetPort".to_owned(), port);
            }
        }
        "core.v1.ReplicationControllerSpec" => {
            let labels = map.get("template").and_then(|template| template.pointer("/metadata/labels")).cloned();
            if let (Some(labels), false) = (labels, map.contains_key("selector")) {
                map.insert("selector".to_owned(), labels);
            }
        }
        "core.v1.LimitRangeItem" if map.get("type").is_some_and(|kind| kind == "Container") => limits(map),
        _ => {}
    }
}

/// Whether an image has no tag, or `latest`; what is no name of an image has not.
fn is_latest(image: &str) -> bool {
    if image.contains(char::is_whitespace) {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or_default();
    match (last.contains('@'), last.rsplit_once(':')) {
        (true, _) => false,
        (false, None) => true,
        (false, Some((_, tag))) => tag == "latest",
    }
}

/// The default limit is the maximum, the default request the default limit or the minimum.
fn limits(map: &mut Map<String, Value>) {
    let object = |map: &Map<String, Value>, name: &str| map.get(name).and_then(Value::as_object).cloned().unwrap_or_default();
    let mut default = object(map, "max");
    default.extend(object(map, "default"));
    let mut request = object(map, "min");
    request.extend(default.clone());
    request.extend(object(map, "defaultRequest"));
    for (name, value) in [("default", default), ("defaultRequest", request)] {
        if !value.is_empty() {
            map.insert(name.to_owned(), Value::Object(value));
        }
    }
}

/// What admission and the strategy of a kind add to a whole object; nobody owns that.
pub(in crate::kinds) fn settle(resource: &Resource, new: &mut Value, old: Option<&Value>) {
    match resource.kind.as_str() {
        "Pod" => pod(new, old),
        "Service" => service(new, old),
        "Job" if old.is_none() => job(new),
        "DaemonSet" if old.is_none() => {
            if let Some(annotations) = place(new, &["metadata", "annotations"]) {
                annotations.insert("deprecated.daemonset.template.generation".to_owned(), json!("1"));
            }
        }
        "CertificateSigningRequest" if old.is_none() => {
            // Whoever writes here is the owner of the server.
            if let Some(spec) = place(new, &["spec"]) {
                spec.insert("username".to_owned(), json!("koan:owner"));
                spec.insert("groups".to_owned(), json!(["system:masters", "system:authenticated"]));
            }
        }
        _ => {}
    }
}

/// The object at a path, made where nothing is; `None` where something else stands.
fn place<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    path.iter()
        .try_fold(value, |value, step| Some(value.as_object_mut()?.entry(*step).or_insert_with(|| json!({}))))?
        .as_object_mut()
}

/// What a container may use at most is what it asks for, if it asks for nothing else.
fn requests(new: &mut Value) {
    for list in ["containers", "initContainers"] {
        let containers = place(new, &["spec"]).and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let limits = container["resources"]["limits"].as_object().cloned().unwrap_or_default();
            if limits.is_empty() {
                continue;
            }
            let Some(requests) = place(container, &["resources", "requests"]) else { continue };
            for (name, limit) in limits {
                requests.entry(name).or_insert(limit);
            }
        }
    }
}

fn pod(new: &mut Value, old: Option<&Value>) {
    if old.is_none() {
        for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
            let known = new["spec"]["tolerations"].as_array().is_some_and(|list| list.iter().any(|one| one["key"] == key));
            if !known && let Some(spec) = place(new, &["spec"]) {
                let list = spec.entry("tolerations").or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
                }
            }
        }
    }
    let class = class(&new["spec"]);
    if let Some(status) = place(new, &["status"]) {
        status.entry("qosClass").or_insert_with(|| json!(class));
    }
}

/// The quality of service that a Pod's resources give it.
fn class(spec: &Value) -> &'static str {
    let containers = ["containers", "initContainers"].into_iter().filter_map(|list| spec[list].as_array()).flatten();
    let (mut some, mut all) = (false, true);
    for container in containers {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let (limit, request) = (&resources["limits"][name], &resources["requests"][name]);
            some |= !limit.is_null() || !request.is_null();
            all &= !limit.is_null() && limit == request;
        }
    }
    match (some, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// Addresses and ports: those of the version before, those that were asked for, else some that follow from the uid.
fn service(new: &mut Value, old: Option<&Value>) {
    let digits = new["metadata"]["uid"].as_str().unwrap_or_default().bytes();
    let number = digits.fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(byte)));
    let Some(spec) = new.get_mut("spec").and_then(Value::as_object_mut) else { return };
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
    if kind == "ExternalName" {
        return;
    }
    if spec.get("clusterIP").is_none() {
        let kept = old.and_then(|old| old["spec"].get("clusterIP")).filter(|address| **address != "").cloned();
        let [_, _, third, fourth] = number.to_be_bytes();
        let [first, second] = SERVICE_NETWORK;
        let made = || json!(format!("{first}.{second}.{third}.{}", fourth.clamp(2, 254)));
        spec.insert("clusterIP".to_owned(), kept.unwrap_or_else(made));
    }
    if let (Some(address), None) = (spec.get("clusterIP").cloned(), spec.get("clusterIPs")) {
        spec.insert("clusterIPs".to_owned(), json!([address]));
    }
    // What is neither given an address nor selects anything may be of both families.
    let open = spec.get("clusterIP").is_some_and(|address| address == "None") && !spec.contains_key("selector");
    let (families, policy) = if open { (json!(["IPv4", "IPv6"]), "RequireDualStack") } else { (json!(["IPv4"]), "SingleStack") };
    for (field, made) in [("ipFamilies", families), ("ipFamilyPolicy", json!(policy))] {
        let kept = old.and_then(|old| old["spec"].get(field)).cloned();
        spec.entry(field).or_insert(kept.unwrap_or(made));
    }
    if kind == "NodePort" || kind == "LoadBalancer" {
        let before = old.and_then(|old| old["spec"]["ports"].as_array());
        for (index, port) in (0_u32..).zip(spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten()) {
            let Some(port) = port.as_object_mut() else { continue };
            if !port.contains_key("nodePort") {
                let same = |other: &&Value| ["port", "protocol"].iter().all(|field| other.get(*field) == port.get(*field));
                let kept = before.and_then(|ports| ports.iter().find(same)).map(|port| port["nodePort"].clone());
                let (first, count) = NODE_PORTS;
                let made = || json!(first + number.wrapping_add(index) % count);
                let chosen = kept.filter(|port| !port.is_null()).unwrap_or_else(made);
                port.insert("nodePort".to_owned(), chosen);
            }
        }
    }
}

/// The selector and the labels that tell a Job's Pods from others.
fn job(new: &mut Value) {
    if new["spec"]["manualSelector"] == true {
        return;
    }
    let (uid, name) = (new["metadata"]["uid"].clone(), new["metadata"]["name"].clone());
    let marks = [
        ("batch.kubernetes.io/controller-uid", &uid),
        ("batch.kubernetes.io/job-name", &name),
        ("controller-uid", &uid),
        ("job-name", &name),
    ];
    let Some(labels) = place(new, &["spec", "template", "metadata", "labels"]) else { return };
    for (label, value) in marks {
        labels.entry(label).or_insert_with(|| value.clone());
    }
    let labels = Value::Object(labels.clone());
    if let Some(spec) = place(new, &["spec"]) {
        spec.entry("selector").or_insert_with(|| json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    }
    if let Some(metadata) = place(new, &["metadata"]) {
        metadata.entry("labels").or_insert(labels);
    }
}
