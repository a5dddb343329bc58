//! Why an API call failed, by class.

use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

/// Failure of an API call.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The object changed or was replaced meanwhile: look again.
    #[error("{subject} changed meanwhile")]
    Conflict {
        /// What was written.
        subject: String,
    },
    /// An object of that name exists and is not ours.
    #[error("{subject} exists and does not carry Koan's labels of this owner")]
    Foreign {
        /// What was to be created.
        subject: String,
    },
    /// The object is not there.
    #[error("{subject} does not exist")]
    Absent {
        /// What was written.
        subject: String,
    },
    /// The right to do it is missing.
    #[error("the API server denied to write {subject}: {message}")]
    Denied {
        /// What was written.
        subject: String,
        /// Its answer.
        message: String,
    },
    /// The server takes such an object never.
    #[error("the API server refused {subject}: {message}")]
    Refused {
        /// What was written.
        subject: String,
        /// Its answer.
        message: String,
    },
    /// No answer, or one that may differ next time.
    #[error("the API server did not take {subject}: {message}")]
    Unavailable {
        /// What was written.
        subject: String,
        /// What happened.
        message: String,
    },
}

impl ApiError {
    /// Class of the failure; decides requeue and event.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Conflict { .. } | Self::Absent { .. } | Self::Unavailable { .. } => FailureClass::Transient,
            Self::Foreign { .. } | Self::Denied { .. } => FailureClass::Denied,
            Self::Refused { .. } => FailureClass::Bug,
        }
    }

    /// Reason for a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Foreign { .. } => Reason::ForeignResource,
            Self::Conflict { .. }
            | Self::Absent { .. }
            | Self::Denied { .. }
            | Self::Refused { .. }
            | Self::Unavailable { .. } => Reason::ProvisionFailed,
        }
    }

    /// The error of a client error.
    pub(crate) fn of(error: &kube::Error, subject: &str) -> Self {
        let subject = subject.to_owned();
        let kube::Error::Api(status) = error else {
            return Self::Unavailable { subject, message: error.to_string() };
        };
        let message = status.message.clone();
        match status.code {
            404 => Self::Absent { subject },
            409 | 410 => Self::Conflict { subject },
            401 | 403 => Self::Denied { subject, message },
            400 | 405 | 406 | 413 | 415 | 422 => Self::Refused { subject, message },
            _ => Self::Unavailable { subject, message },
        }
    }

    /// True where a second try may help at once.
    pub(crate) fn may_pass(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}
