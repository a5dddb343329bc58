//! Why Go cannot read a JSON value into a type, in its words: the first value of a wrong type in the order of the document, or a
//! text that a type of its own refuses, which ends the reading at once.

use base64::Engine as _;
use base64::alphabet::STANDARD as LETTERS;
use serde_json::Value;

use super::quantity::canonical;
use super::table::{Field, Kind, fields};
use super::time::Layout;
use crate::codec::json_type;

/// What the reference says of any text that is no quantity.
const NO_QUANTITY: &str = "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
const LETTERS_A_GROUP: usize = 4;
/// The type of metadata.
pub(crate) const META: &str = "apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Why `value` cannot be read into a struct of the type `name`.
///
/// # Errors
/// The message of Go's decoder.
pub(crate) fn readable(name: &'static str, value: &Value) -> Result<(), String> {
    let mut reading = Reading { fields: Vec::new(), owner: "", first: None };
    reading.value(&Kind::Struct(name), None, value)?;
    reading.first.map_or(Ok(()), Err)
}

struct Reading {
    fields: Vec<&'static str>,
    owner: &'static str,
    first: Option<String>,
}

impl Reading {
    fn mismatch(&self, found: &str, wanted: &str) -> String {
        if self.fields.is_empty() {
            return format!("json: cannot unmarshal {found} into Go value of type {wanted}");
        }
        let owner = self.owner.rsplit('.').next().unwrap_or_default();
        format!("json: cannot unmarshal {found} into Go struct field {owner}.{} of type {wanted}", self.fields.join("."))
    }

    fn wrong(&mut self, found: &str, wanted: &str) {
        if self.first.is_none() {
            self.first = Some(self.mismatch(found, wanted));
        }
    }

    fn value(&mut self, kind: &Kind, scalar: Option<&'static str>, value: &Value) -> Result<(), String> {
        match (kind, value) {
            (Kind::Raw | Kind::Owned | Kind::Extra, _) | (_, Value::Null) => {}
            (Kind::IntegerOrText, found) if unmarshalled(kind, found).is_some() => {
                return Err(self.mismatch(&number_or_type(found), "int32"));
            }
            (Kind::IntegerOrText | Kind::Quantity, found) => unmarshalled(kind, found).map_or(Ok(()), Err)?,
            (Kind::Time, found) => self.time(Layout::Seconds, found)?,
            (Kind::MicroTime, found) => self.time(Layout::Micros, found)?,
            (Kind::Struct(name), Value::Object(map)) => self.members(name, map)?,
            (Kind::List(inner), Value::Array(items)) => {
                items.iter().try_for_each(|item| self.value(inner, scalar, item))?;
            }
            (Kind::Map(inner), Value::Object(map)) => {
                map.values().try_for_each(|child| self.value(inner, scalar, child))?;
            }
            (Kind::Text, Value::String(_)) | (Kind::Flag, Value::Bool(_)) => {}
            (Kind::Bytes, Value::String(text)) => {
                if let (Some(place), None) = (broken_base64(text), &self.first) {
                    self.first = Some(format!("illegal base64 data at input byte {place}"));
                }
            }
            (Kind::Bytes, Value::Array(items)) => {
                items.iter().filter(|item| !item.is_u64()).for_each(|item| self.wrong(json_type(item), "uint8"));
            }
            (Kind::Integer, Value::Number(number)) => {
                let wide = scalar == Some("int64");
                if !number.as_i64().is_some_and(|number| wide || i32::try_from(number).is_ok()) {
                    self.wrong(&format!("number {number}"), scalar.unwrap_or("int32"));
                }
            }
            (kind, found) => self.wrong(json_type(found), &go_type(kind, scalar)),
        }
        Ok(())
    }

    fn time(&self, layout: Layout, found: &Value) -> Result<(), String> {
        match found {
            Value::String(text) => layout.read(text).map(|_| ()),
            other => Err(self.mismatch(json_type(other), "string")),
        }
    }

    fn members(&mut self, name: &'static str, map: &serde_json::Map<String, Value>) -> Result<(), String> {
        let (owner, depth) = (self.owner, self.fields.len());
        for (key, value) in map {
            let Some(field) = find(name, key, &mut self.fields) else { continue };
            self.owner = name;
            self.fields.push(field.name);
            self.value(&field.kind, field.scalar, value)?;
            self.fields.truncate(depth);
        }
        self.owner = owner;
        Ok(())
    }
}

