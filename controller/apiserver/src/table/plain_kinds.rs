//! Columns of the kinds of the extended mode, after the reference's printers: each a line of a table, its cell an expression of a
//! few words over one object.

use std::collections::HashMap;
use std::sync::LazyLock;

use jiff::Timestamp;
use serde_json::Value;

use super::age::{human_duration, since};
use super::columns::{CREATED_TEXT, Column, NAME_TEXT};
use super::printers::{NONE, Printer, age, name, or_none, size, text};
use crate::selectors::written;

/// `<apiVersion> <kind>|<column>|<type>|<format>|<priority>|<expression>|<description>`; `@name` and `@created` stand for the
/// descriptions that all kinds share.
const TABLE: &str = include_str!("columns.txt");
/// The most addresses or ports that a cell names.
const SHOWN: usize = 3;

struct Line {
    column: Column,
    expression: Vec<&'static str>,
}

static LINES: LazyLock<HashMap<&'static str, Vec<Line>>> = LazyLock::new(|| {
    let mut lines: HashMap<&str, Vec<Line>> = HashMap::new();
    for (kind, line) in TABLE.lines().filter_map(line) {
        lines.entry(kind).or_default().push(line);
    }
    lines
});

fn line(text: &'static str) -> Option<(&'static str, Line)> {
    let mut parts = text.splitn(7, '|');
    let (kind, name, sort, format) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let (priority, expression, description) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
    let description = match description {
        "@name" => NAME_TEXT.to_owned(),
        "@created" => CREATED_TEXT.to_owned(),
        other => other.replace("\\n", "\n"),
    };
    let mut column = Column::plain(name, sort, &description, priority);
    column.format = format.trim_start_matches('-').to_owned();
    Some((kind, Line { column, expression: expression.split(' ').collect() }))
}

/// The columns and the printer of a kind that has more than its name and age.
pub(super) fn of(api_version: &str, kind: &str) -> Option<(Vec<Column>, Printer)> {
    let lines = LINES.get(format!("{api_version} {kind}").as_str())?;
    Some((lines.iter().map(|line| line.column.clone()).collect(), row))
}

fn row(object: &Value, now: Timestamp) -> Vec<Value> {
    let kind = format!("{} {}", text(object, "/apiVersion"), text(object, "/kind"));
    let lines = LINES.get(kind.as_str()).map(Vec::as_slice).unwrap_or_default();
    lines.iter().map(|line| cell(&line.expression, object, now)).collect()
}

fn or<'a>(text: &'a str, other: &'a str) -> &'a str {
    if text.is_empty() { other } else { text }
}

fn count(object: &Value, pointer: &str) -> i64 {
    object.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    object.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// A text, or a number as one.
fn shown(value: Option<&Value>) -> String {
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Null) | None => String::new(),
        Some(other) => other.to_string(),
    }
}

fn joined(items: impl Iterator<Item = String>, between: &str) -> String {
    items.collect::<Vec<_>>().join(between)
}

/// The cell that an expression makes: a word, and the pointers that it looks at.
fn cell(expression: &[&str], object: &Value, now: Timestamp) -> Value {
    let argument = |index: usize| expression.get(index).copied().unwrap_or_default();
    let (first, second) = (argument(1), argument(2));
    let containers = |field: &str| {
        let all = list(object, &format!("{first}/containers"));
        joined(all.iter().map(|container| shown(container.get(field))), ",")
    };
    match argument(0) {
        "name" => name(object),
        "age" => age(object, now),
        "text" => or(&shown(object.pointer(first)), second).into(),
        "word" => if object.pointer(first) == Some(&Value::Bool(true)) { "True" } else { "False" }.into(),
        "flag" => (object.pointer(first) == Some(&Value::Bool(true))).into(),
        "count" => count(object, first).into(),
        "size" => size(object, first).into(),
        "ratio" => format!("{}/{}", count(object, first), count(object, second)).into(),
        "pair" => pair(&[text(object, first), text(object, second)]).into(),
        "join" => joined(list(object, first).iter().map(|item| shown(Some(item))), ",").into(),
        "since" if text(object, first).is_empty() => second.into(),
        "since" => since(Some(text(object, first)), now).into(),
        "containers" => containers("name").into(),
        "images" => containers("image").into(),
        "labels" => or_none(&object.pointer(first).map(written).unwrap_or_default()),
        "modes" => joined(list(object, first).iter().map(|mode| short_mode(&shown(Some(mode)))), ",").into(),
        "phase" if !text(object, "/metadata/deletionTimestamp").is_empty() => "Terminating".into(),
        "phase" => text(object, "/status/phase").into(),
        "subjects" => subjects(object, first).into(),
        "address" => or_none(&address(object, first)),
        "quota" => quota(object, first == "limits").into(),
        other => special(other, object, now),
    }
}

