use serde_json::json;

use super::drift::contains;

/// Style rule 26: what somebody else added is left alone, what is ours is put back.
#[test]
fn drift_is_told_from_foreign_additions() {
    let ours = json!({"spec": {"env": [{"name": "A", "value": "1"}], "command": ["run", "fast"]}});
    let added =
        json!({"spec": {"env": [{"name": "B", "value": "2"}, {"name": "A", "value": "1"}], "command": ["run", "fast"], "x": 1}});
    let changed = json!({"spec": {"env": [{"name": "A", "value": "2"}], "command": ["run", "fast"]}});
    let shorter = json!({"spec": {"env": [{"name": "A", "value": "1"}], "command": ["run"]}});
    assert!(contains(&added, &ours));
    assert!(!contains(&changed, &ours));
    assert!(!contains(&shorter, &ours));
}
