//! The schema walk: every problem at once, unchanged values forgiven on update.

use serde_json::{Map, Value};

use super::equality::identical;
use super::node::{ListKind, Node, Schema, Type};
use super::problem::Problem;
use super::{cel, embedded, formats, lists, values};

const RULES_SKIPPED: &str =
    "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

impl Schema {
    /// Validates a whole resource: types and bounds, embedded resources, unique list entries, CEL rules.
    ///
    /// With `old` it is an update: a value that the update did not change is not refused, and transition rules run.
    pub fn validate(&self, new: &Value, old: Option<&Value>) -> Vec<Problem> {
        self.judge(new, old, (false, false)).problems
    }

    /// [`Self::validate`], which leaves out the rules of unchanged values where `old` is `proven`: it keeps every rule of this
    /// very schema, and all rules where something else is so wrong already that they are `blocked`.
    pub(crate) fn judge(&self, new: &Value, old: Option<&Value>, (proven, blocked): (bool, bool)) -> Judgement {
        let mut walk = Walk { path: String::new(), problems: Vec::new() };
        walk.node(&self.root, new, old);
        let mut problems = walk.problems;
        embedded::validate(new, &self.root, "", &mut problems);
        if old.is_none_or(|old| lists::duplicates(&self.root, old).is_empty()) {
            problems.append(&mut lists::duplicates(&self.root, new));
        }
        let mut forgiven = false;
        if self.root.has_rules {
            if blocked || problems.iter().any(|problem| problem.kind.blocks_rules()) {
                problems.push(Problem::invalid("", Value::Null, RULES_SKIPPED));
            } else {
                forgiven = cel::run(&self.root, (new, old, proven), &mut problems);
            }
        }
        Judgement { problems, forgiven }
    }
}

/// The problems of one value at its node, with paths that start at the value; its rules run where nothing else is wrong.
pub(super) fn value(node: &Node, value: &Value) -> Vec<Problem> {
    let mut walk = Walk { path: String::new(), problems: Vec::new() };
    walk.node(node, value, None);
    let mut problems = walk.problems;
    problems.append(&mut lists::duplicates(node, value));
    if problems.is_empty() && node.has_rules {
        cel::run(node, (value, None, false), &mut problems);
    }
    problems
}

/// What validation found.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    /// Every problem.
    pub(crate) problems: Vec<Problem>,
    /// Whether a rule is broken that the update did not break.
    pub(crate) forgiven: bool,
}

pub(super) struct Walk {
    pub(super) path: String,
    pub(super) problems: Vec<Problem>,
}

impl Walk {
    /// What the update did not change is forgiven, so it is not looked at.
    fn node(&mut self, node: &Node, value: &Value, old: Option<&Value>) {
        if !old.is_some_and(|old| identical(old, value)) {
            self.check(node, value, old);
        }
    }

    fn check(&mut self, node: &Node, value: &Value, old: Option<&Value>) {
        values::check_type(node, value, self);
        if value.is_null() {
            values::check_enum(node, value, self);
            return;
        }
        self.junctors(node, value);
        match value {
            Value::String(text) => {
                values::check_string(node, text, self);
                formats::check(node, text, self);
            }
            Value::Number(number) => values::check_number(node, number, self),
            Value::Array(items) => self.items(node, items, old),
            Value::Null | Value::Bool(_) | Value::Object(_) => {}
        }
        values::check_enum(node, value, self);
        if let Value::Object(fields) = value {
            self.fields(node, fields, old);
        }
    }

    fn items(&mut self, node: &Node, items: &[Value], old: Option<&Value>) {
        if let Some(schema) = &node.items {
            let old = old.and_then(Value::as_array);
            let length = self.path.len();
            for (index, item) in items.iter().enumerate() {
                super::prune::push_index(&mut self.path, index);
                self.node(schema, item, old.and_then(|old| correlate(node, item, old)));
                self.path.truncate(length);
            }
        }
        values::check_items(node, items, self);
    }

    fn fields(&mut self, node: &Node, fields: &Map<String, Value>, old: Option<&Value>) {
        values::check_size(node, fields.len() as u64, self);
        let root = self.path.is_empty();
        if let Some(schema) = node.extra_schema() {
            for (key, value) in fields.iter().filter(|(key, _)| !node.properties.contains_key(key)) {
                self.field(schema, key, value, old.and_then(|old| old.get(key)));
            }
        }
        for (key, schema) in node.properties.iter() {
            if let Some(value) = fields.get(key) {
                let unseen = root && (key == "apiVersion" || key == "kind");
                self.field(schema, key, value, old.and_then(|old| old.get(key)).filter(|_| !unseen));
            }
        }
        for key in &node.bounds.required {
            if !fields.contains_key(key) {
                let path = self.child_path(key);
                self.problems.push(Problem::required(&path, ""));
            }
        }
    }

