//! Random JSON patches.

use serde_json::{Map, Value, json};

use super::super::shrink::pointers;
use super::{Chances, junk, varied};
use crate::fuzz::mutate::Dice;

/// Operations of one patch at most.
const OPERATIONS: usize = 4;
const NAMES: [&str; 10] = ["add", "add", "add", "replace", "replace", "remove", "remove", "test", "move", "copy"];
/// Ends of paths that are no member: indices in and out of range, and escapes right and wrong.
const ENDS: [&str; 14] = ["-", "0", "1", "9", "-1", "-9", "01", "+1", "x", "", "a~1b", "~0t", "~2", "b.io~1c"];

/// A list of operations on an object like `object`.
pub(super) fn operations(dice: &mut Dice, object: &Value) -> Value {
    let paths = pointers(object);
    let many = if dice.one_in(3) { 1 + dice.below(OPERATIONS) } else { 1 };
    Value::Array((0..many).map(|_| if dice.one_in(80) { junk(dice) } else { operation(dice, object, &paths) }).collect())
}

fn operation(dice: &mut Dice, object: &Value, paths: &[String]) -> Value {
    let path = path(dice, paths);
    // An owner that is changed into one that is not there is taken away later.
    let name = if path.starts_with("/metadata/ownerReferences") { *dice.pick(&["remove", "test"]) } else { *dice.pick(&NAMES) };
    let mut fields = Map::new();
    fields.insert("op".to_owned(), json!(name));
    fields.insert("path".to_owned(), json!(path));
    if matches!(name, "move" | "copy") {
        fields.insert("from".to_owned(), json!(self::path(dice, paths)));
    }
    if matches!(name, "add" | "replace" | "test") {
        let elsewhere = dice.pick(paths).as_str();
        let usual = object.pointer(&path).or_else(|| object.pointer(elsewhere)).unwrap_or(&Value::Null);
        let value = if name == "test" && !dice.one_in(4) { usual.clone() } else { varied(dice, usual) };
        fields.insert("value".to_owned(), value);
    }
    if dice.one_in(40) {
        let names: Vec<String> = fields.keys().cloned().collect();
        let name = dice.pick(&names).clone();
        match dice.below(3) {
            0 => fields[&name] = junk(dice),
            1 => _ = fields.shift_remove(&name),
            _ => _ = fields.insert("extra".to_owned(), junk(dice)),
        }
    }
    Value::Object(fields)
}

fn path(dice: &mut Dice, paths: &[String]) -> String {
    let path = dice.pick(paths).clone();
    match dice.below(20) {
        0 | 1 => format!("{path}/{}", dice.pick(&ENDS)),
        2 | 3 => match path.rsplit_once('/') {
            Some((parent, _)) => format!("{parent}/{}", dice.pick(&ENDS)),
            None => path,
        },
        4 => dice
            .pick(&[
                "",
                "/",
                "no-slash",
                "/nope",
                "/nope/deeper",
                "/metadata/name",
                "/metadata/uid",
                "/metadata/resourceVersion",
                "/kind",
            ])
            .to_string(),
        _ => path,
    }
}
