//! What a supervisor is told, by one private file that holds secret values and lies in memory where the host allows it.

use std::path::PathBuf;

use koan_core::workload::StopSignal;
use koan_exec::Account;
use rustix::process::Signal;
use serde::{Deserialize, Serialize};

/// Name of the job inside the private folder.
pub(crate) const JOB_FILE: &str = "job.json";
/// Name of the named pipe by which a supervisor is told to stop.
pub(crate) const CONTROL_FILE: &str = "control";

/// One run. It has no Debug, since its environment holds secret values.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    /// Number of the run.
    pub(crate) run: u32,
    /// File that takes the record of the run.
    pub(crate) record: PathBuf,
    /// File that takes the output.
    pub(crate) log: PathBuf,
    /// Data folders that the steps may have to fill.
    pub(crate) folders: Vec<DataFolder>,
    /// Steps before the program.
    pub(crate) prepare: Vec<PrepareJob>,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
    /// The whole environment.
    pub(crate) environment: Vec<(String, String)>,
    /// Working directory.
    pub(crate) folder: PathBuf,
    /// User and group id; `None` is the caller's.
    pub(crate) account: Option<(u32, u32)>,
    /// What asks the program to end.
    pub(crate) stop_signal: StopSignal,
}

/// The signal by its number.
pub(crate) fn signal_of(signal: StopSignal) -> Signal {
    match signal {
        StopSignal::Term => Signal::TERM,
        StopSignal::Int => Signal::INT,
    }
}

impl Job {
    /// The account as the executor of commands takes it.
    pub(crate) fn account(&self) -> Option<Account> {
        self.account.map(|(uid, gid)| Account { uid, gid })
    }
}

/// A data folder with the mark that says that it is being filled.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DataFolder {
    /// The folder.
    pub(crate) folder: PathBuf,
    /// Exists from before the first step fills the empty folder till the last step succeeded.
    pub(crate) mark: PathBuf,
}

/// A step before the program.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PrepareJob {
    /// File whose existence says that the step is done.
    pub(crate) done_when: PathBuf,
    /// Program and arguments.
    pub(crate) command: Vec<String>,
}

/// What a supervisor is told through its named pipe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StopOrder {
    /// Milliseconds between the signal that asks and KILL.
    pub(crate) grace: u64,
}

impl StopOrder {
    /// The order as one line.
    pub(crate) fn line(self) -> String {
        format!("stop {}\n", self.grace)
    }

    /// The last order in a text.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        text.lines().rev().find_map(|line| Some(Self { grace: line.strip_prefix("stop ")?.trim().parse().ok()? }))
    }
}
