//! What a Namespace holds beyond what its client sends, and what it refuses.

use serde_json::{Map, Value, json};

use crate::schema::go_quote;
use crate::selectors::label_key_problems;
use crate::status::Cause;

/// The finalizer in `spec.finalizers` that keeps a namespace until it is empty.
pub(crate) const KUBERNETES: &str = "kubernetes";
/// Finalizers that need no domain.
pub(crate) const STANDARD_FINALIZERS: [&str; 3] = [KUBERNETES, "orphan", "foregroundDeletion"];

/// Fills what decoding fills: the label of its name, and the times that conditions always have.
pub(super) fn complete(map: &mut Map<String, Value>, name: &str) {
    if let Some(metadata) = map.get_mut("metadata").and_then(Value::as_object_mut)
        && let Some(labels) = metadata.entry("labels").or_insert_with(|| json!({})).as_object_mut()
    {
        labels.insert("kubernetes.io/metadata.name".to_owned(), json!(name));
    }
    for field in ["spec", "status"] {
        map.entry(field).or_insert_with(|| json!({}));
    }
    // A list without entries is no list.
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        spec.retain(|field, value| field != "finalizers" || value.as_array().is_some_and(|list| !list.is_empty()));
    }
    let conditions = map.get_mut("status").and_then(|status| status.get_mut("conditions")).and_then(Value::as_array_mut);
    for condition in conditions.into_iter().flatten().filter_map(Value::as_object_mut) {
        condition.entry("lastTransitionTime").or_insert(Value::Null);
    }
}

/// Sets what no client sets: a new namespace is active and held; finalizers change by `/finalize` alone.
pub(super) fn settle(map: &mut Map<String, Value>, old: Option<&Value>, subresource: &str) {
    match old {
        Some(_) if subresource == "finalize" => {}
        Some(old) => {
            map.insert("spec".to_owned(), old["spec"].clone());
        }
        None => {
            map.insert("status".to_owned(), json!({"phase": "Active"}));
            let mut finalizers = map.get("spec").and_then(|spec| spec["finalizers"].as_array()).cloned().unwrap_or_default();
            if !finalizers.contains(&json!(KUBERNETES)) {
                finalizers.push(json!(KUBERNETES));
            }
            map.insert("spec".to_owned(), json!({"finalizers": finalizers}));
        }
    }
}

/// Every violation of a namespace's own rules.
pub(super) fn validate(new: &Value, old: Option<&Value>) -> Vec<Cause> {
    let finalizers = &new["spec"]["finalizers"];
    let mut causes = Vec::new();
    if old.is_none_or(|old| old["spec"]["finalizers"] != *finalizers) {
        for (index, finalizer) in finalizers.as_array().into_iter().flatten().filter_map(Value::as_str).enumerate() {
            let path = if old.is_none() { "spec.finalizers".to_owned() } else { format!("spec.finalizers[{index}]") };
            let problems = label_key_problems(finalizer).into_iter().chain(undomained(finalizer).map(str::to_owned));
            causes.extend(problems.map(|why| Cause::invalid(&path, &go_quote(finalizer), &why)));
        }
    }
    let phase = new["status"]["phase"].as_str().unwrap_or_default();
    if let Some(old) = old
        && old["status"]["phase"].as_str().unwrap_or_default() != phase
    {
        let gone = !new["metadata"]["deletionTimestamp"].is_null();
        let (wanted, state) = if gone { ("Terminating", "not empty") } else { ("Active", "empty") };
        if phase != wanted {
            let why = format!("may only be '{wanted}' if `deletionTimestamp` is {state}");
            causes.push(Cause::invalid("status.Phase", &go_quote(phase), &why));
        }
    }
    causes
}

/// What is wrong with a finalizer of a built-in kind that has no domain.
pub(crate) fn undomained(finalizer: &str) -> Option<&'static str> {
    let wrong = !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(&finalizer);
    wrong.then_some("name is neither a standard finalizer name nor is it fully qualified")
}
