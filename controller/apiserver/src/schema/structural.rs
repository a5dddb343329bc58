//! The rules that make a schema structural, and the compilation check of a written CRD.

use serde_json::Value;

use super::node::{Extra, ListKind, Node, Type};
use super::problem::{NIL_PATH, Problem};
use super::{prune, validate};

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

/// Appends every violation of structurality, sorted by text.
pub(super) fn check(root: &Node, path: &str, problems: &mut Vec<Problem>) {
    invariants(root, Level::Root, path, problems);
    completeness(root, root, path, path, problems);
    problems.sort_by_cached_key(ToString::to_string);
}

fn invariants(node: &Node, level: Level, path: &str, problems: &mut Vec<Problem>) {
    if node.kind == Some(Type::Array) && node.items.is_none() {
        problems.push(Problem::required(&format!("{path}.items"), "must be specified"));
    }
    if let Some(items) = &node.items {
        invariants(items, Level::Item, &format!("{path}.items"), problems);
    }
    for (name, child) in node.properties.iter() {
        let path = format!("{path}.properties[{name}]");
        if level == Level::Root && name == "metadata" {
            root_metadata(child, &path, problems);
        }
        if (level == Level::Root || node.embedded) && matches!(name, "kind" | "apiVersion") && child.kind != Some(Type::String) {
            let found = child.kind.map_or("", Type::name);
            problems.push(Problem::invalid(&format!("{path}.type"), found.into(), "must be string"));
        }
        invariants(child, Level::Field, &path, problems);
    }
    if let Some(extra) = &node.extra {
        let path = format!("{path}.additionalProperties");
        if level == Level::Root {
            problems.push(Problem::forbidden(&path, "must not be used at the root"));
        }
        if let Extra::Schema(child) = extra {
            invariants(child, Level::Field, &path, problems);
        }
    }
    extensions(node, path, problems);
    types(node, level, path, problems);
    let skip_any = is_int_or_string(&node.any_of);
    junctors(node, skip_any, path, problems);
}

fn extensions(node: &Node, path: &str, problems: &mut Vec<Problem>) {
    let detail = "must be false if x-kubernetes-int-or-string is true";
    if node.int_or_string && node.preserve_unknown {
        problems.push(Problem::invalid(&format!("{path}.x-kubernetes-preserve-unknown-fields"), Value::Bool(true), detail));
    }
    if node.int_or_string && node.embedded {
        problems.push(Problem::invalid(&format!("{path}.x-kubernetes-embedded-resource"), Value::Bool(true), detail));
    }
    if node.embedded && node.extra.is_some() {
        let detail = "must not be used if x-kubernetes-embedded-resource is set";
        problems.push(Problem::forbidden(&format!("{path}.additionalProperties"), detail));
    }
    if node.embedded && !node.preserve_unknown && node.properties.is_empty() {
        let detail = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        problems.push(Problem::required(&format!("{path}.properties"), detail));
    }
}

/// What `x-kubernetes-list-type` asks of a list and its entries.
fn lists(node: &Node, path: &str, problems: &mut Vec<Problem>) {
    let Some(list) = &node.list else { return };
    match node.kind {
        Some(Type::Array) => {}
        None => problems.push(Problem::required(&format!("{path}.type"), "must be array if x-kubernetes-list-type is specified")),
        Some(kind) => {
            let detail = "must be array if x-kubernetes-list-type is specified";
            problems.push(Problem::invalid(&format!("{path}.type"), kind.name().into(), detail));
        }
    }
    let (Some(items), ListKind::Map(keys)) = (&node.items, list) else { return };
    if items.kind != Some(Type::Object) {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        problems.push(Problem::invalid(&format!("{path}.items.type"), items.kind.map_or("", Type::name).into(), detail));
    }
    for key in keys {
        let place = format!("{path}.items.properties[{key}]");
        match items.properties.get(key) {
            None => {
                let path = format!("{path}.x-kubernetes-list-map-keys");
                problems.push(Problem::invalid(&path, keys.clone().into(), "entries must all be names of item properties"));
            }
            Some(child) if matches!(child.kind, Some(Type::Array | Type::Object)) => {
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                problems.push(Problem::invalid(&format!("{place}.type"), child.kind.map_or("", Type::name).into(), detail));
            }
            Some(child) if child.default.is_none() && !items.bounds.required.contains(key) => {
                let detail =
                    "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
                problems.push(Problem::required(&format!("{place}.default"), detail));
            }
            Some(_) => {}
        }
    }
}

