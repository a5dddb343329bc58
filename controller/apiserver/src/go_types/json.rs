//! The full form of an object: what Go writes after it has read it.
//!
//! Empty values go where Go leaves them out and stand where it does not (`status: {}`), `null` is absence, numbers become
//! quantities. A value of a wrong type stays as it is: the schema names it later.

use base64::Engine as _;
use serde_json::{Map, Value};

use super::quantity::canonical;
use super::table::{Field, Kind, fields};
use super::time::Layout;

type Object = Map<String, Value>;

/// Completes a struct of the named type whose empty values are gone; each inlined type is shown the same map.
pub(super) type Fill<'a> = &'a dyn Fn(&'static str, &mut Object);

/// The full form of `given`, a struct of the type `name`; what no field is stands first, as `apiVersion` and `kind` do.
pub(crate) fn full(name: &'static str, mut given: Object, fill: Fill<'_>) -> Object {
    strip(name, &mut given);
    filled(name, &mut given, fill);
    let mut out = Object::new();
    ordered(name, &mut given, &mut out, fill);
    if given.is_empty() {
        return out;
    }
    given.extend(out);
    given
}

/// Removes what says nothing: `null`, and the zeros of fields that are no pointers.
fn strip(name: &str, given: &mut Object) {
    for field in fields(name) {
        match (&field.kind, field.inline) {
            (Kind::Struct(inner), true) => strip(inner, given),
            _ => {
                if given.get(field.name).is_some_and(|value| value.is_null() || (!field.pointer && is_zero(field, value))) {
                    given.shift_remove(field.name);
                }
            }
        }
    }
}

fn is_zero(field: &Field, value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty() && matches!(field.kind, Kind::Text | Kind::Bytes),
        Value::Bool(flag) => !flag,
        Value::Number(number) => number.as_i64() == Some(0) && matches!(field.kind, Kind::Integer),
        // An empty list that is not left out differs from none.
        Value::Array(items) => items.is_empty() && field.omits_empty,
        Value::Object(map) => map.is_empty() && (field.omits_empty || matches!(field.kind, Kind::Struct(_))),
        Value::Null => true,
    }
}

fn filled(name: &'static str, given: &mut Object, fill: Fill<'_>) {
    for field in fields(name).iter().filter(|field| field.inline) {
        if let Kind::Struct(inner) = &field.kind {
            filled(inner, given, fill);
        }
    }
    fill(name, given);
}

fn ordered(name: &str, given: &mut Object, out: &mut Object, fill: Fill<'_>) {
    for field in fields(name) {
        if let (Kind::Struct(inner), true) = (&field.kind, field.inline) {
            ordered(inner, given, out, fill);
            continue;
        }
        let value = match given.shift_remove(field.name) {
            Some(value) => formed(&field.kind, value, fill),
            None => match absent(field, fill) {
                Some(value) => value,
                None => continue,
            },
        };
        if !(field.omits_zero && (value.is_null() || value == zero(&field.kind, &|_, _| {}))) {
            out.insert(field.name.to_owned(), value);
        }
    }
}

/// What stands for a field that nothing was given for: Go leaves out no struct for being empty.
fn absent(field: &'static Field, fill: Fill<'_>) -> Option<Value> {
    let held = matches!(
        field.kind,
        Kind::Struct(_) | Kind::Time | Kind::MicroTime | Kind::IntegerOrText | Kind::Quantity | Kind::Raw | Kind::Owned
    );
    match (field.pointer, field.omits_empty) {
        (true, true) => None,
        (true, false) => Some(Value::Null),
        (false, true) if !held => None,
        (false, _) => Some(zero(&field.kind, fill)),
    }
}

fn zero(kind: &'static Kind, fill: Fill<'_>) -> Value {
    match kind {
        Kind::Text => "".into(),
        Kind::Flag => false.into(),
        Kind::Integer | Kind::IntegerOrText => 0.into(),
        Kind::Quantity => "0".into(),
        Kind::Struct(name) => Value::Object(full(name, Object::new(), fill)),
        Kind::Bytes | Kind::Time | Kind::MicroTime | Kind::Raw | Kind::Owned | Kind::Extra | Kind::List(_) | Kind::Map(_) => {
            Value::Null
        }
    }
}

