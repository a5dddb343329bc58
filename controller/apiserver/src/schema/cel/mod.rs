//! `x-kubernetes-validations`: rules run against new and old values, node by node.
//!
//! Rules are compiled at a node's first run. Old list entries are found by key in map lists only; a rule that reads `oldSelf` runs
//! only where an old value exists, unless it takes it as an optional. A failure that the update did not cause is forgiven, unless
//! the rule reads `oldSelf`. What all rules may cost is bounded, for each rule and for the whole object.

mod check;
mod compile;
mod convert;
mod known;
mod parse;
mod purse;
mod sizes;
mod weigh;

use std::cell::OnceCell;
use std::sync::Arc;

use kube_cel::KubeCelExt as _;
use kube_cel::cel::objects::OptionalValue;
use kube_cel::cel::{Context, ExecutionError, Value as CelValue};
use serde_json::Value;

pub(super) use check::verify;
pub(super) use compile::CompiledRules;

use self::compile::CompiledRule;
use self::purse::{Purse, Spent};
use super::equality::identical;
use super::node::{Node, Rule, Type};
use super::problem::Problem;
use super::validate::correlate;

/// Longest message that a `messageExpression` may yield.
const MAX_MESSAGE_BYTES: usize = 5 * 1024;
/// What is told of an evaluation that would cost too much, and of one for which not enough is left.
const OVER: &str = "no further validation rules will be run due to call cost exceeds limit";
const EMPTY: &str = "due to running out of cost budget, no further validation rules will be run";

thread_local! {
    // Contexts are not shareable between threads and cost a hundred registrations: one per thread.
    static FUNCTIONS: OnceCell<Context<'static>> = const { OnceCell::new() };
}

/// Runs every rule below `root`; appends the failures. Values that a `proven` old object has too keep their rules, but for those
/// that read the old value. Says whether a failure was forgiven.
pub(super) fn run(root: &Node, (new, old, proven): (&Value, Option<&Value>, bool), problems: &mut Vec<Problem>) -> bool {
    with_functions(|context| {
        let mut runner = Runner { context, path: String::new(), problems, proven, forgiven: false, purse: Purse::full() };
        runner.node(Site { node: root, value: new, old, twin: old, root: true });
        runner.forgiven
    })
}

fn with_functions<T>(act: impl FnOnce(&Context<'static>) -> T) -> T {
    FUNCTIONS.with(|cell| act(cell.get_or_init(|| Context::default().with_all())))
}

/// One value at its node.
#[derive(Clone, Copy)]
struct Site<'a> {
    node: &'a Node,
    value: &'a Value,
    /// What rules see as `oldSelf`.
    old: Option<&'a Value>,
    /// What ratcheting compares with.
    twin: Option<&'a Value>,
    /// Whether this is the whole object.
    root: bool,
}

impl<'a> Site<'a> {
    /// The member `key` at its node.
    fn member(self, node: &'a Node, key: &str, value: &'a Value) -> Self {
        Self { node, value, old: get(self.old, key), twin: get(self.twin, key), root: false }
    }

    /// A list entry at its node; old entries are found by key.
    fn entry(self, node: &'a Node, value: &'a Value) -> Self {
        Self { node, value, old: find(self.node, value, self.old), twin: find(self.node, value, self.twin), root: false }
    }
}

struct Runner<'a> {
    context: &'a Context<'static>,
    path: String,
    problems: &'a mut Vec<Problem>,
    proven: bool,
    forgiven: bool,
    purse: Purse,
}

