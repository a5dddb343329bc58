//! Random parts of an object: as merge patches, as strategic merge patches with directives, and as what is applied.

use serde_json::{Map, Value, json};

use super::{Chances, junk, varied};
use crate::fuzz::mutate::Dice;

/// Fields that tell the entries of a list apart: most entries keep them.
const KEYS: [&str; 9] = ["name", "type", "key", "ip", "uid", "port", "mountPath", "topologyKey", "containerPort"];
/// Members of metadata that most clients leave alone.
const STRANGE: [&str; 9] = [
    "name",
    "uid",
    "resourceVersion",
    "generation",
    "creationTimestamp",
    "deletionTimestamp",
    "generateName",
    "namespace",
    "managedFields",
];
/// The members of metadata that the servers look after later.
const OWNERS: &str = "ownerReferences";
const DIRECTIVES: [&str; 6] = ["delete", "delete", "replace", "merge", "bogus", ""];

/// What a part may have.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Style {
    /// Members may be null.
    Merge,
    /// Members may be null, and there may be directives.
    Strategic,
    /// Neither.
    Apply,
}

pub(super) fn merge(dice: &mut Dice, object: &Value) -> Value {
    whole(dice, object, Style::Merge)
}

pub(super) fn strategic(dice: &mut Dice, object: &Value) -> Value {
    whole(dice, object, Style::Strategic)
}

/// A part of the object with its type, mostly.
pub(super) fn applied(dice: &mut Dice, object: &Value) -> Value {
    let mut part = whole(dice, object, Style::Apply);
    for field in ["apiVersion", "kind"] {
        if !dice.one_in(40) {
            part[field] = object[field].clone();
        }
    }
    part
}

fn whole(dice: &mut Dice, object: &Value, style: Style) -> Value {
    let mut part = part(dice, object, style);
    if !part.is_object() {
        part = json!({});
    }
    if dice.one_in(25) && (part["metadata"].is_null() || part["metadata"].is_object()) {
        part["metadata"][*dice.pick(&STRANGE)] = junk(dice);
    }
    if style == Style::Apply && part["metadata"].is_null() {
        part["metadata"] = json!({});
    }
    part
}

fn part(dice: &mut Dice, value: &Value, style: Style) -> Value {
    if dice.one_in(60) {
        return junk(dice);
    }
    match value {
        Value::Object(fields) => Value::Object(members(dice, fields, style)),
        Value::Array(items) => Value::Array(entries(dice, items, style)),
        scalar => varied(dice, scalar),
    }
}

fn members(dice: &mut Dice, fields: &Map<String, Value>, style: Style) -> Map<String, Value> {
    let mut out = Map::new();
    // Most patches touch a few things; what is applied is more.
    let some = if style == Style::Apply { 2 } else { 3 };
    for (name, value) in fields {
        let is_key = KEYS.contains(&name.as_str());
        if if is_key { dice.one_in(12) } else { !dice.one_in(some) } {
            continue;
        }
        if style != Style::Apply && !is_key && dice.one_in(8) {
            out.insert(name.clone(), Value::Null);
        } else if style == Style::Strategic && value.is_array() && name != OWNERS && dice.one_in(3) {
            directed(dice, name, value, &mut out);
        } else if name == OWNERS {
            out.insert(name.clone(), owners(dice, value));
        } else {
            out.insert(name.clone(), part(dice, value, style));
        }
    }
    if dice.one_in(30) {
        let names = ["unknown", "name", "a/b", "~", "$patch", "$x", "spec", "data", "É"];
        out.insert((*dice.pick(&names)).to_owned(), junk(dice));
    }
    if style == Style::Strategic {
        if dice.one_in(25) {
            out.insert("$patch".to_owned(), json!(dice.pick(&DIRECTIVES)));
        }
        if dice.one_in(25) {
            let names: Vec<&String> = if dice.one_in(2) { out.keys().collect() } else { fields.keys().collect() };
            let kept = if dice.one_in(10) { junk(dice) } else { json!(names) };
            out.insert("$retainKeys".to_owned(), kept);
        }
    }
    out
}