fn formed(kind: &'static Kind, value: Value, fill: Fill<'_>) -> Value {
    match (kind, value) {
        (Kind::Struct(name), Value::Object(map)) => Value::Object(full(name, map, fill)),
        (Kind::List(inner), Value::Array(items)) => items.into_iter().map(|item| element(inner, item, fill)).collect(),
        (Kind::Map(inner), Value::Object(map)) => {
            Value::Object(map.into_iter().map(|(key, value)| (key, element(inner, value, fill))).collect())
        }
        (Kind::Time, Value::String(text)) => Layout::Seconds.canonical(&text).into(),
        (Kind::MicroTime, Value::String(text)) => Layout::Micros.canonical(&text).into(),
        // Line breaks in base64 are read over.
        (Kind::Bytes, Value::String(text)) if text.contains(['\r', '\n']) => text.replace(['\r', '\n'], "").into(),
        // Bytes may come one by one.
        (Kind::Bytes, Value::Array(items)) => {
            let bytes: Vec<u8> = items.iter().map(|item| item.as_i64().map_or(0, |byte| byte.to_le_bytes()[0])).collect();
            base64::engine::general_purpose::STANDARD.encode(bytes).into()
        }
        (Kind::Quantity, Value::Number(number)) => quantity(number.to_string()),
        (Kind::Quantity, Value::String(text)) => quantity(text),
        (_, value) => value,
    }
}

/// An entry of a list or map: `null` is the zero of its type.
fn element(kind: &'static Kind, value: Value, fill: Fill<'_>) -> Value {
    match (kind, value) {
        (Kind::Bytes, Value::Null) => "".into(),
        (kind, Value::Null) => zero(kind, fill),
        (kind, value) => formed(kind, value, fill),
    }
}

/// Makes empty lists that are always written what they are when they were stored: none.
pub(crate) fn forget_empty(name: &str, given: &mut Object) {
    for field in fields(name) {
        if let (Kind::Struct(inner), true) = (&field.kind, field.inline) {
            forget_empty(inner, given);
        } else if let Some(value) = given.get_mut(field.name) {
            forget_in(&field.kind, value);
        }
    }
}

fn forget_in(kind: &Kind, value: &mut Value) {
    match (kind, &mut *value) {
        (Kind::List(_), Value::Array(items)) if items.is_empty() => *value = Value::Null,
        (Kind::Struct(name), Value::Object(map)) => forget_empty(name, map),
        (Kind::List(inner), Value::Array(items)) => items.iter_mut().for_each(|item| forget_in(inner, item)),
        (Kind::Map(inner), Value::Object(map)) => map.values_mut().for_each(|child| forget_in(inner, child)),
        _ => {}
    }
}

fn quantity(text: String) -> Value {
    canonical(&text).unwrap_or(text).into()
}

/// Shows each struct below `given`, a struct of the type `name`, with its type and its path.
pub(crate) fn visit(name: &str, given: &Object, path: &str, see: &mut dyn FnMut(&str, &Object, &str)) {
    see(name, given, path);
    for field in fields(name) {
        if let (Kind::Struct(inner), true) = (&field.kind, field.inline) {
            visit(inner, given, path, see);
        } else if let Some(value) = given.get(field.name) {
            let path = if path.is_empty() { field.name.to_owned() } else { format!("{path}.{}", field.name) };
            visit_value(&field.kind, value, &path, see);
        }
    }
}

fn visit_value(kind: &Kind, value: &Value, path: &str, see: &mut dyn FnMut(&str, &Object, &str)) {
    match (kind, value) {
        (Kind::Struct(name), Value::Object(map)) => visit(name, map, path, see),
        (Kind::List(inner), Value::Array(items)) => {
            for (index, item) in items.iter().enumerate() {
                visit_value(inner, item, &format!("{path}[{index}]"), see);
            }
        }
        _ => {}
    }
}
