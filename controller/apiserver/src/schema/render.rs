//! Values as the reference prints them: Go's `%q`, `%v` and `json.Marshal`.

use std::fmt::Write as _;

use serde_json::Value;

/// From this magnitude on Go prints a float with an exponent.
const GO_EXPONENT_FROM: f64 = 1e21;

/// A string in double quotes with Go's escapes (`%q`).
pub fn go_quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            other if (other as u32) < 0x80 && other.is_control() => push_hex(&mut out, 'x', 2, other),
            other if other.is_control() || other == '\u{feff}' || other == '\u{fffd}' => push_hex(&mut out, 'u', 4, other),
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

fn push_hex(out: &mut String, marker: char, width: usize, character: char) {
    // Writing to a string cannot fail.
    let _ = write!(out, "\\{marker}{:0width$x}", character as u32);
}

/// A float as Go's `%v` prints it: whole numbers without a fraction, an exponent from 1e21 on.
pub(crate) fn go_float(number: f64) -> String {
    if number.fract() == 0.0 && number.abs() < GO_EXPONENT_FROM {
        return format!("{number:.0}");
    }
    let text = if number.abs() < GO_EXPONENT_FROM && number.abs() >= 1e-4 { number.to_string() } else { format!("{number:e}") };
    match text.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, power) = exponent.strip_prefix('-').map_or(('+', exponent), |power| ('-', power));
            format!("{digits}e{sign}{power:0>2}")
        }
        None => text,
    }
}

/// JSON with sorted keys and Go's HTML escapes: equal values give equal text.
pub fn canonical_json(value: &Value) -> String {
    let mut out = String::new();
    push_canonical(&mut out, value);
    out
}

/// JSON with the fields as they stand, and Go's HTML escapes.
pub(crate) fn escaped_json(value: &Value) -> String {
    let text = value.to_string();
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|character| push_escaped(&mut out, character));
    out
}

fn push_canonical(out: &mut String, value: &Value) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_canonical(out, item);
            }
            out.push(']');
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            out.push('{');
            for (index, key) in keys.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                push_text(out, key);
                out.push(':');
                push_canonical(out, &fields[key]);
            }
            out.push('}');
        }
        Value::String(text) => push_text(out, text),
        Value::Number(number) if number.is_f64() => out.push_str(&number.as_f64().map_or_else(String::new, go_float)),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn push_text(out: &mut String, text: &str) {
    Value::String(text.to_owned()).to_string().chars().for_each(|character| push_escaped(out, character));
}

fn push_escaped(out: &mut String, character: char) {
    match character {
        '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => push_hex(out, 'u', 4, character),
        other => out.push(other),
    }
}

/// A value as Go's `%v` prints it: `map[a:1 b:[x y]]`.
pub(crate) fn go_value(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Array(items) => format!("[{}]", items.iter().map(go_value).collect::<Vec<_>>().join(" ")),
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            let shown: Vec<String> = keys.into_iter().map(|key| format!("{key}:{}", go_value(&fields[key]))).collect();
            format!("map[{}]", shown.join(" "))
        }
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}
