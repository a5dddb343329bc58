//! From an `openAPIV3Schema` to [`Node`]s: shapes are checked here, structurality in `structural`.

use serde_json::{Map, Value};

use super::node::{Bounds, Extra, ListKind, Node, Pattern, Rule, Schema, Type};
use super::problem::Problem;
use super::{cel, structural};

/// Deepest schema that is read; deeper ones are refused.
const MAX_DEPTH: usize = 64;
/// Root of the paths of schema problems.
const ROOT: &str = "openAPIV3Schema";

impl Schema {
    /// Reads an `openAPIV3Schema` and checks that it is structural.
    ///
    /// # Errors
    /// Every violation at once; paths start at `openAPIV3Schema`.
    pub fn parse(schema: &Value) -> Result<Self, Vec<Problem>> {
        let mut reader = Reader { problems: Vec::new() };
        let root = reader.node(schema, ROOT, 0);
        let (mut problems, mut found) = (reader.problems, Vec::new());
        structural::check(&root, ROOT, &mut found);
        // What could not be read is not asked after as well.
        found.retain(|missing| !problems.iter().any(|unread| unread.path == missing.path));
        problems.append(&mut found);
        if problems.is_empty() { Ok(Self::of(root)) } else { Err(problems) }
    }

    /// What a written CRD must pass beyond its structure: list keys exist, every pattern and rule compiles.
    pub fn verify(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        structural::verify(&self.root, ROOT, &mut problems);
        problems.extend(cel::verify(&self.root, ROOT, true));
        problems
    }

    /// Every default that the schema itself would refuse, or prune.
    pub(crate) fn verify_defaults(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        structural::verify_defaults(&self.root, ROOT, &mut problems);
        problems
    }

    /// Every rule that does not compile, and every pattern; `weigh` says whether the cost of rules is limited too.
    pub(crate) fn verify_rules(&self, weigh: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        structural::verify(&self.root, ROOT, &mut problems);
        problems.extend(cel::verify(&self.root, ROOT, weigh));
        problems
    }
}

struct Reader {
    problems: Vec<Problem>,
}

impl Reader {
    fn node(&mut self, value: &Value, path: &str, depth: usize) -> Node {
        if depth > MAX_DEPTH {
            self.problems.push(Problem::invalid_unshown(path, &format!("must not be nested deeper than {MAX_DEPTH} levels")));
            return Node::default();
        }
        let Value::Object(map) = value else {
            self.problems.push(Problem::invalid(path, value.clone(), "must be an object"));
            return Node::default();
        };
        let kind = self.kind(map, path);
        let mut node = Node {
            kind,
            nullable: self.flag(map, "nullable", path),
            default: map.get("default").filter(|value| !value.is_null()).cloned().map(Box::new),
            preserve_unknown: self.flag(map, "x-kubernetes-preserve-unknown-fields", path),
            int_or_string: self.flag(map, "x-kubernetes-int-or-string", path),
            embedded: self.flag(map, "x-kubernetes-embedded-resource", path),
            list: self.list_kind(map, path),
            map_atomic: self.map_type(map, path),
            bounds: self.bounds(map, kind, path),
            rules: self.rules(map, path),
            ..Node::default()
        };
        self.children(&mut node, map, path, depth);
        self.junctors(&mut node, map, path, depth);
        node.has_rules = node.any_below(!node.rules.is_empty(), |child| child.has_rules);
        node.has_transitions = node.any_below(node.rules.iter().any(Rule::may_read_old), |child| child.has_transitions);
        node.has_embedded = node.any_below(node.embedded, |child| child.has_embedded);
        let unique = matches!(node.list, Some(ListKind::Set | ListKind::Map(_)));
        node.has_unique = node.any_below(unique, |child| child.has_unique);
        node
    }

    fn kind(&mut self, map: &Map<String, Value>, path: &str) -> Option<Type> {
        let text = map.get("type")?;
        let kind = text.as_str().and_then(Type::parse);
        if kind.is_none() && text.as_str() != Some("") {
            let detail = "supported types: object, array, string, integer, number, boolean";
            self.problems.push(Problem::invalid(&format!("{path}.type"), text.clone(), detail));
        }
        kind
    }

    fn children(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str, depth: usize) {
        match map.get("properties") {
            Some(Value::Object(properties)) => {
                let child = |(name, child): (&String, &Value)| {
                    (name.clone(), self.node(child, &format!("{path}.properties[{name}]"), depth + 1))
                };
                node.properties = properties.iter().map(child).collect();
            }
            Some(other) => {
                self.problems.push(Problem::invalid(&format!("{path}.properties"), other.clone(), "must be an object"))
            }
            None => {}
        }
        node.extra = match map.get("additionalProperties") {
            None | Some(Value::Bool(false)) => None,
            Some(Value::Bool(true)) => Some(Extra::Any),
            Some(schema) => Some(Extra::Schema(Box::new(self.node(schema, &format!("{path}.additionalProperties"), depth + 1)))),
        };
        node.items = map.get("items").map(|schema| Box::new(self.node(schema, &format!("{path}.items"), depth + 1)));
    }

    fn junctors(&mut self, node: &mut Node, map: &Map<String, Value>, path: &str, depth: usize) {
        node.all_of = self.branches(map, "allOf", path, depth);
        node.any_of = self.branches(map, "anyOf", path, depth);
        node.one_of = self.branches(map, "oneOf", path, depth);
        node.not = map.get("not").map(|schema| Box::new(self.node(schema, &format!("{path}.not"), depth + 1)));
    }