/// Owners, some of them, and sometimes not whole. None is changed: one that is not there would be taken away later.
fn owners(dice: &mut Dice, value: &Value) -> Value {
    let mut out = Vec::new();
    for owner in value.as_array().into_iter().flatten() {
        if dice.one_in(2) {
            continue;
        }
        let mut owner = owner.clone();
        if let Some(fields) = owner.as_object_mut() {
            fields.retain(|_, _| !dice.one_in(12));
        }
        out.push(owner);
    }
    Value::Array(out)
}

/// Entries of a list, some of them, sometimes in another order, and new ones.
fn entries(dice: &mut Dice, items: &[Value], style: Style) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for item in items {
        if dice.one_in(2) {
            out.push(part(dice, item, style));
        }
    }
    if dice.one_in(3) && !items.is_empty() {
        let item = dice.pick(items).clone();
        out.push(renamed(dice, &item));
    }
    if dice.one_in(4) {
        out.reverse();
    }
    if style == Style::Strategic && dice.one_in(5) {
        if dice.one_in(3) {
            out.insert(dice.below(out.len() + 1), json!({"$patch": dice.pick(&DIRECTIVES)}));
        } else if let Some(fields) = items.first().and_then(Value::as_object).filter(|_| !items.is_empty()) {
            let key = fields.keys().find(|name| KEYS.contains(&name.as_str())).cloned();
            let item = dice.pick(items).clone();
            let mut entry = json!({"$patch": dice.pick(&DIRECTIVES)});
            if let Some(key) = key {
                entry[key.as_str()] = item[key.as_str()].clone();
            }
            out.push(entry);
        }
    }
    out
}

/// An entry with another key.
fn renamed(dice: &mut Dice, item: &Value) -> Value {
    match item {
        Value::Object(fields) => {
            let mut fields = fields.clone();
            for (name, value) in &mut fields {
                if KEYS.contains(&name.as_str()) && dice.one_in(2) {
                    *value = match value {
                        Value::Number(_) => json!(8080 + dice.below(2)),
                        _ => json!(dice.pick(&["new", "other"])),
                    };
                }
            }
            Value::Object(fields)
        }
        Value::String(_) => json!(dice.pick(&["new", "x.io/new"])),
        other => other.clone(),
    }
}

/// A list with what says how it is merged.
fn directed(dice: &mut Dice, name: &str, value: &Value, out: &mut Map<String, Value>) {
    let items = value.as_array().cloned().unwrap_or_default();
    let changes = entries(dice, &items, Style::Strategic);
    if dice.one_in(3) {
        let gone = if dice.one_in(10) { junk(dice) } else { json!(entries(dice, &items, Style::Apply)) };
        out.insert(format!("$deleteFromPrimitiveList/{name}"), gone);
        if dice.one_in(2) {
            return;
        }
    } else {
        // The order of what there is and what comes, by the keys alone; sometimes one is missing.
        let mut order: Vec<Value> = Vec::new();
        for entry in items.iter().chain(&changes) {
            let keys = |fields: &Map<String, Value>| {
                let keys = fields.iter().filter(|(name, _)| KEYS.contains(&name.as_str()));
                Value::Object(keys.map(|(name, value)| (name.clone(), value.clone())).collect())
            };
            let place = entry.as_object().map_or_else(|| entry.clone(), keys);
            if !order.contains(&place) && !dice.one_in(12) {
                order.push(place);
            }
        }
        if dice.one_in(3) {
            let turn = usize::from(order.len() > 1);
            order.rotate_left(turn);
        }
        let order = if dice.one_in(15) { junk(dice) } else { json!(order) };
        out.insert(format!("$setElementOrder/{name}"), order);
    }
    if !dice.one_in(4) {
        out.insert(name.to_owned(), if dice.one_in(20) { junk(dice) } else { json!(changes) });
    }
}
