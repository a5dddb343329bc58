//! What rules may cost while they run.

use serde_json::{Value, json};

use super::{object, schema, texts};
use crate::schema::Schema;

/// Entries with two texts, whose rule reads both; behind them a field whose rule always fails.
fn searching() -> Schema {
    let text = json!({"type": "string"});
    let rules = json!([{"rule": "!self.hay.contains(self.needle)"}]);
    let entry = json!({"type": "object", "properties": {"hay": text, "needle": text}, "x-kubernetes-validations": rules});
    let never = json!({"type": "integer", "x-kubernetes-validations": [{"rule": "self < 0", "message": "never"}]});
    schema(json!({"entries": {"type": "array", "items": entry}, "last": never}))
}

fn entries(count: usize, length: usize) -> Value {
    let entry = json!({"hay": "h".repeat(length), "needle": "n".repeat(length)});
    object(json!({"entries": vec![entry; count], "last": 1}))
}

/// API-12, API-1, SEC-16 (decision 0015): an evaluation that would cost more than the reference's limit for one call is not run,
/// nothing runs behind it, and the text names the rule.
#[test]
fn sec_16_one_dear_evaluation_is_refused() {
    let told = texts(&searching().validate(&entries(1, 11_000), None));
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let wanted = "spec.entries[0]: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation \
                  rules will be run due to call cost exceeds limit for rule: !self.hay.contains(self.needle)";
    assert_eq!(told, wanted);
    assert_eq!(
        texts(&searching().validate(&entries(1, 9_000), None)).len(),
        1,
        "what is allowed runs, and so does the next rule"
    );
}

/// API-12, API-1, SEC-16 (decision 0015): evaluations that are dear together end with the budget of the object.
#[test]
fn sec_16_the_budget_of_an_object_ends() {
    let told = texts(&searching().validate(&entries(20, 9_000), None));
    let [told] = told.as_slice() else { panic!("{told:?}") };
    let wanted =
        "Invalid value: \"object\": validation failed due to running out of cost budget, no further validation rules will be run";
    assert!(told.starts_with("spec.entries[1") && told.ends_with(wanted), "{told}");
}

/// API-12, API-1, SEC-16 (decision 0015): the expression of a message is paid as its rule is.
#[test]
fn sec_16_a_dear_message_is_refused() {
    let text = json!({"type": "string"});
    let rules = json!([{"rule": "self.hay == 'other'", "messageExpression": "self.hay.contains(self.needle) ? 'in' : 'out'"}]);
    let entry = json!({"type": "object", "properties": {"hay": text, "needle": text}, "x-kubernetes-validations": rules});
    let schema = schema(json!({"entries": {"type": "array", "items": entry}, "last": {"type": "integer"}}));
    let refused = |rest: &str| vec![format!("spec.entries[0]: Invalid value: {rest}")];
    assert_eq!(texts(&schema.validate(&entries(1, 5), None)), refused("out"));
    let dear = "\"object\": no further validation rules will be run due to call cost exceeds limit for messageExpression: \
                \"self.hay.contains(self.needle) ? 'in' : 'out'\"";
    assert_eq!(texts(&schema.validate(&entries(2, 11_000), None)), refused(dear));
    let told = texts(&schema.validate(&entries(20, 9_000), None));
    let last = "messageExpression evaluation failed due to running out of cost budget, no further validation rules will be run";
    assert!(told.len() == 13 && told[12].ends_with(last), "{told:?}");
}

/// API-12: what a rule could cost on other values refuses none that is small, however often it stands there.
#[test]
fn small_values_cost_little() {
    assert_eq!(texts(&searching().validate(&entries(3_000, 3), None)), ["spec.last: Invalid value: 1: never"]);
    let name = json!({"type": "object", "x-kubernetes-validations": [{"rule": "self.metadata.name.startsWith('o')"}]});
    let schema = Schema::parse(&name).unwrap();
    assert!(schema.validate(&object(json!({})), None).is_empty());
}
