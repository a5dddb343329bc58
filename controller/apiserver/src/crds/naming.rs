//! Which names a definition gets, and its conditions: pure, after the reference's naming and establishing controllers.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::check::Approval;
use super::check::is_protected;

/// The annotation that tells who approved an API in a group of the Kubernetes community.
pub(super) const APPROVAL: &str = "api-approved.kubernetes.io";

/// The names that other definitions of a group hold.
#[derive(Debug, Default)]
pub(super) struct Taken {
    resources: BTreeSet<String>,
    kinds: BTreeSet<String>,
}

impl Taken {
    /// Adds the accepted names of another definition.
    pub(super) fn add(&mut self, accepted: &Value) {
        let texts = |value: &Value| value.as_str().filter(|text| !text.is_empty()).map(str::to_owned);
        let short = accepted["shortNames"].as_array().into_iter().flatten();
        self.resources.extend([&accepted["plural"], &accepted["singular"]].into_iter().chain(short).filter_map(texts));
        self.kinds.extend([&accepted["kind"], &accepted["listKind"]].into_iter().filter_map(texts));
    }
}

/// A condition without its time.
struct Condition {
    kind: &'static str,
    status: bool,
    reason: &'static str,
    message: String,
}

/// The status that `definition` should have while `taken` are the names of its neighbours.
pub(super) fn status(definition: &Value, taken: &Taken, now: &str) -> Value {
    let mut status = definition["status"].clone();
    if !status.is_object() {
        status = json!({});
    }
    let spec = &definition["spec"];
    if status["acceptedNames"] != spec["names"] || conditions(&status).is_empty() {
        let (accepted, accepting) = accept(&spec["names"], &status["acceptedNames"], taken);
        let good = accepting.status;
        status["acceptedNames"] = accepted;
        set(&mut status, accepting, now);
        let established = conditions(&status).iter().any(|found| found["type"] == "Established" && found["status"] == "True");
        if !established {
            set(&mut status, establishing(good), now);
        }
    }
    if let Some(condition) = approval(definition) {
        set(&mut status, condition, now);
    }
    status
}

/// `status` with the condition Terminating, for the reason given.
pub(super) fn terminating(status: &mut Value, running: bool, reason: &'static str, message: &str, now: &str) {
    set(status, Condition { kind: "Terminating", status: running, reason, message: message.to_owned() }, now);
}

fn establishing(accepted: bool) -> Condition {
    let (reason, message) = if accepted {
        ("InitialNamesAccepted", "the initial names have been accepted")
    } else {
        ("NotAccepted", "not all names are accepted")
    };
    Condition { kind: "Established", status: accepted, reason, message: message.to_owned() }
}

fn approval(definition: &Value) -> Option<Condition> {
    if !is_protected(definition["spec"]["group"].as_str().unwrap_or_default()) {
        return None;
    }
    let (state, message) = Approval::of(definition);
    let (status, reason) = match state {
        Approval::Approved => (true, "ApprovedAnnotation"),
        Approval::Bypassed => (false, "UnapprovedAnnotation"),
        Approval::Invalid => (false, "InvalidAnnotation"),
        Approval::Missing => (false, "MissingAnnotation"),
    };
    Some(Condition { kind: "KubernetesAPIApprovalPolicyConformant", status, reason, message })
}

