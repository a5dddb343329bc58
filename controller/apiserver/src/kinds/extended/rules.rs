//! What the reference refuses in an object of the extended mode, for the kinds that are used most: fields that have to be there,
//! words that are known, and what must not change. Most of it stands in a table.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde_json::{Map, Value};

use super::super::resource::Resource;
use crate::go_types;
use crate::schema::identical;
use crate::status::Cause;

/// `<type> <field> required [<why>]`, `<type> <field> one-of <words>` or `<type> <field> port`.
const TABLE: &str = include_str!("rules.txt");
/// What an update of a Pod may change.
const POD_UPDATES: &str = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,\
    `spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
    `spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
/// Kinds whose selector stays, and has to match the labels of their Pods.
const SELECTING: [&str; 4] = ["DaemonSet", "Deployment", "ReplicaSet", "StatefulSet"];

enum Rule {
    Required(&'static str),
    OneOf(Vec<&'static str>),
    Port,
}

static RULES: LazyLock<HashMap<&'static str, Vec<(&'static str, Rule)>>> = LazyLock::new(|| {
    let mut rules: HashMap<&str, Vec<(&str, Rule)>> = HashMap::new();
    for (name, field, rule) in TABLE.lines().filter_map(line) {
        rules.entry(name).or_default().push((field, rule));
    }
    rules
});

fn line(text: &'static str) -> Option<(&'static str, &'static str, Rule)> {
    let mut words = text.splitn(4, ' ');
    let (name, field, rule, rest) = (words.next()?, words.next()?, words.next()?, words.next().unwrap_or_default());
    let rule = match rule {
        "required" => Rule::Required(rest),
        "one-of" => Rule::OneOf(rest.split(',').collect()),
        _ => Rule::Port,
    };
    Some((name, field, rule))
}

/// Every violation of `new`, which is in its full form; `old` is what it replaces.
pub(in crate::kinds) fn validate(resource: &Resource, new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let (Some(root), Some(map)) = (go_types::root(&resource.api_version(), &resource.kind), new.as_object()) else {
        return Vec::new();
    };
    let mut causes = Vec::new();
    go_types::visit(root, map, "", &mut |name, map, path| {
        for (field, rule) in RULES.get(name).into_iter().flatten() {
            causes.extend(broken(rule, map.get(*field).unwrap_or(&Value::Null), &join(path, field)));
        }
        of_type(name, map, path, &mut causes);
    });
    of_kind(&resource.kind, new, &mut causes);
    if let Some(old) = old {
        kept(&resource.kind, new, old, &mut causes);
    }
    causes
}

fn join(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(_) => false,
        Value::Number(number) => number.as_i64() == Some(0),
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
    }
}

fn broken(rule: &Rule, value: &Value, path: &str) -> Option<Cause> {
    match rule {
        Rule::Required(why) => is_empty(value).then(|| Cause::required(path, why)),
        Rule::OneOf(words) => {
            let text = value.as_str().filter(|text| !text.is_empty())?;
            (!words.contains(&text)).then(|| Cause::unsupported(path, text, words))
        }
        Rule::Port => {
            let number = value.as_i64()?;
            // A port of a container that is none was said to be required.
            let zero = number == 0 && path.ends_with("containerPort");
            let why = "must be between 1 and 65535, inclusive";
            (!zero && !(1..=65_535).contains(&number)).then(|| Cause::invalid(path, &number.to_string(), why))
        }
    }
}

/// Rules that look at several fields of one struct.
fn of_type(name: &str, map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let field = |name: &str| map.get(name).unwrap_or(&Value::Null);
    match name {
        "core.v1.PodSpec" => {
            for list in ["initContainers", "containers"] {
                let names: Vec<&str> =
                    field(list).as_array().into_iter().flatten().map(|one| one["name"].as_str().unwrap_or_default()).collect();
                for (index, name) in names.iter().enumerate() {
                    if !name.is_empty() && names.iter().take(index).any(|before| before == name) {
                        let path = format!("{}[{index}].name", join(path, list));
                        causes.push(Cause::new("FieldValueDuplicate", path, format!("Duplicate value: {name:?}")));
                    }
                }
            }
        }
        "core.v1.ServiceSpec" => service(map, path, causes),
        "core.v1.PersistentVolumeClaimSpec" if is_empty(&field("resources")["requests"]["storage"]) => {
            causes.push(Cause::required(format!("{}[storage]", join(path, "resources")), ""));
        }
        "rbac.v1.PolicyRule" if is_empty(field("nonResourceURLs")) => {
            for (name, one) in [("apiGroups", "api group"), ("resources", "resource")] {
                if is_empty(field(name)) {
                    causes.push(Cause::required(join(path, name), &format!("resource rules must supply at least one {one}")));
                }
            }
        }
        "networking.v1.IngressSpec" if is_empty(field("rules")) && is_empty(field("defaultBackend")) => {
            causes.push(Cause::invalid(path, "null", "either `defaultBackend` or `rules` must be specified"));
        }
        "policy.v1.PodDisruptionBudgetSpec" if map.contains_key("minAvailable") && map.contains_key("maxUnavailable") => {
            let why = "minAvailable and maxUnavailable cannot be both set";
            causes.push(Cause::invalid(path, &Value::Object(map.clone()).to_string(), why));
        }
        "autoscaling.v1.HorizontalPodAutoscalerSpec" | "autoscaling.v2.HorizontalPodAutoscalerSpec" => {
            let (most, least) = (field("maxReplicas").as_i64().unwrap_or_default(), field("minReplicas").as_i64().unwrap_or(1));
            if most < 1 {
                causes.push(Cause::required(join(path, "maxReplicas"), "must be set and greater than 0"));
            }
            if most < least {
                let why = "must be greater than or equal to `minReplicas`";
                causes.push(Cause::invalid(join(path, "maxReplicas"), &most.to_string(), why));
            }
        }
        "autoscaling.v2.CrossVersionObjectReference" if is_empty(field("apiVersion")) => {
            causes.push(Cause::invalid(join(path, "apiVersion"), "\"\"", "apiVersion must specify API group"));
        }
        "rbac.v1.RoleRef" if is_empty(field("kind")) => {
            causes.push(Cause::unsupported(join(path, "kind"), "", &["Role", "ClusterRole"]));
        }
        _ => {}
    }
}

