//! Failures that every engine words alike.

use koan_core::outcome::Failure;
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

/// An object of that name belongs to somebody else (S-3).
pub(crate) fn foreign(engine: &str, kind: &str, name: &str) -> Failure {
    Failure {
        class: FailureClass::Denied,
        reason: Reason::ForeignResource,
        message: format!("{engine} has a {kind} {name} that does not carry this owner's labels; it was left alone"),
        remedy: Some(format!("rename or remove the {kind} {name}, or rename the service")),
    }
}

/// A failure whose cause lies in what was asked for.
pub(crate) fn invalid(reason: Reason, message: String, remedy: &str) -> Failure {
    Failure { class: FailureClass::Invalid, reason, message, remedy: Some(remedy.to_owned()) }
}

/// A failure that a later attempt may overcome.
pub(crate) fn transient(reason: Reason, message: String) -> Failure {
    Failure { class: FailureClass::Transient, reason, message, remedy: None }
}