    fn branches(&mut self, map: &Map<String, Value>, key: &str, path: &str, depth: usize) -> Vec<Node> {
        match map.get(key) {
            Some(Value::Array(branches)) => branches
                .iter()
                .enumerate()
                .map(|(index, branch)| self.node(branch, &format!("{path}.{key}[{index}]"), depth + 1))
                .collect(),
            Some(other) => {
                self.problems.push(Problem::invalid(&format!("{path}.{key}"), other.clone(), "must be a list"));
                Vec::new()
            }
            None => Vec::new(),
        }
    }

    fn bounds(&mut self, map: &Map<String, Value>, kind: Option<Type>, path: &str) -> Bounds {
        Bounds {
            values: match map.get("enum") {
                Some(Value::Array(values)) => values.clone(),
                _ => Vec::new(),
            },
            minimum: self.number(map, "minimum", path),
            maximum: self.number(map, "maximum", path),
            exclusive_minimum: self.flag(map, "exclusiveMinimum", path),
            exclusive_maximum: self.flag(map, "exclusiveMaximum", path),
            multiple_of: self.number(map, "multipleOf", path),
            min_length: self.count(map, "minLength", path),
            max_length: self.count(map, "maxLength", path),
            pattern: self.text(map, "pattern", path).filter(|text| !text.is_empty()).map(|text| Box::new(Pattern::new(&text))),
            format: self.text(map, "format", path).filter(|format| super::formats::is_supported(format, kind)),
            min_items: self.count(map, "minItems", path),
            max_items: self.count(map, "maxItems", path),
            unique_items: self.flag(map, "uniqueItems", path),
            min_properties: self.count(map, "minProperties", path),
            max_properties: self.count(map, "maxProperties", path),
            required: self.texts(map, "required", path),
        }
    }

    fn list_kind(&mut self, map: &Map<String, Value>, path: &str) -> Option<ListKind> {
        let keys = self.texts(map, "x-kubernetes-list-map-keys", path);
        let kind = self.text(map, "x-kubernetes-list-type", path)?;
        match kind.as_str() {
            "atomic" => Some(ListKind::Atomic),
            "set" => Some(ListKind::Set),
            "map" => Some(ListKind::Map(keys)),
            _ => None,
        }
    }

    fn map_type(&mut self, map: &Map<String, Value>, path: &str) -> bool {
        self.text(map, "x-kubernetes-map-type", path).as_deref() == Some("atomic")
    }

    fn rules(&mut self, map: &Map<String, Value>, path: &str) -> Vec<Rule> {
        let Some(rules) = map.get("x-kubernetes-validations") else {
            return Vec::new();
        };
        let path = format!("{path}.x-kubernetes-validations");
        let Some(rules) = rules.as_array() else {
            self.problems.push(Problem::invalid(&path, rules.clone(), "must be a list"));
            return Vec::new();
        };
        rules.iter().enumerate().map(|(index, rule)| self.rule(rule, &format!("{path}[{index}]"))).collect()
    }

    fn rule(&mut self, value: &Value, path: &str) -> Rule {
        let Value::Object(map) = value else {
            self.problems.push(Problem::invalid(path, value.clone(), "must be an object"));
            return Rule::default();
        };
        let mut text = |key| self.text(map, key, path).unwrap_or_default();
        Rule {
            rule: text("rule"),
            message: text("message"),
            message_expression: text("messageExpression"),
            reason: text("reason"),
            field_path: text("fieldPath"),
            optional_old_self: map.get("optionalOldSelf") == Some(&Value::Bool(true)),
        }
    }

    fn flag(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> bool {
        match map.get(key) {
            Some(Value::Bool(flag)) => *flag,
            None | Some(Value::Null) => false,
            Some(other) => {
                self.problems.push(Problem::invalid(&format!("{path}.{key}"), other.clone(), "must be true or false"));
                false
            }
        }
    }

    fn number(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Option<f64> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        if !value.is_number() {
            self.problems.push(Problem::invalid(&format!("{path}.{key}"), value.clone(), "must be a number"));
        }
        value.as_f64()
    }

    fn count(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Option<u64> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        let count = value.as_u64();
        if count.is_none() {
            self.problems.push(Problem::invalid(&format!("{path}.{key}"), value.clone(), "must be a non-negative whole number"));
        }
        count
    }

    fn text(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Option<String> {
        let value = map.get(key).filter(|value| !value.is_null())?;
        if !value.is_string() {
            self.problems.push(Problem::invalid(&format!("{path}.{key}"), value.clone(), "must be a string"));
        }
        value.as_str().map(str::to_owned)
    }

    fn texts(&mut self, map: &Map<String, Value>, key: &str, path: &str) -> Vec<String> {
        match map.get(key) {
            None | Some(Value::Null) => Vec::new(),
            Some(Value::Array(values)) if values.iter().all(Value::is_string) => {
                values.iter().filter_map(Value::as_str).map(str::to_owned).collect()
            }
            Some(other) => {
                self.problems.push(Problem::invalid(&format!("{path}.{key}"), other.clone(), "must be a list of strings"));
                Vec::new()
            }
        }
    }
}