fn pair(parts: &[&str]) -> String {
    if parts.iter().all(|part| part.is_empty()) { String::new() } else { parts.join("/") }
}

/// Cells that only one kind has.
fn special(word: &str, object: &Value, now: Timestamp) -> Value {
    match word {
        "node" => node(object).into(),
        "roles" => roles(object).into(),
        "owner" => owner(object).into(),
        "job" => job(object).into(),
        "duration" => duration(object, now).into(),
        "targets" => targets(object).into(),
        "hosts" => {
            let rules = list(object, "/spec/rules").iter().map(|rule| shown(rule.get("host"))).filter(|host| !host.is_empty());
            or(&joined(rules, ","), "*").into()
        }
        "balancer" => {
            let all = list(object, "/status/loadBalancer/ingress");
            joined(all.iter().map(|one| or(&shown(one.get("ip")), &shown(one.get("hostname"))).to_owned()), ",").into()
        }
        "doors" => if list(object, "/spec/tls").is_empty() { "80" } else { "80, 443" }.into(),
        "parameters" | "audiences" | "paramkind" => named_part(word, object).into(),
        "class" => {
            let marked = object["metadata"]["annotations"]["storageclass.kubernetes.io/is-default-class"] == "true";
            format!("{}{}", text(object, "/metadata/name"), if marked { " (default)" } else { "" }).into()
        }
        "endpoints" => endpoints(object).into(),
        "sliceports" => few(list(object, "/ports").iter().map(|port| shown(port.get("port"))), "<unset>").into(),
        "slices" => {
            let all = list(object, "/endpoints").iter().flat_map(|one| list(one, "/addresses"));
            few(all.map(|address| shown(Some(address))), "<unset>").into()
        }
        "aggregated" => or(&pair(&[text(object, "/spec/service/namespace"), text(object, "/spec/service/name")]), "Local").into(),
        "available" => or(&holds(object, "Available"), "Unknown").into(),
        "expiration" => object
            .pointer("/spec/expirationSeconds")
            .and_then(Value::as_i64)
            .map_or_else(|| NONE.to_owned(), human_duration)
            .into(),
        "csr" => csr(object).into(),
        _ => "".into(),
    }
}

/// The first few of many.
fn few(items: impl Iterator<Item = String>, none: &str) -> String {
    let all: Vec<String> = items.collect();
    match all.len() {
        0 => none.to_owned(),
        length if length > SHOWN => {
            format!("{} + {} more...", joined(all.into_iter().take(SHOWN), ","), length - SHOWN)
        }
        _ => all.join(","),
    }
}

/// The status of a condition; empty where there is none.
fn holds(object: &Value, kind: &str) -> String {
    let found = list(object, "/status/conditions").iter().find(|condition| condition["type"] == kind);
    shown(found.and_then(|condition| condition.get("status")))
}

fn short_mode(mode: &str) -> String {
    match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        other => other,
    }
    .to_owned()
}

fn subjects(object: &Value, kind: &str) -> String {
    let all = list(object, "/subjects").iter().filter(|subject| subject["kind"] == kind);
    joined(
        all.map(|subject| {
            let name = text(subject, "/name");
            if kind == "ServiceAccount" { pair(&[text(subject, "/namespace"), name]) } else { name.to_owned() }
        }),
        ", ",
    )
}

fn address(object: &Value, kind: &str) -> String {
    shown(list(object, "/status/addresses").iter().find(|address| address["type"] == kind).and_then(|found| found.get("address")))
}

/// What is used of what is allowed: of limits, or of all else.
fn quota(object: &Value, limits: bool) -> String {
    let hard = object.pointer("/status/hard").and_then(Value::as_object);
    let mut names: Vec<&String> = hard.into_iter().flatten().map(|(name, _)| name).collect();
    names.sort();
    let used = |name: &str| or(&shown(object["status"]["used"].get(name)), "0").to_owned();
    let all = names.into_iter().filter(|name| name.starts_with("limits.") == limits);
    joined(all.map(|name| format!("{name}: {}/{}", used(name), shown(hard.and_then(|hard| hard.get(name))))), ", ")
}

fn node(object: &Value) -> String {
    let ready = match holds(object, "Ready").as_str() {
        "True" => "Ready",
        "" => "Unknown",
        _ => "NotReady",
    };
    let cordoned = object.pointer("/spec/unschedulable") == Some(&Value::Bool(true));
    format!("{ready}{}", if cordoned { ",SchedulingDisabled" } else { "" })
}

