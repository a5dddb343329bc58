//! Kubernetes JSONPath, as far as printer columns use it.
//!
//! Fields (`.a`, `['a']`, dots escaped as `\.`), indices, slices, wildcards and filters; missing keys give nothing.

use std::cmp::Ordering;

use serde_json::Value;
use thiserror::Error;

/// Longest path that is read, in bytes.
const MAX_LENGTH: usize = 4096;

/// Why a text is no path.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("unrecognized column definition {path:?}: {detail}")]
pub struct JsonPathError {
    /// The text.
    pub path: String,
    /// What is wrong with it.
    pub detail: String,
}

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    Wildcard,
    Slice { start: Option<i64>, end: Option<i64>, step: usize },
    Index(i64),
    Filter { left: Operand, test: Option<(Comparison, Operand)> },
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

const COMPARISONS: [(&str, Comparison); 6] = [
    ("==", Comparison::Equal),
    ("!=", Comparison::NotEqual),
    ("<=", Comparison::LessOrEqual),
    (">=", Comparison::GreaterOrEqual),
    ("<", Comparison::Less),
    (">", Comparison::Greater),
];

impl JsonPath {
    /// Parses a path such as `.status.conditions[?(@.type=="Ready")].status`.
    ///
    /// # Errors
    /// [`JsonPathError`] naming the path and what is wrong.
    pub fn parse(path: &str) -> Result<Self, JsonPathError> {
        let fail = |detail: String| JsonPathError { path: path.to_owned(), detail };
        if path.len() > MAX_LENGTH {
            return Err(fail(format!("longer than {MAX_LENGTH} bytes")));
        }
        Ok(Self { steps: steps(path.strip_prefix('$').unwrap_or(path)).map_err(fail)? })
    }

    /// The first value that the path finds.
    pub fn first<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        walk(&self.steps, object).into_iter().next()
    }
}

fn steps(text: &str) -> Result<Vec<Step>, String> {
    let mut steps = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (step, tail) = match first {
            '.' => field(&rest[1..])?,
            '[' => bracket(&rest[1..])?,
            _ if steps.is_empty() => return Err("must start with '.' or '['".to_owned()),
            other => return Err(format!("unexpected {other:?}")),
        };
        steps.push(step);
        rest = tail;
    }
    if steps.is_empty() { Err("is empty".to_owned()) } else { Ok(steps) }
}

fn field(text: &str) -> Result<(Step, &str), String> {
    if let Some(rest) = text.strip_prefix('*') {
        return Ok((Step::Wildcard, rest));
    }
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((place, character)) = characters.next() {
        match character {
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            '.' | '[' | ' ' => {
                end = place;
                break;
            }
            other => name.push(other),
        }
    }
    if name.is_empty() { Err("a field has no name".to_owned()) } else { Ok((Step::Field(name), &text[end..])) }
}

/// The place of the closing bracket, outside of quotes.
fn closing(text: &str) -> Result<usize, String> {
    let mut quote = None;
    let mut depth = 0;
    let mut escaped = false;
    for (place, character) in text.char_indices() {
        match (quote, character) {
            _ if escaped => escaped = false,
            (_, '\\') => escaped = true,
            (Some(open), character) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Ok(place),
            (None, ']') => depth -= 1,
            (None, _) => {}
        }
    }
    Err("unterminated array".to_owned())
}

fn bracket(text: &str) -> Result<(Step, &str), String> {
    let end = closing(text)?;
    let (inside, rest) = (text[..end].trim(), &text[end + 1..]);
    let step = if let Some(filter) = inside.strip_prefix("?(").and_then(|filter| filter.strip_suffix(')')) {
        self::filter(filter)?
    } else if inside == "*" {
        Step::Wildcard
    } else if let Some(name) = quoted(inside) {
        Step::Field(name)
    } else if inside.contains(':') {
        slice(inside)?
    } else {
        Step::Index(inside.parse().map_err(|_| format!("invalid array index {inside}"))?)
    };
    Ok((step, rest))
}

fn quoted(text: &str) -> Option<String> {
    let inside = |quote: char| text.strip_prefix(quote).and_then(|text| text.strip_suffix(quote)).filter(|_| text.len() > 1);
    let inside = inside('\'').or_else(|| inside('"'))?;
    let mut out = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        out.extend(if character == '\\' { characters.next() } else { Some(character) });
    }
    Some(out)
}

