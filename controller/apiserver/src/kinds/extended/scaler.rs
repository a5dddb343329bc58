//! HorizontalPodAutoscalers in two versions: `autoscaling/v2` is what is stored, `v1` is made from it and folded back into it.

use serde_json::{Map, Value, json};

use super::super::resource::Resource;

const V1: &str = "autoscaling/v1";
const V2: &str = "autoscaling/v2";
/// Where `v1` keeps the metrics that it has no field for.
const METRICS: &str = "autoscaling.alpha.kubernetes.io/metrics";
/// Where `v1` keeps the conditions.
const CONDITIONS: &str = "autoscaling.alpha.kubernetes.io/conditions";

/// Whether objects of `resource` are stored in another shape than they are served in.
pub(in crate::kinds) fn is_other_shape(resource: &Resource) -> bool {
    resource.group == "autoscaling" && resource.version == "v1"
}

fn is_cpu(metric: &Value) -> bool {
    metric["type"] == "Resource" && metric["resource"]["name"] == "cpu" && metric["resource"]["target"]["type"] == "Utilization"
}

fn cpu(percent: &Value) -> Value {
    json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": percent}}})
}

/// The list that an annotation holds, which goes.
fn take_list(value: &mut Value, name: &str) -> Vec<Value> {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return Vec::new() };
    let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) else { return Vec::new() };
    let text = annotations.shift_remove(name);
    if annotations.is_empty() {
        metadata.shift_remove("annotations");
    }
    text.and_then(|text| serde_json::from_str(text.as_str()?).ok()).unwrap_or_default()
}

fn keep_list(value: &mut Value, name: &str, list: &[Value]) {
    let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut).filter(|_| !list.is_empty()) else { return };
    if let Some(annotations) = metadata.entry("annotations").or_insert_with(|| json!({})).as_object_mut() {
        annotations.insert(name.to_owned(), json!(list).to_string().into());
    }
}

fn part<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Map<String, Value>> {
    value.get_mut(name)?.as_object_mut()
}

/// Turns `v1` into what is stored.
pub(in crate::kinds) fn to_storage(resource: &Resource, value: &mut Value) {
    if !is_other_shape(resource) {
        return;
    }
    let (mut metrics, conditions) = (take_list(value, METRICS), take_list(value, CONDITIONS));
    if let Some(spec) = part(value, "spec") {
        match spec.shift_remove("targetCPUUtilizationPercentage") {
            Some(percent) => metrics.insert(0, cpu(&percent)),
            None if metrics.is_empty() => metrics.push(cpu(&json!(80))),
            None => {}
        }
        spec.insert("metrics".to_owned(), Value::Array(metrics));
    }
    if let Some(status) = part(value, "status") {
        let current = status.shift_remove("currentCPUUtilizationPercentage");
        let current = current.map(
            |percent| json!([{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": percent}}}]),
        );
        status.insert("currentMetrics".to_owned(), current.unwrap_or_default());
        if !conditions.is_empty() {
            status.insert("conditions".to_owned(), Value::Array(conditions));
        }
    }
    value["apiVersion"] = json!(V2);
}

/// Turns what is stored into `v1`.
pub(in crate::kinds) fn from_storage(resource: &Resource, value: &mut Value) {
    if !is_other_shape(resource) {
        return;
    }
    let list = |part: Option<&mut Map<String, Value>>, name: &str| {
        part.and_then(|part| part.shift_remove(name)).and_then(|list| list.as_array().cloned()).unwrap_or_default()
    };
    let (known, others): (Vec<Value>, Vec<Value>) = list(part(value, "spec"), "metrics").into_iter().partition(is_cpu);
    let conditions = list(part(value, "status"), "conditions");
    let current = list(part(value, "status"), "currentMetrics");
    if let (Some(spec), Some(metric)) = (part(value, "spec"), known.first()) {
        let percent = metric["resource"]["target"]["averageUtilization"].clone();
        spec.insert("targetCPUUtilizationPercentage".to_owned(), percent);
    }
    if let Some(status) = part(value, "status") {
        status.entry("currentReplicas").or_insert(json!(0));
        let percent =
            current.iter().map(|metric| &metric["resource"]["current"]["averageUtilization"]).find(|found| found.is_number());
        if let Some(percent) = percent {
            status.insert("currentCPUUtilizationPercentage".to_owned(), percent.clone());
        }
    }
    keep_list(value, METRICS, &others);
    keep_list(value, CONDITIONS, &conditions);
    value["apiVersion"] = json!(V1);
}