impl Runner<'_> {
    fn node(&mut self, site: Site<'_>) {
        let Site { node, value, .. } = site;
        if !node.has_rules || value.is_null() || self.purse.is_closed() {
            return;
        }
        if self.proven && !node.has_transitions && site.twin.is_some_and(|twin| identical(twin, value)) {
            return;
        }
        if !node.rules.is_empty() {
            self.rules(Site { old: site.old.filter(|old| !old.is_null()), ..site });
        }
        for branch in node.all_of.iter().filter(|branch| branch.has_rules) {
            self.node(Site { node: branch, twin: None, ..site });
        }
        let length = self.path.len();
        match value {
            Value::Object(fields) => {
                for (key, child) in fields {
                    let schema = match (node.properties.get(key), node.extra_schema()) {
                        (Some(schema), _) if schema.has_rules => {
                            super::prune::push_key(&mut self.path, key);
                            schema
                        }
                        (None, Some(schema)) if schema.has_rules => {
                            self.path.push_str(&format!("[{key}]"));
                            schema
                        }
                        (Some(_), _) | (None, _) => continue,
                    };
                    self.node(site.member(schema, key, child));
                    self.path.truncate(length);
                }
            }
            Value::Array(items) => {
                let Some(schema) = node.items.as_ref().filter(|schema| schema.has_rules) else { return };
                for (index, item) in items.iter().enumerate() {
                    super::prune::push_index(&mut self.path, index);
                    self.node(site.entry(schema, item));
                    self.path.truncate(length);
                }
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }

    fn rules(&mut self, site: Site<'_>) {
        let Site { node, value, old, root, .. } = site;
        let compiled = node.compiled.get_or_init(|| CompiledRules::new(&node.rules, (node, root)));
        let mut scope = self.context.new_inner_scope();
        scope.add_variable_from_value("self", convert::to_cel(value, node, root));
        if let Some(old) = old.filter(|_| compiled.read_old()) {
            scope.add_variable_from_value("oldSelf", convert::to_cel(old, node, root));
        }
        for (rule, outcome) in node.rules.iter().zip(compiled.iter()) {
            let compiled = match outcome {
                Ok(compiled) => compiled,
                Err(error) => {
                    self.fail_shown(node, &format!("rule compile error: {error}"));
                    continue;
                }
            };
            if compiled.reads_old && old.is_none() && !rule.optional_old_self {
                continue;
            }
            match self.purse.pay(&compiled.condition, (node, root), (value, old)) {
                Spent::Enough => {}
                Spent::TooMuch => {
                    let detail = format!("'operation cancelled: actual cost limit exceeded': {OVER} for rule: {}", told(rule));
                    return self.fail_shown(node, &detail);
                }
                Spent::Everything => return self.fail_shown(node, &format!("validation failed {EMPTY}")),
            }
            if compiled.reads_old && rule.optional_old_self {
                let mut scope = scope.new_inner_scope();
                let known = old.map(|old| convert::to_cel(old, node, root));
                let known = known.map_or_else(OptionalValue::none, OptionalValue::of);
                scope.add_variable_from_value("oldSelf", CelValue::Opaque(Arc::new(known)));
                self.rule(site, (rule, compiled), &scope);
            } else {
                self.rule(site, (rule, compiled), &scope);
            }
            if self.purse.is_closed() {
                return;
            }
        }
    }

    fn rule(&mut self, site: Site<'_>, (rule, compiled): (&Rule, &CompiledRule), scope: &Context<'_>) {
        match compiled.condition.program.execute(scope) {
            Ok(CelValue::Bool(true)) => {}
            Err(error) => self.fail_shown(site.node, &evaluation_text(&error, told(rule))),
            Ok(_) => {
                if !compiled.reads_old && site.twin == Some(site.value) {
                    self.forgiven = true;
                    return;
                }
                let path = format!("{}{}", self.path, rule.field_path);
                let detail = match self.message(site, (rule, compiled), scope) {
                    Ok(detail) => detail,
                    Err(detail) => {
                        let kind = site.node.kind.map_or("", Type::name);
                        return self.problems.push(Problem::invalid(&path, kind.into(), &detail));
                    }
                };
                let shown =
                    if matches!(site.node.kind, Some(Type::Object | Type::Array)) { None } else { Some(site.value.clone()) };
                self.problems.push(by_reason(&path, shown, &detail, &rule.reason));
            }
        }
    }

    /// What is told of a rule that does not hold.
    ///
    /// # Errors
    /// What is told where its expression would cost too much.
    fn message(
        &mut self,
        site: Site<'_>,
        (rule, compiled): (&Rule, &CompiledRule),
        scope: &Context<'_>,
    ) -> Result<String, String> {
        if let Some(message) = &compiled.message {
            match self.purse.pay(message, (site.node, site.root), (site.value, site.old)) {
                Spent::Enough => {}
                Spent::TooMuch => {
                    return Err(format!("{OVER} for messageExpression: {:?}", rule.message_expression));
                }
                Spent::Everything => return Err(format!("messageExpression evaluation failed {EMPTY}")),
            }
            if let Ok(CelValue::String(text)) = message.program.execute(scope) {
                let text = text.trim();
                if !text.is_empty() && text.len() <= MAX_MESSAGE_BYTES && !text.contains('\n') {
                    return Ok(text.to_owned());
                }
            }
        }
        Ok(if rule.message.is_empty() { format!("failed rule: {}", told(rule)) } else { told(rule).to_owned() })
    }

    fn fail_shown(&mut self, node: &Node, detail: &str) {
        self.problems.push(Problem::invalid(&self.path, node.kind.map_or("", Type::name).into(), detail));
    }
}

fn get<'a>(value: Option<&'a Value>, key: &str) -> Option<&'a Value> {
    value.and_then(|value| value.get(key))
}

fn find<'a>(node: &Node, item: &Value, list: Option<&'a Value>) -> Option<&'a Value> {
    list.and_then(Value::as_array).and_then(|list| correlate(node, item, list))
}

/// What a failure calls its rule.
fn told(rule: &Rule) -> &str {
    if rule.message.is_empty() { rule.rule.trim() } else { rule.message.trim() }
}

fn by_reason(path: &str, value: Option<Value>, detail: &str, reason: &str) -> Problem {
    match (reason, value) {
        ("FieldValueForbidden", _) => Problem::forbidden(path, detail),
        ("FieldValueRequired", _) => Problem::required(path, detail),
        ("FieldValueDuplicate", Some(value)) => Problem::duplicate(path, value),
        (_, Some(value)) => Problem::invalid(path, value, detail),
        (_, None) => Problem::invalid_unshown(path, detail),
    }
}

/// An evaluation error in the words of the reference's interpreter.
fn evaluation_text(error: &ExecutionError, rule: &str) -> String {
    let words = match error {
        ExecutionError::NoSuchKey(key) => format!("no such key: {key}"),
        ExecutionError::IndexOutOfBounds(CelValue::Int(index)) => format!("index out of bounds: {index}"),
        ExecutionError::DivisionByZero(_) => "division by zero".to_owned(),
        ExecutionError::RemainderByZero(_) => "modulus by zero".to_owned(),
        ExecutionError::Overflow(..) => "integer overflow".to_owned(),
        ExecutionError::NoSuchOverload => {
            return format!(
                "'no such overload': call arguments did not match a supported operator, function or macro signature for rule: {rule}"
            );
        }
        other => other.to_string(),
    };
    format!("{words} evaluating rule: {rule}")
}