fn slice(text: &str) -> Result<Step, String> {
    let part = |text: &str| -> Result<Option<i64>, String> {
        if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(|_| format!("invalid array index {text}")) }
    };
    let parts: Vec<&str> = text.split(':').map(str::trim).collect();
    let (start, end) = (part(parts[0])?, part(parts.get(1).copied().unwrap_or_default())?);
    let step = part(parts.get(2).copied().unwrap_or_default())?.unwrap_or(1);
    let step = usize::try_from(step).ok().filter(|step| *step > 0).ok_or("a step must be positive")?;
    if parts.len() > 3 { Err(format!("invalid array index {text}")) } else { Ok(Step::Slice { start, end, step }) }
}

fn filter(text: &str) -> Result<Step, String> {
    let found = COMPARISONS
        .iter()
        .filter_map(|(sign, comparison)| outside_quotes(text, sign).map(|place| (place, *sign, *comparison)))
        .min_by_key(|(place, sign, _)| (*place, std::cmp::Reverse(sign.len())));
    match found {
        Some((place, sign, comparison)) => {
            let (left, right) = (operand(text[..place].trim())?, operand(text[place + sign.len()..].trim())?);
            Ok(Step::Filter { left, test: Some((comparison, right)) })
        }
        None => Ok(Step::Filter { left: operand(text.trim())?, test: None }),
    }
}

fn outside_quotes(text: &str, sign: &str) -> Option<usize> {
    let mut quote = None;
    for (place, character) in text.char_indices() {
        match (quote, character) {
            (Some(open), character) if open == character => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(character),
            (None, _) if text[place..].starts_with(sign) => return Some(place),
            (None, _) => {}
        }
    }
    None
}

fn operand(text: &str) -> Result<Operand, String> {
    if text == "@" {
        return Ok(Operand::Path(Vec::new()));
    }
    if let Some(path) = text.strip_prefix('@') {
        return steps(path).map(Operand::Path);
    }
    if let Some(text) = quoted(text) {
        return Ok(Operand::Literal(text.into()));
    }
    serde_json::from_str(text).map(Operand::Literal).map_err(|_| format!("unrecognized operand {text:?}"))
}

fn walk<'a>(steps: &[Step], start: &'a Value) -> Vec<&'a Value> {
    steps.iter().fold(vec![start], |found, step| found.into_iter().flat_map(|value| apply(step, value)).collect())
}

fn apply<'a>(step: &Step, value: &'a Value) -> Vec<&'a Value> {
    match (step, value) {
        (Step::Field(name), Value::Object(fields)) => fields.get(name).into_iter().collect(),
        (Step::Wildcard, Value::Object(fields)) => fields.values().collect(),
        (Step::Wildcard, Value::Array(items)) => items.iter().collect(),
        (Step::Index(index), Value::Array(items)) => {
            let index = if *index < 0 { place(*index, items.len()) } else { usize::try_from(*index).ok() };
            index.and_then(|index| items.get(index)).into_iter().collect()
        }
        (Step::Slice { start, end, step }, Value::Array(items)) => {
            let bound = |bound: Option<i64>, default: usize| bound.map_or(Some(default), |bound| place(bound, items.len()));
            let (Some(start), Some(end)) = (bound(*start, 0), bound(*end, items.len())) else { return Vec::new() };
            items.iter().take(end).skip(start).step_by(*step).collect()
        }
        (Step::Filter { left, test }, Value::Array(items)) => {
            items.iter().filter(|item| keeps(left, test.as_ref(), item)).collect()
        }
        _ => Vec::new(),
    }
}

/// An index from the start; negative ones count from the end.
fn place(index: i64, length: usize) -> Option<usize> {
    let length = i64::try_from(length).ok()?;
    usize::try_from(if index < 0 { length + index } else { index.min(length) }).ok()
}

fn keeps(left: &Operand, test: Option<&(Comparison, Operand)>, item: &Value) -> bool {
    let value = |operand: &Operand| match operand {
        Operand::Path(steps) => walk(steps, item).first().map(|value| (*value).clone()),
        Operand::Literal(value) => Some(value.clone()),
    };
    let Some(left) = value(left) else { return false };
    let Some((comparison, right)) = test else { return true };
    let Some(right) = value(right) else { return false };
    let order = match (&left, &right) {
        (Value::Number(left), Value::Number(right)) => left.as_f64().partial_cmp(&right.as_f64()),
        (Value::String(left), Value::String(right)) => Some(left.cmp(right)),
        (Value::Bool(left), Value::Bool(right)) if left == right => Some(Ordering::Equal),
        _ => None,
    };
    match comparison {
        Comparison::Equal => order == Some(Ordering::Equal),
        Comparison::NotEqual => order != Some(Ordering::Equal),
        Comparison::Less => order == Some(Ordering::Less),
        Comparison::LessOrEqual => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        Comparison::Greater => order == Some(Ordering::Greater),
        Comparison::GreaterOrEqual => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
    }
}