fn conditions(status: &Value) -> &[Value] {
    status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The names that are free or already held, and whether that is all of them.
fn accept(asked: &Value, held: &Value, taken: &Taken) -> (Value, Condition) {
    let mut accepted = held.as_object().cloned().unwrap_or_default();
    let mut conflict: Option<(&'static str, String)> = None;
    let single = [
        ("plural", "PluralConflict", &taken.resources),
        ("singular", "SingularConflict", &taken.resources),
        ("shortNames", "ShortNamesConflict", &taken.resources),
        ("kind", "KindConflict", &taken.kinds),
        ("listKind", "ListKindConflict", &taken.kinds),
    ];
    for (field, reason, used) in single {
        let messages = in_use(&asked[field], &held[field], used);
        match messages.as_slice() {
            [] => carry(&mut accepted, asked, field),
            [one] => conflict = Some((reason, one.clone())),
            many => conflict = Some((reason, format!("[{}]", many.join(", ")))),
        }
    }
    carry(&mut accepted, asked, "categories");
    let condition = match conflict {
        None => {
            Condition { kind: "NamesAccepted", status: true, reason: "NoConflicts", message: "no conflicts found".to_owned() }
        }
        Some((reason, message)) => Condition { kind: "NamesAccepted", status: false, reason, message },
    };
    (Value::Object(accepted), condition)
}

/// What is said of each asked name that a neighbour holds.
fn in_use(asked: &Value, held: &Value, used: &BTreeSet<String>) -> Vec<String> {
    let list = |value: &Value| -> Vec<String> {
        match value {
            Value::String(text) => vec![text.clone()],
            Value::Array(items) => items.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => Vec::new(),
        }
    };
    let held = list(held);
    let fresh = list(asked).into_iter().filter(|name| !held.contains(name));
    fresh.filter(|name| used.contains(name)).map(|name| format!("{name:?} is already in use")).collect()
}

fn carry(accepted: &mut Map<String, Value>, asked: &Value, field: &str) {
    match &asked[field] {
        Value::Null => {
            accepted.remove(field);
        }
        value => {
            accepted.insert(field.to_owned(), value.clone());
        }
    }
}

/// Sets a condition; its time moves only when its status does.
fn set(status: &mut Value, condition: Condition, now: &str) {
    let word = if condition.status { "True" } else { "False" };
    let made = |since: &Value| json!({"type": condition.kind, "status": word, "lastTransitionTime": since, "reason": condition.reason, "message": condition.message});
    if !status["conditions"].is_array() {
        status["conditions"] = json!([]);
    }
    let Some(list) = status["conditions"].as_array_mut() else { return };
    match list.iter_mut().find(|found| found["type"] == condition.kind) {
        Some(found) => {
            let since = if found["status"] == word && !found["lastTransitionTime"].is_null() {
                found["lastTransitionTime"].clone()
            } else {
                json!(now)
            };
            // An observed generation, and whatever else a client noted, stays.
            if let (Some(found), Value::Object(fields)) = (found.as_object_mut(), made(&since)) {
                found.extend(fields);
            }
        }
        None => list.push(made(&json!(now))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn definition(names: &Value) -> Value {
        json!({"spec": {"group": "example.com", "names": names}, "status": {"storedVersions": ["v1"]}})
    }

    fn condition<'a>(status: &'a Value, kind: &str) -> &'a Value {
        conditions(status).iter().find(|found| found["type"] == kind).unwrap()
    }

    /// API-1: free names are accepted and the definition is established; its times stay at the next look.
    #[test]
    fn free_names_establish_a_definition() {
        let mut found = definition(
            &json!({"plural": "boxes", "singular": "box", "kind": "Box", "listKind": "BoxList", "categories": ["all"]}),
        );
        let first = status(&found, &Taken::default(), "2026-01-01T00:00:00Z");
        assert_eq!(first["acceptedNames"], found["spec"]["names"]);
        assert_eq!(condition(&first, "NamesAccepted")["reason"], "NoConflicts");
        assert_eq!(condition(&first, "Established")["reason"], "InitialNamesAccepted");
        assert_eq!(first["storedVersions"], json!(["v1"]));
        found["status"] = first.clone();
        assert_eq!(status(&found, &Taken::default(), "2027-01-01T00:00:00Z"), first);
    }

    /// API-1: a name that a neighbour holds is not accepted, the free ones are; once it is released the definition is established.
    #[test]
    fn a_taken_name_waits_for_its_release() {
        let mut found = definition(
            &json!({"plural": "crates", "singular": "crate", "shortNames": ["bx"], "kind": "Box", "listKind": "CrateList"}),
        );
        let mut taken = Taken::default();
        taken.add(&json!({"plural": "boxes", "singular": "box", "shortNames": ["bx"], "kind": "Box", "listKind": "BoxList"}));
        found["status"] = status(&found, &taken, "2026-01-01T00:00:00Z");
        assert_eq!(found["status"]["acceptedNames"], json!({"plural": "crates", "singular": "crate", "listKind": "CrateList"}));
        assert_eq!(condition(&found["status"], "NamesAccepted")["reason"], "KindConflict");
        assert_eq!(condition(&found["status"], "NamesAccepted")["message"], "\"Box\" is already in use");
        assert_eq!(condition(&found["status"], "Established")["status"], "False");
        let freed = status(&found, &Taken::default(), "2026-01-02T00:00:00Z");
        assert_eq!(condition(&freed, "Established")["status"], "True");
        assert_eq!(condition(&freed, "Established")["lastTransitionTime"], "2026-01-02T00:00:00Z");
    }
}
