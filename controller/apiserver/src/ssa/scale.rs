//! Who owns the replicas of an object, as owners of its `autoscaling/v1` Scale, after apimachinery's scale handler.

use serde_json::{Value, json};

/// The subresource whose owners have no time: the reference looks for it among the owners of the object before, which has none.
pub(super) const SUBRESOURCE: &str = "scale";
/// The version of a Scale.
pub(crate) const VERSION: &str = "autoscaling/v1";

/// The owners of what stands at `path` (`.spec.replicas`) among those of an object, as owners of the replicas of its Scale.
pub(crate) fn scale_owners(owners: &Value, path: &str) -> Vec<Value> {
    let steps: Vec<String> = path.split('.').filter(|step| !step.is_empty()).map(|step| format!("f:{step}")).collect();
    let owns = |entry: &&Value| steps.iter().try_fold(&entry["fieldsV1"], |fields, step| fields.get(step)).is_some();
    owners.as_array().into_iter().flatten().filter(owns).map(of_scale).collect()
}

/// An entry of the Scale, in the order of fields in which the reference writes it.
fn of_scale(entry: &Value) -> Value {
    let mut made = json!({"manager": entry["manager"], "operation": entry["operation"], "apiVersion": VERSION});
    if let Some(time) = entry.get("time") {
        made["time"] = time.clone();
    }
    made["fieldsType"] = "FieldsV1".into();
    made["fieldsV1"] = json!({"f:spec": {"f:replicas": {}}});
    if let Some(subresource) = entry.get("subresource") {
        made["subresource"] = subresource.clone();
    }
    made
}
