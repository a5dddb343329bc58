//! What a rule may cost at most, and which fields it names that there are none of: after cel-go's checker and cost estimator, as
//! far as a rule's types are known. What is not known costs as much as it could.

use std::collections::BTreeMap;
use std::rc::Rc;

use kube_cel::cel::IdedExpr;
use kube_cel::cel::common::ast::{CallExpr, ComprehensionExpr, EntryExpr, Expr, SelectExpr};
use serde_json::Value;

use super::super::node::{Extra, Node, Type};
use super::convert::escape;
use super::known::{Kind, Known, entry_of, item_of, literal_of};

/// Making a list, a map.
const LIST_COST: u64 = 10;
const MAP_COST: u64 = 30;
/// Reading a text costs a tenth of its length; each character of a pattern a quarter.
const TEXT_SHARE: f64 = 0.1;
const PATTERN_SHARE: f64 = 0.25;

/// The longest text of a number or a truth; the reference knows of none before a rule runs.
const SCALAR_TEXT: u64 = 32;

/// What a look at one expression found.
#[derive(Debug, Default)]
pub(super) struct Weight {
    /// The most that one evaluation can cost.
    pub(super) cost: u64,
    /// The type of the result, where it is known for certain.
    pub(super) result: Option<&'static str>,
    /// What is wrong: text, and the place in the source as line and column.
    pub(super) wrong: Option<(String, usize)>,
}

/// Looks at `expression`, whose `self` is any value at `node`.
pub(super) fn weigh(expression: &IdedExpr, source: &str, (node, resource): (&Node, bool)) -> Weight {
    look(expression, source, (node, resource), [None, None])
}

/// What `expression` can cost whose `self` and `oldSelf` are these values at `node`.
pub(super) fn weigh_values(expression: &IdedExpr, (node, resource): (&Node, bool), (new, old): (&Value, Option<&Value>)) -> u64 {
    look(expression, "", (node, resource), [Some(new), Some(old.unwrap_or(&Value::Null))]).cost
}

fn look<'a>(
    expression: &IdedExpr,
    source: &'a str,
    (node, resource): (&'a Node, bool),
    values: [Option<&'a Value>; 2],
) -> Weight {
    let scalar_text = if values[0].is_some() { SCALAR_TEXT } else { u64::MAX };
    let mut scale = Scale { source, scope: BTreeMap::new(), scalar_text, wrong: None };
    for (name, value) in ["self", "oldSelf"].into_iter().zip(values) {
        let known = Known::of(Kind::Node(node, resource)).among(value.map(|value| Rc::from([value].as_slice())));
        scale.scope.insert(name.to_owned(), known);
    }
    let (known, cost) = scale.expression(expression);
    Weight { cost, result: known.name(), wrong: scale.wrong }
}

struct Scale<'a> {
    source: &'a str,
    scope: BTreeMap<String, Known<'a>>,
    /// How long the text of a number or a truth is taken for.
    scalar_text: u64,
    wrong: Option<(String, usize)>,
}

impl<'a> Scale<'a> {
    fn expression(&mut self, expression: &IdedExpr) -> (Known<'a>, u64) {
        match &expression.expr {
            Expr::Literal(literal) => (literal_of(literal), 0),
            Expr::Ident(name) => (self.scope.get(name).cloned().unwrap_or_else(|| Known::of(Kind::Unknown)), 1),
            Expr::Select(select) => self.select(select),
            Expr::Call(call) => self.call(call),
            Expr::Comprehension(loops) => self.comprehension(loops),
            Expr::List(list) => {
                let (mut cost, mut item) = (LIST_COST, None);
                for element in &list.elements {
                    let (known, own) = self.expression(element);
                    cost = cost.saturating_add(own);
                    item.get_or_insert(known);
                }
                let item = item.unwrap_or_else(|| Known::of(Kind::Unknown));
                (Known::sized(Kind::List(Box::new(item)), list.elements.len() as u64), cost)
            }
            Expr::Map(map) => {
                let mut cost = MAP_COST;
                for entry in &map.entries {
                    if let EntryExpr::MapEntry(entry) = &entry.expr {
                        cost = cost.saturating_add(self.expression(&entry.key).1).saturating_add(self.expression(&entry.value).1);
                    }
                }
                (Known::sized(Kind::Map, map.entries.len() as u64), cost)
            }
            Expr::Struct(_) | Expr::Unspecified => (Known::of(Kind::Unknown), MAP_COST),
        }
    }

    fn select(&mut self, select: &SelectExpr) -> (Known<'a>, u64) {
        let (operand, cost) = self.expression(&select.operand);
        let known = self.field(&operand, &select.field);
        if select.test {
            return (Known::of(Kind::Bool), cost);
        }
        let stepped =
            matches!(&operand.kind, Kind::Node(node, _) if node.kind == Some(Type::Object)) || matches!(operand.kind, Kind::Map);
        (known, cost.saturating_add(u64::from(stepped)))
    }

