//! YAML as the reference writes it: keys in natural order, lists level with their keys, long texts folded behind column 80.

mod scalar;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;

use serde_json::{Map, Value};

use self::scalar::{style, text_of};

/// Columns by which what lies deeper is set in.
const STEP: usize = 2;
/// The longest key that stands on one line with its value.
const KEY_LIMIT_BYTES: usize = 128;

/// `value` as a YAML document.
pub(crate) fn yaml_text(value: &Value) -> String {
    let mut page = Page { out: String::new(), column: 0 };
    match value {
        Value::Object(fields) if !fields.is_empty() => page.mapping(fields, 0),
        Value::Array(items) if !items.is_empty() => page.sequence(items, 0),
        other => page.scalar(other, 0, false),
    }
    page.end_line();
    page.out
}

/// The document so far.
struct Page {
    out: String,
    /// Letters on the line so far.
    column: usize,
}

impl Page {
    fn push(&mut self, text: &str) {
        self.out.push_str(text);
        match text.rsplit_once('\n') {
            Some((_, last)) => self.column = last.chars().count(),
            None => self.column += text.chars().count(),
        }
    }

    fn end_line(&mut self) {
        if self.column > 0 {
            self.push("\n");
        }
    }

    /// Goes to column `indent`, on a new line unless nothing stands on this one yet but what leads there.
    fn line(&mut self, indent: usize) {
        self.end_line();
        self.push(&" ".repeat(indent));
    }

    /// The fields of an object at column `indent`, where the page stands.
    fn mapping(&mut self, fields: &Map<String, Value>, indent: usize) {
        let mut sorted: Vec<(&String, &Value)> = fields.iter().collect();
        sorted.sort_by(|left, right| natural(left.0, right.0));
        for (index, (name, value)) in sorted.into_iter().enumerate() {
            if index > 0 {
                self.line(indent);
            }
            let name = Value::String(name.clone());
            let simple = name.as_str().is_some_and(|name| name.len() <= KEY_LIMIT_BYTES && !name.contains('\n'));
            if simple {
                self.scalar(&name, indent, true);
            } else {
                self.push("? ");
                self.scalar(&name, indent + STEP, false);
                self.line(indent);
            }
            self.push(":");
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    self.line(indent + STEP);
                    self.mapping(inner, indent + STEP);
                }
                Value::Array(items) if !items.is_empty() => {
                    self.line(indent);
                    self.sequence(items, indent);
                }
                other => {
                    self.push(" ");
                    self.scalar(other, indent + STEP, false);
                }
            }
        }
    }

    /// The items of a list at column `indent`, where the page stands.
    fn sequence(&mut self, items: &[Value], indent: usize) {
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.line(indent);
            }
            self.push("- ");
            match item {
                Value::Object(fields) if !fields.is_empty() => self.mapping(fields, indent + STEP),
                Value::Array(items) if !items.is_empty() => self.sequence(items, indent + STEP),
                other => self.scalar(other, indent + STEP, false),
            }
        }
    }

    fn scalar(&mut self, value: &Value, indent: usize, key: bool) {
        match value {
            Value::Null => self.push("null"),
            Value::Bool(flag) => self.push(if *flag { "true" } else { "false" }),
            Value::Number(number) => self.push(&number.to_string()),
            Value::Array(_) => self.push("[]"),
            Value::Object(_) => self.push("{}"),
            Value::String(text) => {
                let written = text_of(text, style(text, key), self.column, indent, key);
                self.push(&written);
            }
        }
    }
}

/// How the reference orders keys: letters behind all else, numbers by their value.
fn natural(left: &str, right: &str) -> Ordering {
    let (left, right): (Vec<char>, Vec<char>) = (left.chars().collect(), right.chars().collect());
    let Some(at) = left.iter().zip(&right).position(|(left, right)| left != right) else { return left.len().cmp(&right.len()) };
    let (first, second) = (left[at], right[at]);
    match (first.is_alphabetic(), second.is_alphabetic()) {
        (true, true) => return first.cmp(&second),
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => {}
    }
    // Zeros count only behind other digits.
    let behind = left[..at].iter().rev().take_while(|letter| letter.is_ascii_digit()).any(|letter| *letter != '0');
    let start = u64::from(behind && (first == '0' || second == '0'));
    let number = |letters: &[char]| {
        let digits = letters[at..].iter().map_while(|letter| letter.to_digit(10));
        digits.fold((start, 0_usize), |(sum, count), digit| (sum.wrapping_mul(10).wrapping_add(u64::from(digit)), count + 1))
    };
    number(&left).cmp(&number(&right)).then_with(|| first.cmp(&second))
}
