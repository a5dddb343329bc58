//! Protobuf of the kinds in the table to the JSON that the same client would have sent.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use prost::DecodeError;
use prost::encoding::{WireType, decode_key, decode_varint};
use serde_json::{Map, Value, json};

use super::json::full;
use super::table::{Field, Kind, fields};

/// Deepest nesting of messages that is read.
const MAX_DEPTH: usize = 100;

/// One field as it stands in a message.
enum Payload<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// Why bytes are no message.
fn broken(why: &str) -> String {
    format!("failed to decode Protobuf message: {why}")
}

/// Reads `bytes` as a message of the type `name`, without `apiVersion` and `kind`.
///
/// # Errors
/// What is wrong with the bytes, never a panic: nesting is bounded here, the length by the caller.
pub(crate) fn decode(name: &'static str, bytes: &[u8]) -> Result<Map<String, Value>, String> {
    Ok(full(name, message(name, bytes, 0)?, &|_, _| {}))
}

fn message(name: &str, bytes: &[u8], depth: usize) -> Result<Map<String, Value>, String> {
    if depth > MAX_DEPTH {
        return Err(broken("recursion limit reached"));
    }
    let mut out = Map::new();
    each(bytes, &mut |number, payload| {
        let Some(field) = fields(name).iter().find(|field| field.number == number) else { return Ok(()) };
        put(&mut out, field, &payload, depth)
    })?;
    Ok(out)
}

/// Shows every field of a message.
fn each<'a>(mut bytes: &'a [u8], see: &mut dyn FnMut(u32, Payload<'a>) -> Result<(), String>) -> Result<(), String> {
    while !bytes.is_empty() {
        let (number, wire) = decode_key(&mut bytes).map_err(said)?;
        let payload = match wire {
            WireType::Varint => Payload::Number(decode_varint(&mut bytes).map_err(said)?),
            WireType::LengthDelimited => {
                let length = decode_varint(&mut bytes).map_err(said)?;
                Payload::Bytes(taken(&mut bytes, length)?)
            }
            WireType::ThirtyTwoBit => Payload::Bytes(taken(&mut bytes, 4)?),
            WireType::SixtyFourBit => Payload::Bytes(taken(&mut bytes, 8)?),
            WireType::StartGroup | WireType::EndGroup => return Err(broken("a group is no field of Kubernetes")),
        };
        see(number, payload)?;
    }
    Ok(())
}

fn said(error: DecodeError) -> String {
    error.to_string()
}

fn taken<'a>(bytes: &mut &'a [u8], length: u64) -> Result<&'a [u8], String> {
    let length = usize::try_from(length).map_err(|_| broken("buffer underflow"))?;
    let (head, rest) = bytes.split_at_checked(length).ok_or_else(|| broken("buffer underflow"))?;
    *bytes = rest;
    Ok(head)
}

fn put(out: &mut Map<String, Value>, field: &Field, payload: &Payload<'_>, depth: usize) -> Result<(), String> {
    match (&field.kind, payload) {
        (Kind::Struct(name), Payload::Bytes(bytes)) if field.inline => out.extend(message(name, bytes, depth + 1)?),
        (Kind::List(inner), payload) => {
            let list = out.entry(field.name).or_insert_with(|| json!([]));
            let value = single(inner, payload, depth)?;
            if let Some(list) = list.as_array_mut() {
                list.push(value);
            }
        }
        (Kind::Map(inner), Payload::Bytes(bytes)) => {
            let (key, value) = entry(inner, bytes, depth)?;
            let map = out.entry(field.name).or_insert_with(|| json!({}));
            if let Some(map) = map.as_object_mut() {
                map.insert(key, value);
            }
        }
        (kind, payload) => {
            let value = single(kind, payload, depth)?;
            out.insert(field.name.to_owned(), value);
        }
    }
    Ok(())
}

