//! A child whose input and outputs stay open; it goes with its whole process group when it is given up.

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use crate::error::ExecError;
use crate::group::Group;
use crate::run::{Ending, Request, command, ended, ending};

/// A child that runs.
pub struct Opened {
    /// Its input; dropping it is the end of the input.
    pub input: Option<ChildStdin>,
    /// Its output.
    pub output: Option<ChildStdout>,
    /// Its error output.
    pub errors: Option<ChildStderr>,
    /// Its end.
    pub end: End,
}

/// The end of a child that was opened. Dropping it kills the group.
pub struct End {
    group: Group,
    program: String,
}

/// Starts a child of `request`, whose input, deadline and limit do not count.
///
/// # Errors
/// [`ExecError::Start`]
pub fn open(request: &Request) -> Result<Opened, ExecError> {
    let program = request.program.display().to_string();
    let mut child = command(request).spawn().map_err(|source| ExecError::Start { program: program.clone(), source })?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    Ok(Opened { input, output, errors, end: End::new(Group { child }, program) })
}

impl End {
    pub(crate) fn new(group: Group, program: String) -> Self {
        Self { group, program }
    }

    /// Waits for the end of the leader; the rest of its group ends then.
    ///
    /// # Errors
    /// [`ExecError::Lost`]
    pub async fn wait(mut self) -> Result<Ending, ExecError> {
        let program = self.program.clone();
        let lost = |source| ExecError::Lost { program: program.clone(), source };
        let leader = ended(&self.group).map_err(lost)?;
        leader.readable().await.map_err(lost)?.retain_ready();
        self.group.kill();
        Ok(ending(self.group.child.wait().await.map_err(lost)?))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// API-3, ENG-9: what is written reaches the child while it runs, and its exit code is told.
    #[tokio::test]
    async fn a_child_is_talked_to() {
        let request = Request {
            program: "/bin/sh".into(),
            arguments: ["-c", "read line; echo got $line; exit 3"].map(Into::into).to_vec(),
            environment: Vec::new(),
            folder: "/".into(),
            account: None,
            input: Vec::new(),
            deadline: Duration::from_secs(60),
            output_limit: 0,
        };
        let mut child = open(&request).unwrap();
        child.input.take().unwrap().write_all(b"it\n").await.unwrap();
        let mut text = String::new();
        child.output.take().unwrap().read_to_string(&mut text).await.unwrap();
        assert_eq!(text, "got it\n");
        assert_eq!(child.end.wait().await.unwrap(), Ending::Exited(3));
    }
}
