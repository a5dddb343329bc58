//! Collects violations and warnings below one path, so that a check goes on after the first of them.

use std::time::Duration;

use koan_crds::v1alpha1::GoDuration;
use koan_crds::vocabulary::Reason;

use crate::violation::{Violation, Warning};

/// Findings about one object or one entry of a list.
pub(super) struct Findings {
    /// Path of the object that fields are relative to, such as `spec.services[2]`.
    base: String,
    /// What is wrong.
    pub(super) violations: Vec<Violation>,
    /// What is odd.
    pub(super) warnings: Vec<Warning>,
}

impl Findings {
    pub(super) fn new(base: impl Into<String>) -> Self {
        Self { base: base.into(), violations: Vec::new(), warnings: Vec::new() }
    }

    /// Full path of a field.
    pub(super) fn path(&self, field: &str) -> String {
        match field {
            "" => self.base.clone(),
            field if field.starts_with('[') => format!("{}{field}", self.base),
            field => format!("{}.{field}", self.base),
        }
    }

    /// Something is wrong at a field.
    pub(super) fn refuse(&mut self, field: &str, message: impl Into<String>) {
        self.violations.push(Violation::invalid(self.path(field), message));
    }

    /// The same with a remedy.
    pub(super) fn refuse_with(&mut self, field: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.violations.push(Violation::invalid(self.path(field), message).hint(hint));
    }

    /// The same with a reason of its own.
    pub(super) fn refuse_because(&mut self, reason: Reason, field: &str, message: impl Into<String>, hint: Option<String>) {
        let violation = Violation::invalid(self.path(field), message).because(reason);
        self.violations.push(Violation { hint, ..violation });
    }

    /// Something is odd at a field.
    pub(super) fn warn(&mut self, field: &str, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Warning { path: self.path(field), message: message.into(), hint: Some(hint.into()) });
    }

    /// A duration between two bounds; the default where it is unset or refused.
    pub(super) fn duration(
        &mut self,
        field: &str,
        written: Option<&GoDuration>,
        default: Duration,
        (least, most): (Duration, Duration),
    ) -> Duration {
        let Some(written) = written else { return default };
        let range = format!("write a duration from {} to {}, such as 500ms, 5s or 1h30m", short(least), short(most));
        match written.parse() {
            None => {
                self.refuse_with(field, format!("`{}` is no duration", written.0), range);
                default
            }
            Some(value) if value < least || value > most => {
                self.refuse_with(field, format!("`{}` is outside the allowed range", written.0), range);
                default
            }
            Some(value) => value,
        }
    }
}

/// A duration as people write it, exact to the millisecond.
pub(crate) fn short(duration: Duration) -> String {
    let millis = duration.as_millis();
    match millis {
        0 => "0s".to_owned(),
        _ if millis.is_multiple_of(3_600_000) => format!("{}h", millis / 3_600_000),
        _ if millis.is_multiple_of(60_000) => format!("{}m", millis / 60_000),
        _ if millis.is_multiple_of(1_000) => format!("{}s", millis / 1_000),
        _ => format!("{millis}ms"),
    }
}