fn types(node: &Node, level: Level, path: &str, problems: &mut Vec<Problem>) {
    let path = format!("{path}.type");
    match (node.kind, level) {
        (None, _) if node.embedded => {
            problems.push(Problem::required(&path, "must be object if x-kubernetes-embedded-resource is true"));
        }
        (Some(kind), _) if node.embedded && kind != Type::Object => {
            problems.push(Problem::invalid(
                &path,
                kind.name().into(),
                "must be object if x-kubernetes-embedded-resource is true",
            ));
        }
        (None, _) if node.int_or_string || node.preserve_unknown => {}
        (None, Level::Root) => problems.push(Problem::required(&path, "must not be empty at the root")),
        (None, Level::Item) => problems.push(Problem::required(&path, "must not be empty for specified array items")),
        (None, Level::Field) => problems.push(Problem::required(&path, "must not be empty for specified object fields")),
        (Some(kind), Level::Root) if kind != Type::Object => {
            problems.push(Problem::invalid(&path, kind.name().into(), "must be object at the root"));
        }
        (Some(_), _) => {}
    }
}

fn root_metadata(node: &Node, path: &str, problems: &mut Vec<Problem>) {
    if node.kind != Some(Type::Object) {
        problems.push(Problem::invalid(&format!("{path}.type"), node.kind.map_or("", Type::name).into(), "must be object"));
    }
    let only_names = node.properties.keys().all(|name| name == "name" || name == "generateName");
    let plain = node.extra.is_none() && !node.preserve_unknown && !node.embedded && !node.nullable && node.rules.is_empty();
    if !only_names || !plain {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        problems.push(Problem::forbidden(path, detail));
    }
}

fn is_int_or_string(branches: &[Node]) -> bool {
    matches!(branches, [first, second] if first.kind == Some(Type::Integer) && second.kind == Some(Type::String))
}

fn junctors(node: &Node, skip_any: bool, path: &str, problems: &mut Vec<Problem>) {
    if !skip_any {
        branches(&node.any_of, "anyOf", path, problems);
    }
    for (index, branch) in node.all_of.iter().enumerate() {
        let skip = index == 0 && is_int_or_string(&branch.any_of);
        nested(branch, skip, &format!("{path}.allOf[{index}]"), problems);
    }
    branches(&node.one_of, "oneOf", path, problems);
    if let Some(branch) = &node.not {
        nested(branch, false, &format!("{path}.not"), problems);
    }
}

fn branches(branches: &[Node], key: &str, path: &str, problems: &mut Vec<Problem>) {
    for (index, branch) in branches.iter().enumerate() {
        nested(branch, false, &format!("{path}.{key}[{index}]"), problems);
    }
}

/// Below a junctor only value validations may stand.
fn nested(node: &Node, skip_any: bool, path: &str, problems: &mut Vec<Problem>) {
    let mut forbid = |broken: bool, key: &str, detail: &str| {
        if broken {
            problems.push(Problem::forbidden(&format!("{path}.{key}"), detail));
        }
    };
    forbid(node.kind.is_some(), "type", "must be empty to be structural");
    forbid(node.extra.is_some(), "additionalProperties", "must be undefined to be structural");
    forbid(node.default.is_some(), "default", "must be undefined to be structural");
    forbid(node.nullable, "nullable", "must be false to be structural");
    forbid(node.preserve_unknown, "x-kubernetes-preserve-unknown-fields", "must be false to be structural");
    forbid(node.embedded, "x-kubernetes-embedded-resource", "must be false to be structural");
    forbid(node.int_or_string, "x-kubernetes-int-or-string", "must be false to be structural");
    forbid(node.list.is_some(), "x-kubernetes-list-type", "must be undefined to be structural");
    forbid(node.map_atomic, "x-kubernetes-map-type", "must be undefined to be structural");
    forbid(!node.rules.is_empty(), "x-kubernetes-validations", "must be empty to be structural");
    forbid(node.properties.contains_key("metadata"), "properties[metadata]", "must not be specified in a nested context");
    junctors(node, skip_any, path, problems);
    if let Some(items) = &node.items {
        nested(items, false, &format!("{path}.items"), problems);
    }
    for (name, child) in node.properties.iter() {
        nested(child, false, &format!("{path}.properties[{name}]"), problems);
    }
}

