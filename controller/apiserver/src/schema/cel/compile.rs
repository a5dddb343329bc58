//! Compilation of rules, and the refusal of rules that could not run.

use kube_cel::cel::Program;
use serde_json::Value;

use super::super::node::{Node, Rule};
use super::super::render::canonical_json;
use super::check::placed;
use super::parse::parse;
use super::weigh::weigh;

/// Functions that rules may call; operators and macros beside them are part of the language.
const FUNCTIONS: &str = " contains size max min startsWith endsWith string bytes double int uint matches duration timestamp \
    getFullYear getMonth getDayOfYear getDayOfMonth getDate getDayOfWeek getHours getMinutes getSeconds getMilliseconds \
    indexOf lastIndexOf isGreaterThan isLessThan compareTo ip reverse base64.decode base64.encode format isIP ip.isCanonical family \
    isLoopback isUnspecified isLinkLocalMulticast isLinkLocalUnicast isGlobalUnicast cidr isCIDR containsIP containsCIDR prefixLength \
    masked isSorted sum slice sort flatten distinct first last lists.range math.ceil math.floor math.round math.trunc math.abs math.sign \
    math.isInf math.isNaN math.isFinite math.bitAnd math.bitOr math.bitXor math.bitNot math.bitShiftLeft math.bitShiftRight math.sqrt \
    math.greatest math.least format.dns1123Label format.dns1123Subdomain format.dns1035Label format.dns1035LabelPrefix \
    format.dns1123LabelPrefix format.dns1123SubdomainPrefix format.qualifiedName format.labelValue format.uri format.uuid format.byte \
    format.date format.datetime format.named validate quantity isQuantity isInteger asInteger asApproximateFloat sign add sub find \
    findAll semver isSemver major minor patch sets.contains sets.equivalent sets.intersects charAt lowerAscii upperAscii replace split \
    substring trim join strings.quote url isURL getScheme getHost getHostname getPort getEscapedPath getQuery \
    optional.none optional.of optional.ofNonZeroValue value hasValue or orValue type dyn ";
/// Functions and macros of the reference that rules cannot call here.
const ELSEWHERE: [&str; 7] = ["sortBy", "bind", "transformList", "transformMap", "transformMapEntry", "optMap", "optFlatMap"];
/// Variables that a rule may read.
const VARIABLES: [&str; 2] = ["self", "oldSelf"];
/// Names that stand before a dot in function names and look like variables to the parser.
const NAMESPACES: [&str; 10] = ["base64", "math", "sets", "strings", "lists", "format", "ip", "optional", "jsonpatch", "type"];

/// The compiled rules of one node, in order.
#[derive(Debug)]
pub(crate) struct CompiledRules(Vec<Result<CompiledRule, String>>);

#[derive(Debug)]
pub(super) struct CompiledRule {
    pub(super) condition: Priced,
    pub(super) message: Option<Priced>,
    pub(super) reads_old: bool,
}

/// A program, and the most that one evaluation of it can cost on any value of its schema.
#[derive(Debug)]
pub(super) struct Priced {
    pub(super) program: Program,
    pub(super) most: u64,
}

impl CompiledRules {
    pub(super) fn new(rules: &[Rule], place: (&Node, bool)) -> Self {
        Self(rules.iter().map(|rule| compile(rule, place)).collect())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Result<CompiledRule, String>> {
        self.0.iter()
    }

    pub(super) fn read_old(&self) -> bool {
        self.0.iter().flatten().any(|rule| rule.reads_old || rule.message.is_some())
    }
}

fn compile(rule: &Rule, place: (&Node, bool)) -> Result<CompiledRule, String> {
    let priced = |program: Program| {
        let most = weigh(program.expression(), &rule.rule, place).cost;
        Priced { program, most }
    };
    let condition = priced(parse(&rule.rule)?);
    let message = if rule.message_expression.is_empty() { None } else { parse(&rule.message_expression).ok().map(priced) };
    let reads_old = condition.program.references().has_variable("oldSelf");
    Ok(CompiledRule { condition, message, reads_old })
}

/// A rule as the reference prints it.
pub(super) fn shown(rule: &Rule) -> String {
    let text = |text: &str| canonical_json(&Value::String(text.to_owned()));
    let reason = if rule.reason.is_empty() { "null".to_owned() } else { text(&rule.reason) };
    let optional = if rule.optional_old_self { "true" } else { "null" };
    format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{reason},\"FieldPath\":{},\"OptionalOldSelf\":{optional}}}",
        text(&rule.rule),
        text(&rule.message),
        text(&rule.message_expression),
        text(&rule.field_path),
    )
}

/// The program of `source`, which calls and reads only what there is.
///
/// # Errors
/// The text of the reference's compiler, with the place in the source.
pub(super) fn compile_checked(source: &str) -> Result<Program, String> {
    // The reference's parser indents the line that it shows.
    let program = parse(source).map_err(|error| error.replace("\n|", "\n |"))?;
    let references = program.references();
    let mut functions = references.functions();
    functions.sort_unstable();
    let unknown = functions.into_iter().find(|name| is_named(name) && !FUNCTIONS.contains(&format!(" {name} ")));
    if let Some(name) = unknown {
        if ELSEWHERE.contains(&name) {
            return Err(format!("the embedded server has no function or macro '{name}'"));
        }
        let place = source.find(&format!("{name}(")).map_or(0, |start| start + name.len());
        return Err(placed(source, &format!("undeclared reference to '{name}' (in container '')"), place));
    }
    let known = |name: &&str| VARIABLES.contains(name) || NAMESPACES.contains(name) || name.starts_with(['@', '_']);
    let comprehended =
        source.contains("all(") || source.contains("exists") || source.contains("map(") || source.contains("filter(");
    let mut variables = references.variables();
    variables.sort_unstable();
    if let Some(name) = variables.into_iter().find(|name| !known(name))
        && !comprehended
    {
        let place = source.find(name).unwrap_or_default();
        return Err(placed(source, &format!("undeclared reference to '{name}' (in container '')"), place));
    }
    drop(references);
    Ok(program)
}

fn is_named(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic())
}
