//! Durations, quantities and port references as they stand on the wire.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A quantity (`2`, `500m`, `1Gi`) as written: an integer or a string.
pub type Quantity = IntOrString;
/// A port by name or by number.
pub type PortRef = IntOrString;

/// A Go-style duration (`500ms`, `5s`, `1h30m`) or `hh:mm:ss`, kept as written (K-2).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GoDuration(pub String);

impl GoDuration {
    /// The duration, or `None` where the text is neither form or overflows 64-bit milliseconds.
    pub fn parse(&self) -> Option<Duration> {
        if self.0.contains(':') { parse_clock(&self.0) } else { parse_go(&self.0) }
    }
}

impl From<&str> for GoDuration {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "GoDuration".into()
    }
    fn inline_schema() -> bool {
        true
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", "maxLength": 32, "pattern": crate::schema::DURATION_PATTERN})
    }
}

fn parse_clock(text: &str) -> Option<Duration> {
    let mut parts = text.split(':');
    let mut next = || parts.next()?.parse::<u64>().ok();
    let (hours, minutes, seconds) = (next()?, next()?, next()?);
    let tidy = parts.next().is_none() && hours < 1000 && minutes < 60 && seconds < 60;
    tidy.then(|| Duration::from_secs(hours * 3600 + minutes * 60 + seconds))
}

fn parse_go(text: &str) -> Option<Duration> {
    if text.is_empty() {
        return None;
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, tail) = rest.split_at(digits);
        let unit_end = tail.find(|c: char| c.is_ascii_digit()).unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(unit_end);
        let millis_per_unit = match unit {
            "ms" => 1.0,
            "s" => 1e3,
            "m" => 6e4,
            "h" => 3.6e6,
            _ => return None,
        };
        let value: f64 = number.parse().ok()?;
        total = total.checked_add(Duration::try_from_secs_f64(value * millis_per_unit / 1e3).ok()?)?;
        rest = tail;
    }
    Some(total)
}
