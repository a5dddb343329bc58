//! Random creates and patches: mostly of what an object of the kind has, with wrong ones among them.

mod json;
mod merge;

use ::serde_json::{Value, json};

use super::case::Step;
use super::shrink::pointers;
use super::subjects::Subject;
use crate::fuzz::mutate::Dice;

/// A type of patch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Json,
    Merge,
    Strategic,
    Apply,
}

impl Kind {
    pub(super) const ALL: [Self; 4] = [Self::Json, Self::Merge, Self::Strategic, Self::Apply];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Json => "JSON patch",
            Self::Merge => "merge patch",
            Self::Strategic => "strategic merge patch",
            Self::Apply => "apply",
        }
    }

    pub(super) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json-patch+json",
            Self::Merge => "application/merge-patch+json",
            Self::Strategic => "application/strategic-merge-patch+json",
            Self::Apply => "application/apply-patch+yaml",
        }
    }
}

/// Who writes.
const MANAGERS: [&str; 3] = ["one", "two", "three"];
/// How strict a request is.
const STRICTNESS: [&str; 3] = ["Strict", "Warn", "Ignore"];

/// Chances, in so many.
pub(super) trait Chances {
    fn one_in(&mut self, many: usize) -> bool;
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T;
}

impl Chances for Dice {
    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// A create of an object that lacks a few things of the full one.
pub(super) fn create(dice: &mut Dice, subject: &Subject) -> Step {
    let mut body = subject.object.clone();
    for part in ["/metadata", "/spec", "/template/spec", "/data", ""] {
        let Some(Value::Object(fields)) = body.pointer_mut(part) else { continue };
        let kept = ["apiVersion", "kind", "metadata", "spec", "template", "containers", "clusterIP", "selector"];
        let names: Vec<String> = fields.keys().filter(|name| !kept.contains(&name.as_str())).cloned().collect();
        for name in names {
            if dice.one_in(3) {
                fields.shift_remove(&name);
            }
        }
    }
    let kind = dice.one_in(6).then_some(Kind::Apply);
    Step { kind, query: query(dice, kind), status: false, body, repeated: None }
}

/// Any patch of an object of this kind.
pub(super) fn patch(dice: &mut Dice, subject: &Subject) -> Step {
    // Custom resources take no strategic merge patch: one of a few is enough.
    let mut kind = *dice.pick(&Kind::ALL);
    if subject.custom && kind == Kind::Strategic && !dice.one_in(20) {
        kind = Kind::Merge;
    }
    let status = subject.has_status && dice.one_in(6);
    let body = if dice.one_in(60) {
        junk(dice)
    } else {
        match kind {
            Kind::Json => json::operations(dice, &subject.object),
            Kind::Merge => merge::merge(dice, &subject.object),
            Kind::Strategic => merge::strategic(dice, &subject.object),
            Kind::Apply => merge::applied(dice, &subject.object),
        }
    };
    // What stands twice in the value of an operation is told once, and not again when the text that it made is read.
    let members: Vec<String> =
        pointers(&body).into_iter().filter(|pointer| kind != Kind::Json || pointer.matches('/').count() <= 2).collect();
    let twice = dice.one_in(40) && !members.is_empty();
    let repeated = twice.then(|| dice.pick(&members).clone());
    Step { kind: Some(kind), query: query(dice, Some(kind)), status, body, repeated }
}

fn query(dice: &mut Dice, kind: Option<Kind>) -> Vec<(&'static str, String)> {
    let mut query = Vec::new();
    if kind == Some(Kind::Apply) || dice.one_in(2) {
        query.push(("fieldManager", (*dice.pick(&MANAGERS)).to_owned()));
    }
    if kind == Some(Kind::Apply) && dice.one_in(2) {
        query.push(("force", "true".to_owned()));
    }
    if dice.one_in(4) {
        query.push(("fieldValidation", (*dice.pick(&STRICTNESS)).to_owned()));
    }
    if kind.is_some() && dice.one_in(8) {
        query.push(("dryRun", "All".to_owned()));
    }
    query
}

/// A value that fits nothing in particular.
pub(super) fn junk(dice: &mut Dice) -> Value {
    let values = [
        json!(null),
        json!("text"),
        json!(""),
        json!(0),
        json!(-1),
        json!(7),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([1]),
        json!(["a", null]),
        json!([{}]),
        json!({"name": "z"}),
        json!({"a": {"b": null}}),
        json!([[1]]),
    ];
    dice.pick(&values).clone()
}

/// A value like this one, sometimes another, sometimes of the wrong type.
pub(super) fn varied(dice: &mut Dice, value: &Value) -> Value {
    if dice.one_in(25) {
        return junk(dice);
    }
    match value {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            fields.values_mut().for_each(|field| *field = varied(dice, field));
            Value::Object(fields)
        }
        Value::Array(items) => Value::Array(items.iter().map(|item| varied(dice, item)).collect()),
        _ if !dice.one_in(3) => value.clone(),
        Value::String(text) => {
            let texts = [text.to_uppercase(), format!("{text}x"), "a".to_owned(), String::new(), "p q".to_owned()];
            json!(dice.pick(&texts))
        }
        Value::Number(_) => dice.pick(&[json!(0), json!(3), json!(-2), json!(81), json!(2.5), json!(5_000_000_000_u64)]).clone(),
        Value::Bool(set) => json!(!set),
        Value::Null => junk(dice),
    }
}
