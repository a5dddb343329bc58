//! Findings of a validation, in the words of the reference.

use std::fmt;

use serde_json::Value;

use super::render::{canonical_json, go_float, go_quote};

/// The path of an error that belongs to the whole object.
pub(crate) const NIL_PATH: &str = "<nil>";

/// The class of a [`Problem`], one per `causes[].reason` of the reference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ProblemKind {
    /// A malformed value, a broken bound or a false rule.
    Invalid,
    /// A missing value.
    Required,
    /// A value of the wrong JSON type.
    TypeInvalid,
    /// A value outside an enumeration.
    NotSupported,
    /// A string that is too long.
    TooLong,
    /// A list or object with too many entries.
    TooMany,
    /// A repeated entry of a set or map list.
    Duplicate,
    /// A value that may not be set here.
    Forbidden,
    /// Something that should not happen.
    Internal,
}

impl ProblemKind {
    /// The value of `causes[].reason`.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Invalid => "FieldValueInvalid",
            Self::Required => "FieldValueRequired",
            Self::TypeInvalid => "FieldValueTypeInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Forbidden => "FieldValueForbidden",
            Self::Internal => "InternalError",
        }
    }

    fn words(self) -> &'static str {
        match self {
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::Required => "Required value",
            Self::NotSupported => "Unsupported value",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Duplicate => "Duplicate value",
            Self::Forbidden => "Forbidden",
            Self::Internal => "Internal error",
        }
    }

    /// Whether CEL rules are not run beside a problem of this kind.
    pub(crate) fn blocks_rules(self) -> bool {
        match self {
            Self::Required | Self::TypeInvalid | Self::NotSupported | Self::TooLong | Self::TooMany => true,
            Self::Invalid | Self::Duplicate | Self::Forbidden | Self::Internal => false,
        }
    }
}

/// One finding: `Display` gives `path: message`, as in a Status message; [`Problem::message`] alone is a cause's message.
#[derive(Clone, Debug, PartialEq)]
pub struct Problem {
    /// Dotted path of the field, `<nil>` for the whole object.
    pub path: String,
    /// Class of the finding.
    pub kind: ProblemKind,
    /// The whole text after the path, for example `Invalid value: "x": spec.y in body must be of type integer: "string"`.
    pub message: String,
    /// The offending value, where one is shown.
    pub value: Option<Value>,
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

impl Problem {
    pub(crate) fn invalid(path: &str, value: Value, detail: &str) -> Self {
        Self::with_value(path, ProblemKind::Invalid, value, detail)
    }

    /// An invalid value that is shown as the text given: in the reference's own form of it.
    pub(crate) fn invalid_shown(path: &str, shown: &str, detail: &str) -> Self {
        let message = format!("{}: {shown}: {detail}", ProblemKind::Invalid.words());
        Self { path: shown_path(path), kind: ProblemKind::Invalid, message, value: None }
    }

    /// An invalid value that is not shown.
    pub(crate) fn invalid_unshown(path: &str, detail: &str) -> Self {
        Self::without_value(path, ProblemKind::Invalid, detail)
    }

    pub(crate) fn type_invalid(path: &str, value: Value, detail: &str) -> Self {
        Self::with_value(path, ProblemKind::TypeInvalid, value, detail)
    }

    pub(crate) fn required(path: &str, detail: &str) -> Self {
        Self::without_value(path, ProblemKind::Required, detail)
    }

    pub(crate) fn forbidden(path: &str, detail: &str) -> Self {
        Self::without_value(path, ProblemKind::Forbidden, detail)
    }

    pub(crate) fn duplicate(path: &str, value: Value) -> Self {
        Self::with_value(path, ProblemKind::Duplicate, value, "")
    }

    pub(crate) fn not_supported(path: &str, value: Value, supported: &[Value]) -> Self {
        let list: Vec<String> = supported
            .iter()
            .map(|value| go_quote(value.as_str().map_or_else(|| canonical_json(value), str::to_owned).as_str()))
            .collect();
        Self::with_value(path, ProblemKind::NotSupported, value, &format!("supported values: {}", list.join(", ")))
    }

    pub(crate) fn too_long(path: &str, max: u64) -> Self {
        let unit = if max == 1 { "byte" } else { "bytes" };
        Self::without_value(path, ProblemKind::TooLong, &format!("may not be more than {max} {unit}"))
    }

    pub(crate) fn too_many(path: &str, actual: u64, max: u64) -> Self {
        let unit = if max == 1 { "item" } else { "items" };
        Self::with_value(path, ProblemKind::TooMany, actual.into(), &format!("must have at most {max} {unit}"))
    }

    fn with_value(path: &str, kind: ProblemKind, value: Value, detail: &str) -> Self {
        let shown = match &value {
            Value::String(text) => go_quote(text),
            Value::Number(number) => number
                .as_i64()
                .map(|whole| whole.to_string())
                .unwrap_or_else(|| number.as_f64().map_or_else(|| number.to_string(), go_float)),
            Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => canonical_json(&value),
        };
        let mut message = format!("{}: {shown}", kind.words());
        if !detail.is_empty() {
            message.push_str(": ");
            message.push_str(detail);
        }
        Self { path: shown_path(path), kind, message, value: Some(value) }
    }

    fn without_value(path: &str, kind: ProblemKind, detail: &str) -> Self {
        let words = kind.words();
        let message = if detail.is_empty() { words.to_owned() } else { format!("{words}: {detail}") };
        Self { path: shown_path(path), kind, message, value: None }
    }
}

/// Paths are built from the root as `.a.b`; users see `a.b`.
fn shown_path(path: &str) -> String {
    let path = path.strip_prefix('.').unwrap_or(path);
    if path.is_empty() { NIL_PATH.to_owned() } else { path.to_owned() }
}