    /// The field of a value; one that its schema does not have is wrong.
    fn field(&mut self, operand: &Known<'a>, field: &str) -> Known<'a> {
        let known = self.declared(operand, field);
        let named = |value: &'a Value| {
            value
                .as_object()
                .into_iter()
                .flatten()
                .filter(|(name, _)| *name == field || escape(name) == field)
                .map(|(_, value)| value)
        };
        known.among(operand.parts(named))
    }

    fn declared(&mut self, operand: &Known<'a>, field: &str) -> Known<'a> {
        let Kind::Node(node, resource) = operand.kind else { return Known::of(Kind::Unknown) };
        if node.kind != Some(Type::Object) || node.int_or_string {
            return Known::of(Kind::Unknown);
        }
        if let Some(Extra::Schema(values)) = &node.extra {
            return Known::of(Kind::Node(values, values.embedded));
        }
        if resource && matches!(field, "apiVersion" | "kind") {
            return Known::of(Kind::Text);
        }
        if resource && field == "metadata" {
            return Known::of(Kind::Unknown);
        }
        match node.properties.iter().find(|(name, _)| *name == field || escape(name) == field) {
            Some((_, child)) => Known::of(Kind::Node(child, child.embedded)),
            None => {
                let place = self.source.find(&format!(".{field}")).unwrap_or_default();
                self.refuse(format!("undefined field '{field}'"), place);
                Known::of(Kind::Unknown)
            }
        }
    }

    fn refuse(&mut self, text: String, place: usize) {
        self.wrong.get_or_insert((text, place));
    }

    fn comprehension(&mut self, loops: &ComprehensionExpr) -> (Known<'a>, u64) {
        let (range, range_cost) = self.expression(&loops.iter_range);
        let (start, start_cost) = self.expression(&loops.accu_init);
        let item = item_of(&range);
        let (accu, iter) = (loops.accu_var.clone(), loops.iter_var.clone());
        let outer = [(accu.clone(), self.scope.get(&accu).cloned()), (iter.clone(), self.scope.get(&iter).cloned())];
        self.scope.insert(accu, Known { size: u64::MAX, values: None, ..start.clone() });
        self.scope.insert(iter, item);
        if let Some(second) = &loops.iter_var2 {
            self.scope.insert(second.clone(), Known::of(Kind::Unknown));
        }
        let (_, condition) = self.expression(&loops.loop_cond);
        let (_, step) = self.expression(&loops.loop_step);
        let (result, result_cost) = self.expression(&loops.result);
        for (name, known) in outer {
            match known {
                Some(known) => self.scope.insert(name, known),
                None => self.scope.remove(&name),
            };
        }
        let turns = range.size.saturating_mul(condition.saturating_add(step));
        let cost = [range_cost, start_cost, turns, result_cost].into_iter().fold(0, u64::saturating_add);
        let kind = match result.kind {
            Kind::List(_) => Known::sized(Kind::List(Box::new(Known::of(Kind::Unknown))), range.size),
            _ => Known::of(result.kind),
        };
        (kind, cost)
    }

    fn call(&mut self, call: &CallExpr) -> (Known<'a>, u64) {
        let mut cost: u64 = 0;
        let target = call.target.as_ref().map(|target| self.expression(target));
        let arguments: Vec<(Known<'a>, u64)> = call.args.iter().map(|argument| self.expression(argument)).collect();
        if call.func_name == "_?_:_" && arguments.len() == 3 {
            let cost = arguments[0].1.saturating_add(arguments[1].1.max(arguments[2].1));
            let size = arguments[1].0.size.max(arguments[2].0.size);
            return (Known { size, values: None, ..arguments[1].0.clone() }, cost);
        }
        for (_, own) in target.iter().chain(&arguments) {
            cost = cost.saturating_add(*own);
        }
        let target = target.map(|(known, _)| known);
        let arguments: Vec<Known<'a>> = arguments.into_iter().map(|(known, _)| known).collect();
        let (known, own) = self.function(&call.func_name, target.as_ref(), &arguments);
        (known, cost.saturating_add(own))
    }

    /// The result of a function and what it costs by itself.
    fn function(&mut self, name: &str, target: Option<&Known<'a>>, arguments: &[Known<'a>]) -> (Known<'a>, u64) {
        let first = arguments.first().map_or(u64::MAX, |known| known.size);
        let second = arguments.get(1).map_or(u64::MAX, |known| known.size);
        let own = target.map_or(first, |known| known.size);
        let fixed = |kind: Kind<'a>| (Known::of(kind), 1);
        if let Some(found) = parsed(name, arguments) {
            return found;
        }
        let text = |size: u64, cost: u64| (Known::sized(Kind::Text, size), cost);
        match name {
            "_&&_" | "_||_" => (Known::of(Kind::Bool), 0),
            "_==_" | "_!=_" => {
                self.compare(name, arguments);
                (Known::of(Kind::Bool), share(first.min(second), TEXT_SHARE))
            }
            "_<_" | "_<=_" | "_>_" | "_>=_" if arguments.iter().any(|known| known.name() == Some("string")) => {
                (Known::of(Kind::Bool), share(first.min(second), TEXT_SHARE))
            }
            "!_" | "_<_" | "_<=_" | "_>_" | "_>=_" | "@not_strictly_false" => fixed(Kind::Bool),
            "@in" => match arguments.get(1).map(|known| &known.kind) {
                Some(Kind::Node(node, _)) if node.kind == Some(Type::Object) => fixed(Kind::Bool),
                Some(Kind::Map) => fixed(Kind::Bool),
                _ => (Known::of(Kind::Bool), second),
            },
            "_[_]" => (arguments.first().map_or_else(|| Known::of(Kind::Unknown), entry_of), 1),
            "_+_" => match arguments.first() {
                Some(known) if known.name() == Some("string") => {
                    let size = first.saturating_add(second);
                    text(size, share(size, TEXT_SHARE))
                }
                Some(known) if matches!(known.kind, Kind::List(_)) => {
                    (Known { size: first.saturating_add(second), values: None, ..known.clone() }, 1)
                }
                Some(known) => (Known::of(known.kind.clone()), 1),
                None => fixed(Kind::Unknown),
            },
            "contains" => (Known::of(Kind::Bool), share(own, TEXT_SHARE).saturating_mul(share(first, TEXT_SHARE))),
            "startsWith" | "endsWith" => (Known::of(Kind::Bool), share(first, TEXT_SHARE)),
            "matches" | "find" | "findAll" => {
                let pattern = if target.is_some() { first } else { second };
                let cost = share(own.saturating_add(1), TEXT_SHARE).saturating_mul(share(pattern, PATTERN_SHARE));
                (if name == "matches" { Known::of(Kind::Bool) } else { Known::sized(Kind::Unknown, own) }, cost)
            }
            "lowerAscii" | "upperAscii" | "substring" | "trim" => text(own, share(own, TEXT_SHARE)),
            "replace" => text(u64::MAX, share(own, 2.0 * TEXT_SHARE)),
            "split" => (Known::sized(Kind::List(Box::new(Known::of(Kind::Text))), own), share(own, 2.0 * TEXT_SHARE)),
            "join" => text(u64::MAX, share(own.saturating_mul(target.map_or(u64::MAX, |known| item_of(known).size)), TEXT_SHARE)),
            "isSorted" | "sum" | "max" | "min" | "indexOf" | "lastIndexOf" if target.is_some() => {
                let item = target.map(item_of).filter(|item| item.name() == Some("string"));
                let each = item.map_or(1, |item| share(item.size, TEXT_SHARE).saturating_add(1));
                (Known::of(Kind::Unknown), own.saturating_mul(each))
            }
            "string" => text(self.scalar_text, 1),
            "size" | "int" => fixed(Kind::Int),
            "double" => fixed(Kind::Double),
            "dyn" => (Known::sized(Kind::Unknown, first), 1),
            _ => fixed(Kind::Unknown),
        }
    }

    /// Values of two types are never equal: the reference refuses to ask.
    fn compare(&mut self, name: &str, arguments: &[Known<'a>]) {
        let [left, right] = arguments else { return };
        let (Some(left), Some(right)) = (left.name(), right.name()) else { return };
        if left != right {
            let operator = name.trim_matches('_');
            let place = self.source.find(operator).unwrap_or_default();
            self.refuse(format!("found no matching overload for '{name}' applied to '({left}, {right})'"), place);
        }
    }
}

/// Functions that read one text from its start to its end.
fn parsed<'a>(name: &str, arguments: &[Known<'a>]) -> Option<(Known<'a>, u64)> {
    const READ: [&str; 12] =
        ["url", "isURL", "quantity", "isQuantity", "semver", "isSemver", "ip", "isIP", "cidr", "isCIDR", "bytes", "string"];
    let [text, ..] = arguments else { return None };
    if !READ.contains(&name) || matches!(text.name(), Some("int" | "double" | "bool")) {
        return None;
    }
    let kind = match name {
        "string" => Kind::Text,
        name if name.starts_with("is") => Kind::Bool,
        _ => Kind::Unknown,
    };
    Some((Known::sized(kind, text.size), share(text.size, TEXT_SHARE)))
}

/// A share of a size, rounded up.
#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "a float saturates")]
fn share(size: u64, share: f64) -> u64 {
    (size as f64 * share).ceil() as u64
}
