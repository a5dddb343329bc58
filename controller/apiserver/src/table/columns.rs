//! Column definitions and the cells that they make.

use jiff::Timestamp;
use serde_json::{Number, Value, json};
use thiserror::Error;

use super::age::since;
use super::jsonpath::{JsonPath, JsonPathError};
use super::printers::{self, Printer};
use crate::schema::canonical_json;

/// What the reference says about an object's name.
pub(super) const NAME_TEXT: &str = "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a client to request the generation of an appropriate name automatically. Name is primarily intended for creation idempotence and configuration definition. Cannot be updated. More info: https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names";
/// What the reference says about an object's creation time.
pub(super) const CREATED_TEXT: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Why columns could not be made.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum TableError {
    /// A column without a field that it needs.
    #[error("additionalPrinterColumns[{index}]: {field} is missing")]
    Missing {
        /// Position of the column.
        index: usize,
        /// The field.
        field: &'static str,
    },
    /// A column whose path is none.
    #[error("additionalPrinterColumns[{index}].jsonPath: {error}")]
    Path {
        /// Position of the column.
        index: usize,
        /// What is wrong with the path.
        error: JsonPathError,
    },
}

/// One column.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Heading.
    pub name: String,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: String,
    /// OpenAPI format, `name` for the object's name.
    pub format: String,
    /// What the column shows.
    pub description: String,
    /// 0 is always shown, more only with `-o wide`.
    pub priority: i64,
    path: Option<JsonPath>,
}

impl Column {
    pub(super) fn plain(name: &str, kind: &str, description: &str, priority: i64) -> Self {
        let format = if name == "Name" { "name" } else { "" };
        let text = str::to_owned;
        Self { name: text(name), kind: text(kind), format: text(format), description: text(description), priority, path: None }
    }

    /// The definition as a Table carries it.
    pub(super) fn definition(&self) -> Value {
        json!({"name": self.name, "type": self.kind, "format": self.format, "description": self.description, "priority": self.priority})
    }
}

/// The columns of a kind.
#[derive(Clone, Debug)]
pub struct Columns {
    pub(super) columns: Vec<Column>,
    printer: Option<Printer>,
}

impl Columns {
    /// The columns of a custom resource: its name, then the CRD version's `additionalPrinterColumns`, or its age where there are none.
    ///
    /// # Errors
    /// [`TableError`] for the first column that is none.
    pub fn of_custom(additional: &[Value]) -> Result<Self, TableError> {
        let mut columns = vec![Column::plain("Name", "string", NAME_TEXT, 0)];
        if additional.is_empty() {
            let path = JsonPath::parse(".metadata.creationTimestamp").map_err(|error| TableError::Path { index: 0, error })?;
            columns.push(Column { path: Some(path), ..Column::plain("Age", "date", CREATED_TEXT, 0) });
        }
        for (index, column) in additional.iter().enumerate() {
            columns.push(custom(index, column)?);
        }
        Ok(Self { columns, printer: None })
    }

    /// The columns of a built-in kind; kinds without columns of their own show name and creation time.
    pub fn of_builtin(api_version: &str, kind: &str) -> Self {
        let (columns, printer) = printers::of(api_version, kind);
        Self { columns, printer: Some(printer) }
    }

    /// The cells of one object.
    pub(super) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        if let Some(printer) = self.printer {
            return printer(object, now);
        }
        let name = object.pointer("/metadata/name").cloned().unwrap_or_else(|| "".into());
        let others = self.columns.iter().skip(1).map(|column| {
            let found = column.path.as_ref().and_then(|path| path.first(object));
            found.map_or(Value::Null, |value| cell(&column.kind, value, now))
        });
        std::iter::once(name).chain(others).collect()
    }
}

fn custom(index: usize, column: &Value) -> Result<Column, TableError> {
    let text = |field: &str| column.get(field).and_then(Value::as_str).unwrap_or_default();
    let required = |field: &'static str| {
        if text(field).is_empty() { Err(TableError::Missing { index, field }) } else { Ok(text(field)) }
    };
    let path = required("jsonPath")?;
    let description = match text("description") {
        "" => format!("Custom resource definition column (in JSONPath format): {path}"),
        given => given.to_owned(),
    };
    Ok(Column {
        name: required("name")?.to_owned(),
        kind: required("type")?.to_owned(),
        format: text("format").to_owned(),
        description,
        priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
        path: Some(JsonPath::parse(path).map_err(|error| TableError::Path { index, error })?),
    })
}

fn cell(kind: &str, value: &Value, now: Timestamp) -> Value {
    match (kind, value) {
        ("string", Value::Null) => "<no value>".into(),
        (_, Value::Null) => Value::Null,
        ("string", Value::String(text)) => text.as_str().into(),
        ("string", other) => canonical_json(other).into(),
        ("integer", Value::Number(number)) => number.as_i64().or_else(|| number.as_f64().map(whole)).into(),
        ("number", Value::Number(number)) => number.as_f64().and_then(Number::from_f64).map_or(Value::Null, Value::Number),
        ("boolean", Value::Bool(flag)) => Value::Bool(*flag),
        ("date", Value::String(text)) => since(Some(text), now).into(),
        _ => Value::Null,
    }
}

/// A float without its fraction; out of range it saturates.
#[allow(clippy::cast_possible_truncation)]
fn whole(number: f64) -> i64 {
    number as i64
}