/// Every field that a junctor speaks about is declared outside of it.
fn completeness(validation: &Node, node: &Node, node_path: &str, path: &str, problems: &mut Vec<Problem>) {
    let keyed = [("allOf", &validation.all_of), ("anyOf", &validation.any_of), ("oneOf", &validation.one_of)];
    for (key, branches) in keyed {
        for (index, branch) in branches.iter().enumerate() {
            nested_completeness(branch, node, node_path, &format!("{path}.{key}[{index}]"), problems);
        }
    }
    if let Some(branch) = &validation.not {
        nested_completeness(branch, node, node_path, &format!("{path}.not"), problems);
    }
}

fn nested_completeness(branch: &Node, node: &Node, node_path: &str, path: &str, problems: &mut Vec<Problem>) {
    completeness(branch, node, node_path, path, problems);
    if let Some(items) = &branch.items {
        let (node_path, path) = (format!("{node_path}.items"), format!("{path}.items"));
        match &node.items {
            Some(counterpart) => nested_completeness(items, counterpart, &node_path, &path, problems),
            None => problems.push(Problem::required(&node_path, &format!("because it is defined in {path}"))),
        }
    }
    for (name, child) in branch.properties.iter() {
        let (node_path, path) = (format!("{node_path}.properties[{name}]"), format!("{path}.properties[{name}]"));
        match node.properties.get(name) {
            Some(counterpart) => nested_completeness(child, counterpart, &node_path, &path, problems),
            None => problems.push(Problem::required(&node_path, &format!("because it is defined in {path}"))),
        }
    }
}

/// Checks lists, patterns and rules of a node and all nodes below it.
pub(super) fn verify(node: &Node, path: &str, problems: &mut Vec<Problem>) {
    if let Some(pattern) = &node.bounds.pattern
        && let Err(error) = pattern.regex()
    {
        let detail = format!("must be a valid regular expression, but isn't: {error}");
        problems.push(Problem::invalid(&format!("{path}.pattern"), pattern.text.clone().into(), &detail));
    }
    lists(node, path, problems);
    for (name, child) in node.properties.iter() {
        verify(child, &format!("{path}.properties[{name}]"), problems);
    }
    if let Some(child) = node.extra_schema() {
        verify(child, &format!("{path}.additionalProperties"), problems);
    }
    if let Some(child) = &node.items {
        verify(child, &format!("{path}.items"), problems);
    }
    for (key, branches) in [("allOf", &node.all_of), ("anyOf", &node.any_of), ("oneOf", &node.one_of)] {
        for (index, branch) in branches.iter().enumerate() {
            verify(branch, &format!("{path}.{key}[{index}]"), problems);
        }
    }
}

/// Appends what is wrong with the defaults of a node and all nodes below it.
pub(super) fn verify_defaults(node: &Node, path: &str, problems: &mut Vec<Problem>) {
    if let Some(default) = &node.default {
        let path = format!("{path}.default");
        let mut pruned = Value::clone(default);
        prune::prune_value(&mut pruned, node);
        if pruned != **default {
            problems.push(Problem::invalid(&path, Value::clone(default), "must not have unknown fields"));
        }
        let below = |problem: Problem| {
            let path = if problem.path == NIL_PATH { path.clone() } else { format!("{path}.{}", problem.path) };
            Problem { path, ..problem }
        };
        problems.extend(validate::value(node, default).into_iter().map(below));
    }
    if let Some(items) = &node.items {
        verify_defaults(items, &format!("{path}.items"), problems);
    }
    for (name, child) in node.properties.iter() {
        verify_defaults(child, &format!("{path}.properties[{name}]"), problems);
    }
}