fn service(map: &Map<String, Value>, path: &str, causes: &mut Vec<Cause>) {
    let ports = map.get("ports").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let is = |field: &str, text: &str| map.get(field).is_some_and(|value| value == text);
    if ports.is_empty() && !is("clusterIP", "None") && !is("type", "ExternalName") {
        causes.push(Cause::required(join(path, "ports"), ""));
    }
    for (index, port) in ports.iter().enumerate().filter(|_| ports.len() > 1) {
        if is_empty(&port["name"]) {
            causes.push(Cause::required(format!("{}[{index}].name", join(path, "ports")), ""));
        }
    }
}

/// Rules that look at a whole object.
fn of_kind(kind: &str, new: &Value, causes: &mut Vec<Cause>) {
    let spec = &new["spec"];
    if SELECTING.contains(&kind) {
        let labels = &spec["template"]["metadata"]["labels"];
        if !selects(&spec["selector"], labels) {
            let why = "`selector` does not match template `labels`";
            causes.push(Cause::invalid("spec.template.metadata.labels", &labels.to_string(), why));
        }
    }
    let policy = |spec: &Value| spec["template"]["spec"]["restartPolicy"].as_str().unwrap_or_default().to_owned();
    let ends = "valid values: \"OnFailure\", \"Never\"";
    match kind {
        "DaemonSet" | "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" => {
            let policy = policy(spec);
            if ["OnFailure", "Never"].contains(&policy.as_str()) {
                causes.push(Cause::unsupported("spec.template.spec.restartPolicy", &policy, &["Always"]));
            }
        }
        "Job" if policy(spec) == "Always" => causes.push(Cause::required("spec.template.spec.restartPolicy", ends)),
        "CronJob" if policy(&spec["jobTemplate"]["spec"]) == "Always" => {
            causes.push(Cause::required("spec.jobTemplate.spec.template.spec.restartPolicy", ends));
        }
        _ => {}
    }
}

/// Whether a selector that says something matches these labels.
fn selects(selector: &Value, labels: &Value) -> bool {
    let pairs = selector["matchLabels"].as_object();
    let rules = selector["matchExpressions"].as_array();
    let says = pairs.is_some_and(|map| !map.is_empty()) || rules.is_some_and(|list| !list.is_empty());
    says && pairs.into_iter().flatten().all(|(key, value)| labels.get(key) == Some(value))
        && rules.into_iter().flatten().all(|rule| {
            let found = rule["key"].as_str().and_then(|key| labels.get(key));
            let listed = || found.is_some_and(|label| rule["values"].as_array().is_some_and(|values| values.contains(label)));
            match rule["operator"].as_str() {
                Some("In") => listed(),
                Some("NotIn") => !listed(),
                Some("Exists") => found.is_some(),
                Some("DoesNotExist") => found.is_none(),
                Some(_) | None => false,
            }
        })
}

/// What must not change.
fn kept(kind: &str, new: &Value, old: &Value, causes: &mut Vec<Cause>) {
    let mut fixed = |pointer: &str, path: &str, why: &str| {
        let (before, after) = (old.pointer(pointer).unwrap_or(&Value::Null), new.pointer(pointer).unwrap_or(&Value::Null));
        if !identical(before, after) {
            causes.push(Cause::invalid(path, &after.to_string(), why));
        }
    };
    match kind {
        "DaemonSet" | "Deployment" | "ReplicaSet" => fixed("/spec/selector", "spec.selector", "field is immutable"),
        "Job" => {
            fixed("/spec/selector", "spec.selector", "field is immutable");
            // What a Job that waits will run may still be decided.
            if old["spec"]["suspend"] != true {
                fixed("/spec/template", "spec.template", "field is immutable");
            }
        }
        "RoleBinding" | "ClusterRoleBinding" => fixed("/roleRef", "roleRef", "cannot change roleRef"),
        "PriorityClass" => fixed("/value", "value", "may not be changed in an update."),
        "Pod" => {
            let (before, after) = (unchanging(&old["spec"]), unchanging(&new["spec"]));
            if !identical(&before, &after) {
                causes.push(Cause::forbidden("spec", POD_UPDATES));
            }
        }
        _ => {}
    }
}

/// The part of a Pod's spec that stays; the ways to change the rest have paths of their own.
fn unchanging(spec: &Value) -> Value {
    let mut spec = spec.clone();
    if let Some(map) = spec.as_object_mut() {
        for field in ["activeDeadlineSeconds", "ephemeralContainers", "terminationGracePeriodSeconds", "tolerations"] {
            map.remove(field);
        }
        for list in ["containers", "initContainers"] {
            let containers = map.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
            for container in containers.filter_map(Value::as_object_mut) {
                container.remove("image");
                container.remove("resources");
            }
        }
    }
    spec
}
