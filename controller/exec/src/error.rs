//! Why a child could not be run.

use std::time::Duration;

/// Failure to run a child; a child that ran and failed is a report, no error.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The program could not be started.
    #[error("cannot start {program}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The pipes or the state of the child could not be read.
    #[error("lost track of {program}")]
    Lost {
        /// The program.
        program: String,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A limit of the request makes no sense.
    #[error("the deadline of {program} is {deadline:?}; it must lie between 1 ms and 1 h")]
    Deadline {
        /// The program.
        program: String,
        /// The deadline.
        deadline: Duration,
    },
}
