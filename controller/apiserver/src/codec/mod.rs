//! Request bodies: JSON and YAML become values without losing repeated keys, within limits.
//!
//! [`json`] and [`yaml`] keep the last of repeated keys and report each one; [`warnings`] phrases the findings as
//! the reference does for `fieldValidation`.

mod build;
mod emit;
mod go;
mod strict;

#[cfg(test)]
mod tests;

use serde::de::DeserializeSeed as _;
use serde_json::Value;
use thiserror::Error;

use self::build::{Build, PlacedKey, PlainKey, State};
pub(crate) use emit::yaml_text;
pub(crate) use go::go_json_error;
pub use strict::{apply_strict_error, apply_warnings, warnings};
pub(crate) use strict::{in_order, told, yaml_error};

/// Deepest nesting of a body.
pub const MAX_DEPTH: usize = 64;
/// Most events (keys, scalars, starts and ends) of a YAML body; a body of 3 MiB cannot have more that mean anything.
const MAX_YAML_EVENTS: usize = 2_000_000;
/// Most aliases of a YAML body.
const MAX_YAML_ALIASES: usize = 1_000;
/// Most events that aliases may add.
const MAX_YAML_REPLAYED: usize = 100_000;

/// A decoded body and its repeated keys.
#[derive(Clone, Debug, PartialEq)]
pub struct Decoded {
    /// The value; of repeated keys the last one stands.
    pub value: Value,
    /// Each repeated key, in document order.
    pub duplicates: Vec<Duplicate>,
}

/// A key that its object already had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duplicate {
    /// Dotted path, for example `spec.replicas`.
    pub path: String,
    /// The key itself.
    pub key: String,
    /// Line of the repetition, from 1; 0 in JSON.
    pub line: u64,
}

/// Why a body is no value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum DecodeError {
    /// Not JSON.
    #[error("invalid JSON: {detail}")]
    Json {
        /// The parser's words, with line and column.
        detail: String,
    },
    /// Not YAML, or more of it than is allowed.
    #[error("error converting YAML to JSON: {detail}")]
    Yaml {
        /// The parser's words, with line and column.
        detail: String,
    },
    /// Nested too deeply.
    #[error("nested deeper than {limit} levels")]
    TooDeep {
        /// The limit that was passed.
        limit: usize,
    },
}

impl DecodeError {
    /// What is wrong with a YAML body in the words of the reference's decoder, which counts the first line as none.
    pub(crate) fn go_yaml(&self) -> Option<String> {
        let Self::Yaml { detail } = self else { return None };
        let (problem, line) = match detail.rsplit_once(" at line ") {
            Some((problem, place)) => (problem, place.split(',').next().and_then(|line| line.parse::<u64>().ok())),
            None => (detail.as_str(), None),
        };
        Some(match line.filter(|line| *line > 1) {
            Some(line) => format!("yaml: line {line}: {problem}"),
            None => format!("yaml: {problem}"),
        })
    }
}

/// The Go type that holds a JSON value where any may stand (`interface{}`); `<nil>` for null.
pub(crate) fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

/// The type of a JSON value, as Go's decoder names it in its messages.
pub(crate) fn json_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// Why a document cannot say what it is, in the words of Go's decoder: it is no object. `null` is an empty one.
pub(crate) fn no_type_error(value: &Value) -> Option<String> {
    (!value.is_object() && !value.is_null()).then(|| {
        format!(
            "json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; \
             Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            json_type(value)
        )
    })
}

/// Decodes a JSON body.
///
/// # Errors
/// [`DecodeError::Json`] for anything that is not exactly one JSON value, [`DecodeError::TooDeep`] beyond [`MAX_DEPTH`].
pub fn json(body: &[u8]) -> Result<Decoded, DecodeError> {
    let mut state = State::default();
    let mut reader = serde_json::Deserializer::from_slice(body);
    let built = Build::<PlainKey>::new(&mut state).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match built {
        Ok(value) => Ok(Decoded { value, duplicates: state.duplicates }),
        Err(_) if state.too_deep => Err(DecodeError::TooDeep { limit: MAX_DEPTH }),
        Err(error) => Err(DecodeError::Json { detail: error.to_string() }),
    }
}

/// The path of each key of a JSON text, in document order; those up to the fault where it is none.
pub(crate) fn keys(text: &[u8]) -> Vec<String> {
    let mut state = State::with_keys();
    let mut reader = serde_json::Deserializer::from_slice(text);
    // A fault was told when the text was decoded.
    let _ = Build::<PlainKey>::new(&mut state).deserialize(&mut reader);
    state.keys.unwrap_or_default()
}

/// Decodes a YAML body (JSON is YAML too), one document, aliases within a tight budget.
///
/// # Errors
/// [`DecodeError::Yaml`] with line and column, [`DecodeError::TooDeep`] beyond [`MAX_DEPTH`].
pub fn yaml(body: &[u8]) -> Result<Decoded, DecodeError> {
    // Most bodies are JSON, which is read many times quicker; only the slow way knows the line of a repeated key.
    if body.starts_with(b"{")
        && let Ok(decoded) = json(body)
        && decoded.duplicates.is_empty()
    {
        return Ok(decoded);
    }
    let detail = |error: &dyn std::fmt::Display| DecodeError::Yaml { detail: error.to_string() };
    let text = std::str::from_utf8(body).map_err(|error| detail(&error))?;
    let options = serde_saphyr::options! {
        budget: serde_saphyr::budget! {
            max_documents: 1,
            max_depth: MAX_DEPTH + 2,
            max_events: MAX_YAML_EVENTS,
            max_aliases: MAX_YAML_ALIASES,
        },
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: MAX_YAML_REPLAYED,
        },
        duplicate_keys: serde_saphyr::options::DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
    };
    let mut state = State::default();
    let built = serde_saphyr::with_deserializer_from_str_with_options(text, options, |reader| {
        Build::<PlacedKey>::new(&mut state).deserialize(reader)
    });
    match built {
        Ok(value) => Ok(Decoded { value, duplicates: state.duplicates }),
        Err(_) if state.too_deep => Err(DecodeError::TooDeep { limit: MAX_DEPTH }),
        Err(error) => Err(detail(&error)),
    }
}
