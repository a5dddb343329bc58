//! Refusals of an apply.

use thiserror::Error;

use super::element::{Path, path_text};

/// A field that another manager owns with another value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The other manager as messages show it, for example `"mgr" using v1`.
    pub manager: String,
    /// The field.
    pub path: Path,
}

impl Conflict {
    /// `causes[].message` of the Status; its reason is `FieldManagerConflict`.
    pub fn message(&self) -> String {
        format!("conflict with {}", self.manager)
    }

    /// `causes[].field` of the Status.
    pub fn field(&self) -> String {
        path_text(&self.path)
    }
}

/// Why an apply was refused. `Display` is the Status message.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ApplyError {
    /// Other managers own what would change: 409 Conflict.
    #[error("{}", conflict_text(conflicts))]
    Conflicts {
        /// Each field and its owner, sorted by owner.
        conflicts: Vec<Conflict>,
    },
    /// A body that is no apply configuration: 400 BadRequest.
    #[error("{message}")]
    BadRequest {
        /// What is wrong.
        message: String,
    },
    /// A value that the type does not allow, an undeclared field above all: 500, as in the reference.
    #[error("{message}")]
    Type {
        /// Object, field and violation.
        message: String,
    },
}

impl ApplyError {
    /// The HTTP status of the answer.
    pub fn status(&self) -> u16 {
        match self {
            Self::Conflicts { .. } => 409,
            Self::BadRequest { .. } => 400,
            Self::Type { .. } => 500,
        }
    }
}

fn conflict_text(conflicts: &[Conflict]) -> String {
    if let [one] = conflicts {
        return format!("Apply failed with 1 conflict: {}: {}", one.message(), one.field());
    }
    let mut lines = Vec::new();
    let mut manager = None;
    for conflict in conflicts {
        if manager != Some(&conflict.manager) {
            manager = Some(&conflict.manager);
            lines.push(format!("conflicts with {}:", conflict.manager));
        }
        lines.push(format!("- {}", conflict.field()));
    }
    format!("Apply failed with {} conflicts: {}", conflicts.len(), lines.join("\n"))
}