    fn field(&mut self, schema: &Node, key: &str, value: &Value, old: Option<&Value>) {
        let length = self.path.len();
        super::prune::push_key(&mut self.path, key);
        self.node(schema, value, old);
        self.path.truncate(length);
    }

    fn child_path(&self, key: &str) -> String {
        let mut path = self.path.clone();
        super::prune::push_key(&mut path, key);
        path
    }

    fn junctors(&mut self, node: &Node, value: &Value) {
        if node.any_of.is_empty() && node.one_of.is_empty() && node.all_of.is_empty() && node.not.is_none() {
            return;
        }
        let path = super::render::go_quote(&self.path);
        if !node.any_of.is_empty()
            && let Some(best) = self.best_of(&node.any_of, value).1
        {
            self.problems.push(unplaced(&format!("{path} must validate at least one schema (anyOf)")));
            self.problems.extend(best);
        }
        if !node.one_of.is_empty() {
            let (valid, best) = self.count_of(&node.one_of, value);
            if valid != 1 {
                let found = if valid == 0 { "Found none valid".to_owned() } else { format!("Found {valid} valid alternatives") };
                self.problems.push(unplaced(&format!("{path} must validate one and only one schema (oneOf). {found}")));
                self.problems.extend(best.unwrap_or_default());
            }
        }
        self.all_of(node, value, &path);
        if let Some(branch) = &node.not
            && self.branch(branch, value).is_empty()
        {
            self.problems.push(unplaced(&format!("{path} must not validate the schema (not)")));
        }
    }

    fn all_of(&mut self, node: &Node, value: &Value, path: &str) {
        let mut valid = 0;
        for branch in &node.all_of {
            let problems = self.branch(branch, value);
            valid += usize::from(problems.is_empty());
            self.problems.extend(problems);
        }
        if valid != node.all_of.len() {
            let none = if valid == 0 { ". None validated" } else { "" };
            self.problems.push(unplaced(&format!("{path} must validate all the schemas (allOf){none}")));
        }
    }

    /// The problems of one branch alone.
    fn branch(&mut self, branch: &Node, value: &Value) -> Vec<Problem> {
        let before = self.problems.len();
        self.node(branch, value, None);
        self.problems.split_off(before)
    }

    /// Whether a branch matches, else the problems of the one that came closest.
    fn best_of(&mut self, branches: &[Node], value: &Value) -> (bool, Option<Vec<Problem>>) {
        let mut best: Option<Vec<Problem>> = None;
        for branch in branches {
            let problems = self.branch(branch, value);
            if problems.is_empty() {
                return (true, None);
            }
            if best.as_ref().is_none_or(|best| problems.len() < best.len()) {
                best = Some(problems);
            }
        }
        (false, best)
    }

    fn count_of(&mut self, branches: &[Node], value: &Value) -> (usize, Option<Vec<Problem>>) {
        let valid = branches.iter().filter(|branch| self.branch(branch, value).is_empty()).count();
        let best = if valid == 0 { self.best_of(branches, value).1 } else { None };
        (valid, best)
    }

    pub(super) fn invalid(&mut self, value: Value, words: &str) {
        let detail = format!("{} in body {words}", self.path);
        self.problems.push(Problem::invalid(&self.path, value, &detail));
    }
}

/// A finding that the reference reports without a field.
pub(super) fn unplaced(detail: &str) -> Problem {
    Problem::invalid("", "".into(), detail)
}

/// The old entry that a new list entry continues: by key in map lists, none elsewhere.
pub(super) fn correlate<'a>(node: &Node, item: &Value, old: &'a [Value]) -> Option<&'a Value> {
    match &node.list {
        Some(ListKind::Map(keys)) => {
            let item_schema = node.items.as_deref();
            let default = |name: &String| item_schema.and_then(|schema| schema.properties.get(name)?.default.as_deref());
            let same = |candidate: &Value, name: &String| {
                candidate.get(name).or_else(|| default(name)) == item.get(name).or_else(|| default(name))
            };
            old.iter().find(|candidate| keys.iter().all(|name| same(candidate, name)))
        }
        Some(ListKind::Atomic | ListKind::Set) | None => None,
    }
}

/// What a value is called in type messages.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => Type::Boolean.name(),
        Value::Number(number) if number.is_f64() => Type::Number.name(),
        Value::Number(_) => Type::Integer.name(),
        Value::String(_) => Type::String.name(),
        Value::Array(_) => Type::Array.name(),
        Value::Object(_) => Type::Object.name(),
    }
}
