//! Errors of the API as failures of a step: class, reason, sentence and remedy, in one table.

use std::io::ErrorKind;

use bollard::errors::Error;
use koan_core::outcome::{Failure, Outcome};
use koan_core::text::{Text, Values};
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

/// Status of an answer, where the engine answered at all.
pub(crate) fn status_of(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// There is no such object.
pub(crate) fn is_absent(error: &Error) -> bool {
    status_of(error) == Some(404)
}

/// The engine's own words, or those of the transport.
pub(crate) fn words_of(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        Error::RequestTimeoutError => "no answer in time".to_owned(),
        other => chain_of(other),
    }
}

/// Every cause of an error, joined by colons.
fn chain_of(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let words = cause.to_string();
        if !text.contains(&words) {
            text.push_str(": ");
            text.push_str(&words);
        }
        source = cause.source();
    }
    text
}

/// What the operating system said when the socket could not be reached.
pub(crate) fn io_kind_of(error: &Error) -> Option<ErrorKind> {
    if let Error::IOError { err } = error {
        return Some(err.kind());
    }
    let mut source: Option<&dyn std::error::Error> = Some(error);
    while let Some(cause) = source {
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            return Some(io.kind());
        }
        source = cause.source();
    }
    None
}

/// The failure of a verb on an object.
pub(crate) fn failure(engine: &str, verb: &str, object: &str, error: &Error) -> Failure {
    let words = words_of(error);
    let message = |text: &str| format!("{engine} could not {verb} {object}: {text}");
    match status_of(error) {
        None => Failure {
            class: FailureClass::Transient,
            reason: Reason::EngineUnreachable,
            message: format!("{engine} does not answer: {words}"),
            remedy: Some(format!("see whether {engine} runs; Koan goes on as soon as it answers")),
        },
        Some(400) => Failure {
            class: FailureClass::Invalid,
            reason: Reason::ProvisionFailed,
            message: message(&words),
            remedy: Some("correct the field that the engine names".to_owned()),
        },
        Some(401 | 403) => Failure {
            class: FailureClass::Denied,
            reason: Reason::ProvisionFailed,
            message: message(&words),
            remedy: Some(format!("allow this user to use {engine}")),
        },
        Some(_) => {
            Failure { class: FailureClass::Transient, reason: Reason::ProvisionFailed, message: message(&words), remedy: None }
        }
    }
}

/// Shortest value that is searched for in error texts; shorter ones would mask ordinary words.
const MASKED_FROM: usize = 4;

/// The outcome with every resolved value masked: an engine may quote what it was sent (S-12).
pub(crate) fn masked<'a>(outcome: Outcome, texts: impl Iterator<Item = &'a Text>, values: &Values) -> Outcome {
    let Outcome::Failed(mut failure) = outcome else { return outcome };
    for reference in texts.flat_map(Text::references) {
        if let Some(value) = values.get(reference).map(|secret| secret.expose()).filter(|value| value.len() >= MASKED_FROM) {
            failure.message = failure.message.replace(value.as_str(), "***");
        }
    }
    Outcome::Failed(failure)
}
