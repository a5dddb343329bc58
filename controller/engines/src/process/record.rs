//! What a supervisor writes of its run; outlives supervisor, program and Koan.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::identity::ProcessIdentity;

/// Added to the number of a signal to make an exit code, as shells do.
pub(crate) const SIGNAL_BASE: i64 = 128;

/// One run of one workload.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RunRecord {
    /// Number of the run, from 1.
    pub(crate) run: u32,
    /// The supervisor.
    pub(crate) supervisor: ProcessIdentity,
    /// How far it is.
    pub(crate) phase: Phase,
    /// What runs: a step before the program, then the program.
    pub(crate) program: Option<ProcessIdentity>,
    /// When the program was started.
    pub(crate) started_at: Option<Timestamp>,
    /// When the run ended.
    pub(crate) finished_at: Option<Timestamp>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Phase {
    /// The steps before the program run.
    Preparing,
    /// The program runs.
    Running,
    /// It is over.
    Ended(End),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum End {
    /// The program ended by itself.
    Exited(i32),
    /// A signal ended the program.
    Signalled(i32),
    /// Something before the program failed, or the program could not be started.
    NotStarted {
        /// What failed, as one sentence.
        message: String,
        /// Code of the step that failed, where one ran.
        code: Option<i64>,
    },
}

impl End {
    /// Exit code as engines report it; `None` where no program ran.
    pub(crate) fn exit_code(&self) -> Option<i64> {
        match self {
            Self::Exited(code) => Some(i64::from(*code)),
            Self::Signalled(signal) => Some(SIGNAL_BASE + i64::from(*signal)),
            Self::NotStarted { message: _, code } => *code,
        }
    }
}

/// What is true of a run now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Situation {
    /// The supervisor prepares.
    Preparing,
    /// The program runs under its supervisor.
    Supervised(ProcessIdentity),
    /// The program runs, but its supervisor is gone.
    Orphaned(ProcessIdentity),
    /// A step before the program runs, but the supervisor that waited for it is gone.
    OrphanedStep(ProcessIdentity),
    /// Over; how, where the supervisor lived to write it.
    Over(Option<End>),
}

impl RunRecord {
    /// Compares the record with the processes that are there.
    pub(crate) fn situation(&self) -> Situation {
        let supervised = self.supervisor.is_alive();
        match (&self.phase, &self.program) {
            (Phase::Ended(end), _) => Situation::Over(Some(end.clone())),
            (Phase::Preparing, _) if supervised => Situation::Preparing,
            (Phase::Running, Some(program)) if supervised => Situation::Supervised(program.clone()),
            (Phase::Running, Some(program)) if program.is_alive() => Situation::Orphaned(program.clone()),
            (Phase::Preparing, Some(step)) if step.is_alive() => Situation::OrphanedStep(step.clone()),
            (Phase::Running | Phase::Preparing, _) => Situation::Over(None),
        }
    }
}
