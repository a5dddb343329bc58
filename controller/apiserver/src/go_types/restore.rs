//! Why the reference cannot restore a typed object from a tree, which it does after a strategic merge patch: field by field in the
//! order of the type, in its words.

use serde_json::{Map, Value};

use super::read::{broken_base64, go_type, unmarshalled};
use super::table::{Kind, fields};
use super::time::Layout;
use crate::codec::json_type;

/// Why `tree` cannot become a struct of the type `name`.
///
/// # Errors
/// The message of the reference's converter.
pub(crate) fn restorable(name: &'static str, tree: &Map<String, Value>) -> Result<(), String> {
    for field in fields(name) {
        if let (Kind::Struct(inner), true) = (&field.kind, field.inline) {
            restorable(inner, tree)?;
        } else if let Some(value) = tree.get(field.name) {
            restored(field.scalar, &field.kind, value)?;
        }
    }
    Ok(())
}

/// Gives numbers of a tree the width that its type has for them: the reference's converter drops what is above.
pub(crate) fn narrow(name: &'static str, tree: &mut Map<String, Value>) {
    for field in fields(name) {
        if let (Kind::Struct(inner), true) = (&field.kind, field.inline) {
            narrow(inner, tree);
        } else if let Some(value) = tree.get_mut(field.name) {
            narrowed(field.scalar == Some("int64"), &field.kind, value);
        }
    }
}

fn narrowed(wide: bool, kind: &'static Kind, value: &mut Value) {
    /// The bits that a number of 32 bits keeps.
    const KEPT: i64 = 0xffff_ffff;
    match (kind, &mut *value) {
        (Kind::Integer, Value::Number(number)) if !wide => {
            if let Some(number) = number.as_i64().filter(|number| i32::try_from(*number).is_err()) {
                let low = u32::try_from(number & KEPT).unwrap_or_default();
                *value = i32::from_ne_bytes(low.to_ne_bytes()).into();
            }
        }
        (Kind::Struct(name), Value::Object(map)) => narrow(name, map),
        (Kind::List(inner), Value::Array(items)) => items.iter_mut().for_each(|item| narrowed(wide, inner, item)),
        (Kind::Map(inner), Value::Object(map)) => map.values_mut().for_each(|child| narrowed(wide, inner, child)),
        _ => {}
    }
}

/// Why the fields of a tree that say what it is cannot be restored.
///
/// # Errors
/// The message of the reference's converter.
pub(crate) fn restored_type(tree: &Map<String, Value>) -> Result<(), String> {
    ["kind", "apiVersion"].iter().filter_map(|field| tree.get(*field)).try_for_each(|value| restored(None, &Kind::Text, value))
}

fn restored(scalar: Option<&'static str>, kind: &Kind, value: &Value) -> Result<(), String> {
    let found = reflected(value);
    match (kind, value) {
        (Kind::Raw | Kind::Owned | Kind::Extra, _) | (_, Value::Null) => Ok(()),
        (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) => Ok(()),
        // Go converts a whole number to a text as little as a number with a fraction to a whole one, but thinks of it.
        (Kind::Text, Value::Number(number)) if !number.is_f64() => Err(unconverted(found, kind, scalar)),
        (Kind::Integer, Value::Number(number)) if number.is_f64() => Err(unconverted(found, kind, scalar)),
        (Kind::Integer, Value::Number(_)) => Ok(()),
        (Kind::Text, _) => Err("unrecognized type: string".to_owned()),
        (Kind::Flag, _) => Err("unrecognized type: bool".to_owned()),
        (Kind::Integer, _) => Err(format!("unrecognized type: {}", go_type(kind, scalar))),
        (Kind::Time, found) => time(Layout::Seconds, found),
        (Kind::MicroTime, found) => time(Layout::Micros, found),
        (Kind::Bytes, Value::String(text)) => match broken_base64(text) {
            Some(place) => Err(format!("error decoding from json: illegal base64 data at input byte {place}")),
            None => Ok(()),
        },
        (Kind::Bytes, Value::Array(items)) => {
            let wrong = items.iter().find(|item| !item.is_i64() && !item.is_null());
            wrong.map_or(Ok(()), |item| {
                Err(if item.is_f64() { "cannot convert float64 to uint8" } else { "unrecognized type: uint8" }.to_owned())
            })
        }
        (Kind::IntegerOrText | Kind::Quantity, found) => unmarshalled(kind, found).map_or(Ok(()), Err),
        (Kind::Struct(name), Value::Object(map)) => restorable(name, map),
        (Kind::Struct(_), _) => Err(format!("cannot restore struct from: {found}")),
        (Kind::List(inner), Value::Array(items)) => items.iter().try_for_each(|item| restored(scalar, inner, item)),
        (Kind::List(_) | Kind::Bytes, _) => Err(format!("cannot restore slice from {found}")),
        (Kind::Map(inner), Value::Object(map)) => map.values().try_for_each(|child| restored(scalar, inner, child)),
        (Kind::Map(_), _) => Err(format!("cannot restore map from {found}")),
    }
}

fn unconverted(found: &str, kind: &Kind, scalar: Option<&'static str>) -> String {
    format!("cannot convert {found} to {}", go_type(kind, scalar))
}

fn time(layout: Layout, found: &Value) -> Result<(), String> {
    match found {
        Value::String(text) => layout.read(text).map(|_| ()),
        other => Err(format!("json: cannot unmarshal {} into Go value of type string", json_type(other))),
    }
}

/// What Go holds a JSON value in.
fn reflected(value: &Value) -> &'static str {
    match value {
        Value::Null => "invalid",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "slice",
        Value::Object(_) => "map",
    }
}
