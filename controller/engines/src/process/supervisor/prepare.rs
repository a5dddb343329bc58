//! Steps before the program: each once, and again from an empty folder where a crash cut them short (P2).

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use super::super::durable;
use super::super::error::ProcessError;
use super::super::job::DataFolder;
use super::super::record::{End, SIGNAL_BASE};
use super::child::{Child, Ending};
use super::{Supervisor, order};

/// Longest time that one step may take.
const STEP_LIMIT: Duration = Duration::from_secs(600);

impl Supervisor {
    /// Runs the steps that are not done; the end of the run where one of them failed or an order to stop came.
    ///
    /// A folder that was empty before the steps is marked on disk while they run. Where a mark of an earlier run is left, that run was cut
    /// short before any server could write to the folder, so what lies in it is the half-made work of the steps alone, and it is cleared.
    pub(super) fn prepare(&mut self) -> Result<Option<End>, ProcessError> {
        for data in &self.job.folders {
            if data.mark.exists() {
                self.log.gap(&format!("the preparation of {} was cut short before; it starts again", data.folder.display()));
                clear(&data.folder)?;
            }
        }
        let due: Vec<usize> = (0..self.job.prepare.len()).filter(|index| !self.job.prepare[*index].done_when.exists()).collect();
        if !due.is_empty() {
            self.job.folders.iter().try_for_each(mark)?;
        }
        for index in due {
            if let Some(end) = self.step(index)? {
                return Ok(Some(end));
            }
        }
        for data in &self.job.folders {
            durable::remove_file(&data.mark)?;
        }
        Ok(order(&self.control).map(|_order| stopped()))
    }

    fn step(&mut self, index: usize) -> Result<Option<End>, ProcessError> {
        if order(&self.control).is_some() {
            return Ok(Some(stopped()));
        }
        let command = &self.job.prepare[index].command;
        let name = command.first().cloned().unwrap_or_default();
        let failed = |source| ProcessError::io("run", Path::new(&name), source);
        let mut child = Child::start(&self.job, command).map_err(failed)?;
        self.recorded(&mut child)?;
        let mark = &self.job.prepare[index].done_when;
        let (message, code) = match child.follow(&mut self.log, &self.control, Some(STEP_LIMIT)).map_err(failed)? {
            Ending::Exited(0) if mark.exists() => return Ok(None),
            Ending::Exited(0) => (format!("{name} ended well but did not make {}", mark.display()), 0),
            Ending::Exited(code) => (format!("{name} ended with code {code}"), i64::from(code)),
            Ending::Signalled(signal) => (format!("{name} was ended by signal {signal}"), SIGNAL_BASE + i64::from(signal)),
            Ending::TooLate => (format!("{name} took longer than {} s", STEP_LIMIT.as_secs()), 1),
        };
        let message = self.log.last_lines().into_iter().fold(message, |text, line| format!("{text}; {line}"));
        Ok(Some(End::NotStarted { message, code: Some(code) }))
    }
}

fn stopped() -> End {
    End::NotStarted { message: "stopped before the program started".to_owned(), code: None }
}

/// Marks an empty folder; one that holds something already is not ours to clear.
fn mark(data: &DataFolder) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::io("read", &data.folder, source);
    if fs::read_dir(&data.folder).map_err(failed)?.next().is_none() {
        durable::replace(&data.mark, &data.folder)?;
    }
    Ok(())
}

fn clear(folder: &Path) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::io("clear", folder, source);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let kind = entry.file_type().map_err(failed)?;
        let removed: io::Result<()> =
            if kind.is_dir() { fs::remove_dir_all(entry.path()) } else { fs::remove_file(entry.path()) };
        removed.map_err(failed)?;
    }
    Ok(())
}