fn roles(object: &Value) -> String {
    let labels = object.pointer("/metadata/labels").and_then(Value::as_object);
    let mut roles: Vec<&str> =
        labels.into_iter().flatten().filter_map(|(label, _)| label.strip_prefix("node-role.kubernetes.io/")).collect();
    roles.sort_unstable();
    or(&roles.join(","), NONE).to_owned()
}

fn owner(object: &Value) -> String {
    let owner = list(object, "/metadata/ownerReferences").iter().find(|owner| owner["controller"] == Value::Bool(true));
    let Some(owner) = owner else { return NONE.to_owned() };
    let group = text(owner, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let kind = text(owner, "/kind").to_lowercase();
    let kind = if group.is_empty() { kind } else { format!("{kind}.{group}") };
    pair(&[&kind, text(owner, "/name")])
}

fn job(object: &Value) -> &'static str {
    let is = |kind: &str| holds(object, kind) == "True";
    let deleted = !text(object, "/metadata/deletionTimestamp").is_empty();
    let states = [
        (is("Complete"), "Complete"),
        (is("Failed"), "Failed"),
        (deleted, "Terminating"),
        (is("Suspended"), "Suspended"),
        (is("FailureTarget"), "FailureTarget"),
        (is("SuccessCriteriaMet"), "SuccessCriteriaMet"),
    ];
    states.into_iter().find(|(holds, _)| *holds).map_or("Running", |(_, word)| word)
}

fn duration(object: &Value, now: Timestamp) -> String {
    let time = |pointer: &str| text(object, pointer).parse::<Timestamp>().ok();
    let Some(begun) = time("/status/startTime") else { return String::new() };
    human_duration(time("/status/completionTime").unwrap_or(now).duration_since(begun).as_secs())
}

/// Current values of metrics beside the wanted ones.
fn targets(object: &Value) -> String {
    let metrics = list(object, "/spec/metrics");
    if let Some(percent) = object.pointer("/spec/targetCPUUtilizationPercentage").and_then(Value::as_i64) {
        let current = object.pointer("/status/currentCPUUtilizationPercentage").and_then(Value::as_i64);
        return format!("cpu: {}/{percent}%", current.map_or_else(|| "<unknown>".to_owned(), |found| format!("{found}%")));
    }
    let wanted = metrics.iter().map(|metric| {
        let name = text(metric, "/resource/name");
        let current = list(object, "/status/currentMetrics").iter().find(|found| text(found, "/resource/name") == name);
        let percent = |value: Option<&Value>| value.and_then(Value::as_i64).map(|found| format!("{found}%"));
        let target = &metric["resource"]["target"];
        let shown_target = percent(target.get("averageUtilization")).unwrap_or_else(|| shown(target.get("averageValue")));
        let now = current.and_then(|found| percent(found.pointer("/resource/current/averageUtilization")));
        format!("{name}: {}/{shown_target}", now.unwrap_or_else(|| "<unknown>".to_owned()))
    });
    or(&joined(wanted, ", "), NONE).to_owned()
}

fn named_part(word: &str, object: &Value) -> String {
    match word {
        "parameters" => {
            let group = text(object, "/spec/parameters/apiGroup");
            let kind = text(object, "/spec/parameters/kind");
            let kind = if group.is_empty() { kind.to_owned() } else { format!("{kind}.{group}") };
            or(&pair(&[&kind, text(object, "/spec/parameters/name")]), NONE).to_owned()
        }
        "audiences" => {
            let all = list(object, "/spec/tokenRequests").iter().map(|request| shown(request.get("audience")));
            or(&joined(all, ","), "<unset>").to_owned()
        }
        _ => or(&pair(&[text(object, "/spec/paramKind/apiVersion"), text(object, "/spec/paramKind/kind")]), "<unset>").to_owned(),
    }
}

fn endpoints(object: &Value) -> String {
    let each = |subset: &Value| {
        let ports: Vec<String> = list(subset, "/ports").iter().map(|port| shown(port.get("port"))).collect();
        let addresses = list(subset, "/addresses").iter().map(|address| shown(address.get("ip")));
        addresses
            .flat_map(|ip| if ports.is_empty() { vec![ip] } else { ports.iter().map(|port| format!("{ip}:{port}")).collect() })
            .collect::<Vec<_>>()
    };
    few(list(object, "/subsets").iter().flat_map(each), NONE)
}

fn csr(object: &Value) -> String {
    let all = list(object, "/status/conditions").iter();
    let words: Vec<&str> = all.map(|condition| text(condition, "/type")).collect();
    let state = ["Denied", "Approved"].into_iter().find(|word| words.contains(word)).unwrap_or("Pending");
    let failed = if words.contains(&"Failed") { ",Failed" } else { "" };
    let issued = if text(object, "/status/certificate").is_empty() { "" } else { ",Issued" };
    format!("{state}{failed}{issued}")
}
