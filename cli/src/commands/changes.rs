//! Fields in which two manifests differ, by path, values masked where they may be secrets (CLI-14).

use koan_crds::secret_like;
use serde_json::{Map, Value};

/// What stands for a hidden value.
const MASK: &str = "***";
/// Longest value that is shown, in characters.
const MAX_SHOWN: usize = 60;
/// Keys that name the entries of lists.
const NAMES: [&str; 3] = ["name", "target", "path"];

/// The differences from `old` to `new`, in the order of `new`.
pub(super) fn changes(old: &Value, new: &Value, path: &str) -> Vec<String> {
    let mut found = Vec::new();
    walk(old, new, path, false, &mut found);
    found
}

fn walk(old: &Value, new: &Value, path: &str, secret: bool, found: &mut Vec<String>) {
    match (old, new) {
        (old, new) if old == new => {}
        (Value::Object(before), Value::Object(after)) => {
            let secret = secret || names_a_secret(after) || names_a_secret(before) || path.ends_with(".literals");
            let gone = before.keys().filter(|key| !after.contains_key(*key));
            for key in after.keys().chain(gone) {
                let none = Value::Null;
                let hide = secret && key != "name" || is_content(path, key) || secret_like::key(key) && !is_typed(key);
                walk(before.get(key).unwrap_or(&none), after.get(key).unwrap_or(&none), &format!("{path}.{key}"), hide, found);
            }
        }
        (Value::Array(before), Value::Array(after)) => {
            let Some(key) = NAMES.into_iter().find(|key| before.iter().chain(after).all(|item| item[*key].is_string())) else {
                return found.push(format!("{path}: {} → {}", shown(old, secret), shown(new, secret)));
            };
            let same = |list: &[Value], item: &Value| list.iter().find(|other| other[key] == item[key]).cloned();
            let gone = before.iter().filter(|item| same(after, item).is_none());
            for item in after.iter().chain(gone) {
                let place = format!("{path}[{}]", item[key].as_str().unwrap_or_default());
                let (from, to) = (same(before, item).unwrap_or_default(), same(after, item).unwrap_or_default());
                walk(&from, &to, &place, secret, found);
            }
        }
        (old, new) => found.push(format!("{path}: {} → {}", shown(old, secret), shown(new, secret))),
    }
}

/// An environment entry whose name says that its value is a secret.
fn names_a_secret(entry: &Map<String, Value>) -> bool {
    entry.get("name").and_then(Value::as_str).is_some_and(secret_like::hidden)
}

/// Contents of files may be anything.
fn is_content(path: &str, key: &str) -> bool {
    key == "content" && path.contains(".files[")
}

/// Koan's own fields that only refer to a secret (CLI-35).
fn is_typed(key: &str) -> bool {
    ["secretRef", "secretKeyRef", "credentials"].contains(&key)
}

fn shown(value: &Value, secret: bool) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if secret || secret_like::value(text) => MASK.to_owned(),
        Value::String(text) => cut(text),
        Value::Bool(_) | Value::Number(_) if secret => MASK.to_owned(),
        Value::Object(_) => "(set)".to_owned(),
        Value::Array(items) if items.iter().any(|item| item.is_object() || secret) => format!("({} entries)", items.len()),
        Value::Array(_) | Value::Bool(_) | Value::Number(_) => cut(&value.to_string()),
    }
}

fn cut(text: &str) -> String {
    let line = text.replace('\n', "⏎");
    if line.chars().count() <= MAX_SHOWN { line } else { line.chars().take(MAX_SHOWN).collect::<String>() + "…" }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// CLI-14: changed fields are named by path and entry, with both values.
    #[test]
    fn changed_fields_are_named() {
        let old = json!({"services": [{"name": "db", "container": {"image": "a"}}, {"name": "old", "adapter": "redis"}]});
        let new = json!({"services": [{"name": "db", "container": {"image": "b"}, "replicas": 2}], "suspend": true});
        assert_eq!(
            changes(&old, &new, "spec"),
            [
                "spec.services[db].container.image: a → b",
                "spec.services[db].replicas: (none) → 2",
                "spec.services[old]: (set) → (none)",
                "spec.suspend: (none) → true",
            ]
        );
        assert_eq!(changes(&new, &new, "spec"), [""; 0]);
    }

    /// CLI-14, CLI-35, B-7: values that may be secrets are masked, whatever says so: name, literal, file, URL.
    #[test]
    fn values_that_may_be_secrets_are_masked() {
        let of = |word: &str| {
            json!({"services": [{
                "name": "api",
                "env": [{"name": "DB_PASSWORD", "value": word}, {"name": "URL", "value": format!("postgres://u:{word}@h/d")}],
                "credentials": {"literals": {"password": word}, "secretRef": {"name": "login"}},
                "files": [{"path": "/etc/x", "content": word}],
            }]})
        };
        let found = changes(&of("hunter2"), &of("correcthorse"), "spec");
        assert_eq!(found.len(), 4, "{found:?}");
        assert!(found.iter().all(|line| line.ends_with("*** → ***")), "{found:?}");
        let other = json!({"services": [{"name": "api", "credentials": {"secretRef": {"name": "other"}}}]});
        assert!(
            changes(&of("x"), &other, "spec")
                .contains(&"spec.services[api].credentials.secretRef.name: login → other".to_owned())
        );
    }
}
