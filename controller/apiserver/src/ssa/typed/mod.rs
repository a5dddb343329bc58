//! The walks over typed values: validate, list fields, merge, compare, remove, reconcile.

mod address;
mod compare;
mod merge;
mod reconcile;
mod remove;
mod to_set;
mod validate;

use address::{Address, address};
pub(super) use compare::{Comparison, compare};
pub(super) use merge::merge;
pub(super) use reconcile::reconcile;
pub(super) use remove::remove;
pub(super) use to_set::to_set;
pub(super) use validate::validate;

use std::fmt;

use serde_json::Value;

use super::types::{Atom, Scalar};
use crate::codec::go_type;
use crate::schema::go_value;

/// One violation of a type, with the path below the walked value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) path: String,
    pub(crate) detail: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(formatter, "{}", self.detail)
        } else {
            write!(formatter, "{}: {}", self.path, self.detail)
        }
    }
}

pub(crate) fn faults_text(faults: &[Fault]) -> String {
    match faults {
        [one] => one.to_string(),
        many => many.iter().fold("errors:".to_owned(), |text, fault| format!("{text}\n  {fault}")),
    }
}

pub(super) fn fault(detail: String) -> Fault {
    Fault { path: String::new(), detail }
}

/// Puts `prefix` before the path of every fault.
pub(super) fn below(prefix: &impl fmt::Display, faults: Vec<Fault>) -> Vec<Fault> {
    faults.into_iter().map(|fault| Fault { path: format!("{prefix}{}", fault.path), detail: fault.detail }).collect()
}

/// The forms of an atom that stay open once a value is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) scalar: bool,
    pub(super) list: bool,
    pub(super) map: bool,
}

/// Which form is walked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Map,
    Scalar,
    List,
}

impl Shape {
    /// The form that fits `value`, or all forms of `atom` where none does.
    pub(super) fn deduce(atom: &Atom, value: Option<&Value>) -> Self {
        let all = Self { scalar: atom.scalar.is_some(), list: atom.list.is_some(), map: atom.map.is_some() };
        let none = Self { scalar: false, list: false, map: false };
        match value {
            Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) if all.scalar => Self { scalar: true, ..none },
            Some(Value::Array(_)) if all.list => Self { list: true, ..none },
            Some(Value::Object(_)) if all.map => Self { map: true, ..none },
            _ => all,
        }
    }

    pub(super) fn form(self) -> Result<Form, Fault> {
        match self {
            Self { map: true, .. } => Ok(Form::Map),
            Self { scalar: true, .. } => Ok(Form::Scalar),
            Self { list: true, .. } => Ok(Form::List),
            Self { .. } => Err(fault("schema error: invalid atom: inlined".to_owned())),
        }
    }
}

pub(super) fn check_scalar(scalar: Scalar, value: Option<&Value>, prefix: &str) -> Option<Fault> {
    let value = value.filter(|value| !value.is_null())?;
    let fits = match scalar {
        Scalar::Numeric => value.is_number(),
        Scalar::String => value.is_string(),
        Scalar::Boolean => value.is_boolean(),
        Scalar::Untyped => !value.is_array() && !value.is_object(),
    };
    if fits { None } else { Some(fault(format!("{prefix}{}", misfit(scalar, value)))) }
}

/// Why a value is no such scalar.
fn misfit(scalar: Scalar, value: &Value) -> String {
    match scalar {
        Scalar::Numeric => format!("expected numeric (int or float), got {}", go_type(value)),
        Scalar::String => format!("expected string, got &value.valueUnstructured{{Value:{}}}", go_syntax(value)),
        Scalar::Boolean => format!("expected boolean, got &{{{}}}", go_value(value)),
        Scalar::Untyped => format!("expected any scalar, got &{{{}}}", go_value(value)),
    }
}

/// A value in Go's own syntax (`%#v`).
fn go_syntax(value: &Value) -> String {
    match value {
        Value::Array(items) => {
            format!("[]interface {{}}{{{}}}", items.iter().map(go_syntax).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let mut keys: Vec<&String> = fields.keys().collect();
            keys.sort();
            let shown: Vec<String> =
                keys.into_iter().map(|key| format!("{}:{}", crate::schema::go_quote(key), go_syntax(&fields[key]))).collect();
            format!("map[string]interface {{}}{{{}}}", shown.join(", "))
        }
        Value::String(text) => crate::schema::go_quote(text),
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// The entries of a list value; null counts as an absent list.
pub(super) fn list_of(value: &Value) -> Result<Option<&Vec<Value>>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::Array(items) => Ok(Some(items)),
        other => Err(fault(format!("expected list, got &{{{}}}", go_value(other)))),
    }
}

/// The members of a map value; null counts as an absent map.
pub(super) fn map_of(value: &Value) -> Result<Option<&serde_json::Map<String, Value>>, Fault> {
    match value {
        Value::Null => Ok(None),
        Value::Object(fields) => Ok(Some(fields)),
        other => Err(fault(format!("expected map, got &{{{}}}", go_value(other)))),
    }
}
