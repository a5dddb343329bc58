//! Unique entries of `set` and `map` lists.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::node::{ListKind, Node};
use super::problem::Problem;
use super::render::canonical_json;

/// Every repeated entry below `value`; each repeated key is reported once, at its second appearance.
pub(super) fn duplicates(node: &Node, value: &Value) -> Vec<Problem> {
    let mut problems = Vec::new();
    walk(node, value, &mut String::new(), &mut problems);
    problems
}

fn walk(node: &Node, value: &Value, path: &mut String, problems: &mut Vec<Problem>) {
    if !node.has_unique {
        return;
    }
    let length = path.len();
    match value {
        Value::Object(fields) => {
            for (key, child) in fields {
                let schema = match (node.properties.get(key), node.extra_schema()) {
                    (Some(schema), _) => {
                        super::prune::push_key(path, key);
                        schema
                    }
                    (None, Some(schema)) => {
                        path.push_str(&format!("[{key}]"));
                        schema
                    }
                    (None, None) => continue,
                };
                walk(schema, child, path, problems);
                path.truncate(length);
            }
        }
        Value::Array(items) => {
            match &node.list {
                Some(ListKind::Set) if are_distinct(items, Value::as_str) => {}
                Some(ListKind::Set) => repeated(items, path, Clone::clone, problems),
                Some(ListKind::Map(keys)) => map_list(items, keys, path, problems),
                Some(ListKind::Atomic) | None => {}
            }
            let Some(schema) = &node.items else { return };
            for (index, item) in items.iter().enumerate() {
                super::prune::push_index(path, index);
                walk(schema, item, path, problems);
                path.truncate(length);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn map_list(items: &[Value], keys: &[String], path: &str, problems: &mut Vec<Problem>) {
    if let Some((index, item)) = items.iter().enumerate().find(|(_, item)| !item.is_object() && !item.is_null()) {
        let detail = "must be an object for an array of list-type map";
        problems.push(Problem::invalid(&format!("{path}[{index}]"), item.clone(), detail));
        return;
    }
    if let [key] = keys
        && are_distinct(items, |item| item.get(key)?.as_str())
    {
        return;
    }
    let key_of = |item: &Value| {
        let present = keys.iter().filter_map(|key| item.get(key).map(|value| (key.clone(), value.clone())));
        Value::Object(present.collect::<Map<String, Value>>())
    };
    repeated(items, path, key_of, problems);
}

/// Whether every entry has a text, and no two the same one: the common case, without a problem to tell.
fn are_distinct<'a>(items: &'a [Value], text_of: impl Fn(&'a Value) -> Option<&'a str>) -> bool {
    let Some(mut texts) = items.iter().map(text_of).collect::<Option<Vec<&str>>>() else { return false };
    texts.sort_unstable();
    texts.windows(2).all(|pair| pair[0] != pair[1])
}

fn repeated(items: &[Value], path: &str, key_of: impl Fn(&Value) -> Value, problems: &mut Vec<Problem>) {
    if items.len() < 2 {
        return;
    }
    let mut seen: HashMap<String, u32> = HashMap::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let key = key_of(item);
        let times = seen.entry(canonical_json(&key)).or_default();
        *times += 1;
        if *times == 2 {
            problems.push(Problem::duplicate(&format!("{path}[{index}]"), key));
        }
    }
}