/// The field of this name, of the struct asked for or of one inlined in it, whose names go to `through`.
fn find(name: &'static str, key: &str, through: &mut Vec<&'static str>) -> Option<&'static Field> {
    let depth = through.len();
    fields(name).iter().find_map(|field| match (&field.kind, field.inline) {
        (Kind::Struct(inner), true) => {
            through.push(inner.rsplit('.').next().unwrap_or_default());
            let found = find(inner, key, through);
            if found.is_none() {
                through.truncate(depth);
            }
            found
        }
        _ => (field.name == key).then_some(field),
    })
}

/// A value as Go's decoder names one that is too large or of a wrong type for a number.
fn number_or_type(value: &Value) -> String {
    if value.is_number() { format!("number {value}") } else { json_type(value).to_owned() }
}

/// Why a type that reads its own JSON refuses `value`.
pub(super) fn unmarshalled(kind: &Kind, value: &Value) -> Option<String> {
    match (kind, value) {
        (_, Value::Null) | (Kind::IntegerOrText, Value::String(_)) => None,
        (Kind::IntegerOrText, found) if found.as_i64().is_some_and(|number| i32::try_from(number).is_ok()) => None,
        (Kind::IntegerOrText, found) => {
            Some(format!("json: cannot unmarshal {} into Go value of type int32", number_or_type(found)))
        }
        (Kind::Quantity, found) => {
            let text = found.as_str().map_or_else(|| found.to_string(), |text| text.trim().to_owned());
            canonical(&text).is_none().then(|| NO_QUANTITY.to_owned())
        }
        _ => None,
    }
}

/// A type as Go prints it.
pub(super) fn go_type(kind: &Kind, scalar: Option<&'static str>) -> String {
    match kind {
        Kind::Text => scalar.unwrap_or("string").to_owned(),
        Kind::Flag => "bool".to_owned(),
        Kind::Integer => scalar.unwrap_or("int32").to_owned(),
        Kind::Bytes => "[]uint8".to_owned(),
        Kind::Struct(name) => name.rsplitn(3, '.').take(2).collect::<Vec<_>>().into_iter().rev().collect::<Vec<_>>().join("."),
        Kind::Time => "v1.Time".to_owned(),
        Kind::MicroTime => "v1.MicroTime".to_owned(),
        Kind::IntegerOrText => "intstr.IntOrString".to_owned(),
        Kind::Quantity => "resource.Quantity".to_owned(),
        Kind::Raw => "runtime.RawExtension".to_owned(),
        Kind::Owned => "v1.FieldsV1".to_owned(),
        Kind::Extra => "v1.ExtraValue".to_owned(),
        Kind::List(inner) => format!("[]{}", go_type(inner, scalar)),
        Kind::Map(inner) => format!("map[string]{}", go_type(inner, scalar)),
    }
}

/// Where a text stops being base64; `None` for one that is. Bits behind the last byte must be zero, which Go does not ask for: it
/// drops them.
pub(super) fn broken_base64(text: &str) -> Option<usize> {
    // Line breaks are passed over, as Go does.
    let signs: Vec<(usize, u8)> = text.bytes().enumerate().filter(|(_, sign)| !matches!(sign, b'\r' | b'\n')).collect();
    let plain: Vec<u8> = signs.iter().map(|(_, sign)| *sign).collect();
    if base64::engine::general_purpose::STANDARD.decode(&plain).is_ok() {
        return None;
    }
    let fault = match signs.iter().position(|(_, sign)| !LETTERS.as_str().as_bytes().contains(sign)) {
        Some(place) if signs[place].1 == b'=' => misplaced_padding(&signs, place, text.len()),
        Some(place) => Some(signs[place].0),
        // The last group of letters is too short.
        None => Some(text.len() - signs.len() % LETTERS_A_GROUP),
    };
    Some(fault.unwrap_or(text.len()))
}

/// Where Go says that the padding which begins at `place` is wrong; `end` is the end of the text.
fn misplaced_padding(signs: &[(usize, u8)], place: usize, end: usize) -> Option<usize> {
    let at = |place: usize| signs.get(place).map(|(at, _)| *at);
    match place % LETTERS_A_GROUP {
        0 | 1 => at(place),
        2 => match signs.get(place + 1) {
            None => Some(end),
            Some((_, b'=')) => at(place + 2),
            Some((next, _)) => Some(next - 1),
        },
        _ => at(place + 1),
    }
}
