//! Violations: what is wrong with a manifest, each with its field path and its remedy; warnings apart.

use std::fmt;

use koan_crds::vocabulary::Reason;
use serde::{Deserialize, Serialize};

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Violation {
    /// Path of the field, such as `spec.services[0].health` or `metadata.name`.
    pub path: String,
    /// Reason of `Accepted=False`.
    pub reason: Reason,
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    pub hint: Option<String>,
}

impl Violation {
    /// A violation of the general kind (`Invalid`).
    pub fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { path: path.into(), reason: Reason::Invalid, message: message.into(), hint: None }
    }

    /// The same with another reason.
    #[must_use]
    pub fn because(self, reason: Reason) -> Self {
        Self { reason, ..self }
    }

    /// The same with a remedy.
    #[must_use]
    pub fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

/// At least one violation, sorted by path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violations(Vec<Violation>);

impl Violations {
    /// The violations in order; `None` where there is none.
    pub fn new(mut found: Vec<Violation>) -> Option<Self> {
        found.sort();
        found.dedup();
        (!found.is_empty()).then_some(Self(found))
    }

    /// Every violation, sorted by path.
    pub fn iter(&self) -> impl Iterator<Item = &Violation> {
        self.0.iter()
    }

    /// How many there are; at least 1.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// Reason of the `Accepted` condition: the one that all share, else `Invalid`.
    pub fn reason(&self) -> Reason {
        let mut reasons = self.0.iter().map(|violation| violation.reason);
        match reasons.next() {
            Some(first) if reasons.all(|reason| reason == first) => first,
            _ => Reason::Invalid,
        }
    }

    /// One sentence for a condition: every violation, at most [`SHOWN`] of them in words.
    pub fn sentence(&self) -> String {
        let shown: Vec<String> = self.0.iter().take(SHOWN).map(ToString::to_string).collect();
        let rest = self.0.len().saturating_sub(SHOWN);
        if rest == 0 { shown.join("; ") } else { format!("{}; and {rest} more", shown.join("; ")) }
    }
}

/// Most violations that a condition message spells out; `koan validate` shows all.
const SHOWN: usize = 5;

impl fmt::Display for Violations {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.sentence())
    }
}

impl std::error::Error for Violations {}

/// Something that works, but that the user should know.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Warning {
    /// Path of the field.
    pub path: String,
    /// What is odd, as one sentence without a full stop.
    pub message: String,
    /// What to write instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.path, self.message)
    }
}

impl Warning {
    /// Limits that nothing keeps, because a program of the host runs without any (ENG-10).
    pub fn unbounded(path: String) -> Self {
        let hint = "run it as a container, or leave it out";
        Self { path, message: UNBOUNDED.to_owned(), hint: Some(hint.to_owned()) }
    }
}

/// What `resources` do for a program of the host.
pub(crate) const UNBOUNDED: &str = "bounds nothing: a program of the host runs without limits";