fn entry(kind: &Kind, bytes: &[u8], depth: usize) -> Result<(String, Value), String> {
    let (mut key, mut value) = (String::new(), Value::Null);
    each(bytes, &mut |number, payload| {
        match (number, &payload) {
            (1, Payload::Bytes(bytes)) => key = text(bytes)?,
            (2, _) => value = single(kind, &payload, depth)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok((key, value))
}

fn text(bytes: &[u8]) -> Result<String, String> {
    String::from_utf8(bytes.to_vec()).map_err(|_| broken("invalid string value: data is not UTF-8 encoded"))
}

fn single(kind: &Kind, payload: &Payload<'_>, depth: usize) -> Result<Value, String> {
    Ok(match (kind, payload) {
        (Kind::Flag, Payload::Number(number)) => (*number != 0).into(),
        (Kind::Integer, Payload::Number(number)) => number.cast_signed().into(),
        (Kind::Text, Payload::Bytes(bytes)) => text(bytes)?.into(),
        (Kind::Bytes, Payload::Bytes(bytes)) => STANDARD.encode(bytes).into(),
        (Kind::Struct(name), Payload::Bytes(bytes)) => message(name, bytes, depth + 1)?.into(),
        (Kind::Time, Payload::Bytes(bytes)) => instant(bytes, "%Y-%m-%dT%H:%M:%SZ")?,
        (Kind::MicroTime, Payload::Bytes(bytes)) => instant(bytes, "%Y-%m-%dT%H:%M:%S.%6fZ")?,
        (Kind::IntegerOrText, Payload::Bytes(bytes)) => integer_or_text(bytes)?,
        (Kind::Quantity, Payload::Bytes(bytes)) => {
            first(bytes)?.map_or_else(|| Ok(json!("0")), |bytes| text(bytes).map(Value::from))?
        }
        (Kind::Raw | Kind::Owned, Payload::Bytes(bytes)) => {
            let raw = first(bytes)?.unwrap_or_default();
            if raw.is_empty() { Value::Null } else { serde_json::from_slice(raw).map_err(|error| error.to_string())? }
        }
        (Kind::Extra, Payload::Bytes(bytes)) => {
            let mut items = Vec::new();
            each(bytes, &mut |_, payload| {
                if let Payload::Bytes(bytes) = payload {
                    items.push(Value::String(text(bytes)?));
                }
                Ok(())
            })?;
            Value::Array(items)
        }
        (_, Payload::Number(_) | Payload::Bytes(_)) => return Err(broken("invalid wire type")),
    })
}

/// The first field of a message that wraps bytes.
fn first(bytes: &[u8]) -> Result<Option<&[u8]>, String> {
    let mut found = None;
    each(bytes, &mut |number, payload| {
        if let (1, Payload::Bytes(bytes)) = (number, payload) {
            found = Some(bytes);
        }
        Ok(())
    })?;
    Ok(found)
}

fn instant(bytes: &[u8], format: &str) -> Result<Value, String> {
    let (mut seconds, mut nanos) = (None, 0);
    each(bytes, &mut |number, payload| {
        match (number, payload) {
            (1, Payload::Number(found)) => seconds = Some(found.cast_signed()),
            (2, Payload::Number(found)) => nanos = i32::try_from(found).unwrap_or_default(),
            _ => {}
        }
        Ok(())
    })?;
    let time = seconds.and_then(|seconds| Timestamp::new(seconds, nanos).ok());
    Ok(time.map_or(Value::Null, |time| time.strftime(format).to_string().into()))
}

fn integer_or_text(bytes: &[u8]) -> Result<Value, String> {
    let (mut is_text, mut number, mut words) = (false, 0, String::new());
    each(bytes, &mut |field, payload| {
        match (field, payload) {
            (1, Payload::Number(kind)) => is_text = kind == 1,
            (2, Payload::Number(found)) => number = found.cast_signed(),
            (3, Payload::Bytes(bytes)) => words = text(bytes)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(if is_text { words.into() } else { number.into() })
}
