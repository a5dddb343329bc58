//! The rules of a written definition: they compile, name what there is, and cost no more than allowed.

use serde_json::Value;

use super::super::node::{Extra, ListKind, Node, Rule};
use super::super::problem::Problem;
use super::compile::{compile_checked, shown};
use super::sizes::cardinality;
use super::weigh::weigh;

/// The most that one rule may cost.
const RULE_LIMIT: u64 = 10_000_000;
/// The most that all rules of a schema may cost.
const SCHEMA_LIMIT: u64 = 100_000_000;
/// The rules that are named when all of them cost too much.
const NAMED: usize = 4;

/// Every rule below `root` that is refused; `weigh` says whether each one's cost counts too.
pub(crate) fn verify(root: &Node, path: &str, weigh: bool) -> Vec<Problem> {
    let mut check = Check { problems: Vec::new(), costs: Vec::new(), weigh };
    check.node(Place { node: root, resource: true, times: Some(1), loose: None }, path);
    let Check { mut problems, mut costs, .. } = check;
    let total = costs.iter().fold(0_u64, |total, (_, cost)| total.saturating_add(*cost));
    if total > SCHEMA_LIMIT {
        costs.retain(|(_, cost)| *cost >= SCHEMA_LIMIT / 100);
        costs.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for (path, _) in costs.iter().take(NAMED) {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            problems.push(Problem::forbidden(path, detail));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        problems.push(Problem::forbidden(path, &too_much(what, total, SCHEMA_LIMIT)));
    }
    problems
}

#[allow(clippy::cast_precision_loss, reason = "a factor is shown with one digit")]
fn too_much(what: &str, cost: u64, limit: u64) -> String {
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where \
         arrays, maps, and strings are declared)"
    )
}

/// A node and where it stands.
#[derive(Clone)]
struct Place<'a> {
    node: &'a Node,
    resource: bool,
    /// How often such a value can stand in a resource; `None` where nothing limits it.
    times: Option<u64>,
    /// The list or map on the way whose entries of two versions cannot be matched.
    loose: Option<String>,
}

struct Check {
    problems: Vec<Problem>,
    costs: Vec<(String, u64)>,
    weigh: bool,
}

impl Check {
    fn node(&mut self, place: Place<'_>, path: &str) {
        let node = place.node;
        for (index, rule) in node.rules.iter().enumerate() {
            self.rule(&place, rule, &format!("{path}.x-kubernetes-validations[{index}]"));
        }
        let times = |limit: Option<u64>| place.times.and_then(|times| Some(times.saturating_mul(limit?)));
        let below = |child, times, loose: bool| {
            let loose = place.loose.clone().or_else(|| loose.then(|| path.to_owned()));
            Place { node: child, resource: false, times, loose }
        };
        for (name, child) in node.properties.iter() {
            let place = Place { resource: child.embedded, ..below(child, times(Some(1)), node.map_atomic) };
            self.node(place, &format!("{path}.properties[{name}]"));
        }
        if let Some(Extra::Schema(child)) = &node.extra {
            let place = Place { resource: child.embedded, ..below(child, times(node.bounds.max_properties), false) };
            self.node(place, &format!("{path}.additionalProperties"));
        }
        if let Some(child) = node.items.as_deref() {
            let keyed = matches!(node.list, Some(ListKind::Map(_)));
            let place = Place { resource: child.embedded, ..below(child, times(node.bounds.max_items), !keyed) };
            self.node(place, &format!("{path}.items"));
        }
    }

    fn rule(&mut self, place: &Place<'_>, rule: &Rule, path: &str) {
        let source = format!("{path}.rule");
        let (cost, old) = match self.expression(place, (&rule.rule, "bool"), rule, (&source, "")) {
            Some(found) => found,
            None => return,
        };
        let times = place.times.unwrap_or_else(|| cardinality(place.node, place.resource));
        let cost = cost.saturating_mul(times);
        if self.weigh && cost > RULE_LIMIT {
            self.problems.push(Problem::forbidden(&source, &too_much("estimated rule cost", cost, RULE_LIMIT)));
        }
        self.costs.push((source.clone(), cost));
        if !rule.message_expression.is_empty() {
            let path = format!("{path}.messageExpression");
            let found = self.expression(place, (&rule.message_expression, "string"), rule, (&path, "messageExpression "));
            if let Some((cost, _)) = found {
                if self.weigh && cost > RULE_LIMIT {
                    let text = too_much("estimated messageExpression cost", cost, RULE_LIMIT);
                    self.problems.push(Problem::forbidden(&path, &text));
                }
                self.costs.push((path, cost));
            }
        }
        match (&place.loose, old) {
            (Some(loose), true) => {
                let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {loose}");
                self.problems.push(Problem::invalid(&source, rule.rule.as_str().into(), &detail));
            }
            (_, false) if rule.optional_old_self => {
                let detail = "may not be set if oldSelf is not used in rule";
                self.problems.push(Problem::invalid(&format!("{path}.optionalOldSelf"), Value::Bool(true), detail));
            }
            _ => {}
        }
    }

    /// The most that an expression costs and whether it reads the old value; `None` where it is refused.
    fn expression(
        &mut self,
        place: &Place<'_>,
        (source, wanted): (&str, &str),
        rule: &Rule,
        (path, what): (&str, &str),
    ) -> Option<(u64, bool)> {
        let mut refuse = |detail: &str| {
            self.problems.push(Problem::invalid_shown(path, &shown(rule), detail));
            None
        };
        let program = match compile_checked(source) {
            Ok(program) => program,
            Err(text) => return refuse(&format!("{what}compilation failed: {text}")),
        };
        let weight = weigh(program.expression(), source, (place.node, place.resource));
        if let Some((text, offset)) = weight.wrong {
            return refuse(&format!("{what}compilation failed: {}", placed(source, &text, offset)));
        }
        if weight.result.is_some_and(|result| result != wanted) {
            let (subject, article) =
                if what.is_empty() { ("cel expression", "a bool") } else { ("messageExpression", "a string") };
            return refuse(&format!("{subject} must evaluate to {article}"));
        }
        Some((weight.cost, program.references().has_variable("oldSelf")))
    }
}

/// A finding at an offset of the source, as the reference's compiler shows it.
pub(super) fn placed(source: &str, text: &str, offset: usize) -> String {
    let before = &source[..offset.min(source.len())];
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    let shown = source.lines().nth(line).unwrap_or_default();
    format!("ERROR: <input>:{}:{}: {text}\n | {shown}\n | {}^", line + 1, column + 1, ".".repeat(column))
}
