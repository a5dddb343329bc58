//! What can go wrong with programs of the host, and what the user can do about it.

use std::io;
use std::path::{Path, PathBuf};

use koan_core::outcome::Failure;
use koan_crds::v1alpha1::FailureClass;
use koan_crds::vocabulary::Reason;

/// Failure of a step.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProcessError {
    /// A file or folder of ours could not be used.
    #[error("cannot {verb} {}: {source}", path.display())]
    Io {
        /// What was tried.
        verb: &'static str,
        /// On which path.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A name that could leave its folder.
    #[error("{what} {name:?} is no name of an engine object")]
    Name {
        /// What is named.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// A variable that cannot be given to a program.
    #[error("env {key:?} of {object} {problem}")]
    Environment {
        /// The workload.
        object: String,
        /// Name of the variable.
        key: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Containers are not run here.
    #[error("{object} is a container; the process engine runs programs of the host")]
    Container {
        /// The workload.
        object: String,
    },
    /// A text that cannot be rendered or given to a program.
    #[error("{field} of {object} {problem}")]
    Field {
        /// The workload.
        object: String,
        /// Field path inside it.
        field: String,
        /// What is wrong.
        problem: String,
    },
    /// The program is not installed.
    #[error("{object} needs the program {program}, which is neither on PATH nor in {folders}")]
    Program {
        /// The workload.
        object: String,
        /// The program.
        program: String,
        /// Folders that were looked at.
        folders: String,
        /// Package that brings it.
        package: Option<String>,
    },
    /// The account does not exist.
    #[error("{object} runs as the account {account}, which this host does not have")]
    NoAccount {
        /// The workload.
        object: String,
        /// The account.
        account: String,
    },
    /// Only root may change the account.
    #[error("{object} asks for the account {account}, which only root can use")]
    OtherAccount {
        /// The workload.
        object: String,
        /// The account.
        account: String,
    },
    /// The object belongs to somebody else.
    #[error("{object} exists and belongs to {holder}, not to {wanted}")]
    Foreign {
        /// The object.
        object: String,
        /// Who has it.
        holder: String,
        /// Who wants it.
        wanted: String,
    },
    /// The volume of that name is another one.
    #[error("volume {object} was created at {made}, not at {wanted}; it is left alone")]
    OtherAge {
        /// The volume.
        object: String,
        /// When it was made.
        made: String,
        /// When the one that was meant was made.
        wanted: String,
    },
    /// The object is there in another shape, or busy.
    #[error("{object} {state}")]
    Conflict {
        /// The object.
        object: String,
        /// What it is.
        state: String,
    },
    /// There is no such object.
    #[error("there is no {object}")]
    Absent {
        /// The object.
        object: String,
    },
    /// The program could not be brought to run.
    #[error("{object} did not start: {message}")]
    NotStarted {
        /// The workload.
        object: String,
        /// What happened.
        message: String,
    },
    /// Something outlived its end.
    #[error("{object} still runs after TERM and KILL")]
    Unstoppable {
        /// The workload.
        object: String,
    },
}

impl ProcessError {
    /// A failed use of a path.
    pub(crate) fn io(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { verb, path: path.to_owned(), source }
    }

    /// Decides requeue and event.
    pub(crate) fn class(&self) -> FailureClass {
        match self {
            Self::Name { .. } | Self::Environment { .. } | Self::Container { .. } | Self::Field { .. } => FailureClass::Invalid,
            Self::Program { .. } | Self::NoAccount { .. } | Self::OtherAccount { .. } | Self::Foreign { .. } => {
                FailureClass::Denied
            }
            Self::OtherAge { .. } => FailureClass::Denied,
            Self::Io { source, .. } if source.kind() == io::ErrorKind::PermissionDenied => FailureClass::Denied,
            Self::Io { .. }
            | Self::Conflict { .. }
            | Self::Absent { .. }
            | Self::NotStarted { .. }
            | Self::Unstoppable { .. } => FailureClass::Transient,
        }
    }

    fn reason(&self) -> Reason {
        match self {
            Self::Container { .. } => Reason::ModeUnsupported,
            Self::Foreign { .. } | Self::OtherAge { .. } => Reason::ForeignResource,
            Self::Conflict { .. } => Reason::Conflict,
            Self::Name { .. } | Self::Environment { .. } | Self::Field { .. } => Reason::Invalid,
            Self::Io { .. }
            | Self::Program { .. }
            | Self::NoAccount { .. }
            | Self::OtherAccount { .. }
            | Self::Absent { .. }
            | Self::NotStarted { .. }
            | Self::Unstoppable { .. } => Reason::ProvisionFailed,
        }
    }

    fn remedy(&self) -> Option<String> {
        match self {
            Self::Program { program, package: Some(package), .. } => {
                Some(format!("install the package {package}, which brings {program}"))
            }
            Self::Program { program, package: None, .. } => Some(format!("install {program}, or give its absolute path")),
            Self::NoAccount { account, .. } => {
                Some(format!("useradd --system --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin {account}"))
            }
            Self::OtherAccount { account, .. } => Some(format!("leave process.user out, or run koan as {account}")),
            Self::Environment { .. } => Some("rename or remove that variable".to_owned()),
            Self::Container { .. } => Some("start Docker or Podman, or leave engine.name at Auto".to_owned()),
            Self::Foreign { object, .. } => Some(format!("rename the service, or remove {object} with the Koan that made it")),
            Self::NotStarted { .. } => Some("read the workload's log".to_owned()),
            Self::OtherAge { .. } => Some("list the volumes again and name the one that is meant".to_owned()),
            Self::Unstoppable { .. } => Some("look at the process with ps; it may wait for a device".to_owned()),
            Self::Io { .. } | Self::Name { .. } | Self::Field { .. } | Self::Conflict { .. } | Self::Absent { .. } => None,
        }
    }
}

impl From<ProcessError> for Failure {
    fn from(error: ProcessError) -> Self {
        Self { class: error.class(), reason: error.reason(), message: error.to_string(), remedy: error.remedy() }
    }
}
