//! One child from start to end.

use std::ffi::OsString;
use std::io::Error;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{PidfdFlags, pidfd_open};
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{ChildStdin, Command};
use tokio::time::{Instant, timeout, timeout_at};

use crate::account::Account;
use crate::error::ExecError;
use crate::group::Group;

/// Bytes that are read at once.
const CHUNK: usize = 8 * 1024;
/// Longest deadline.
const MAX_DEADLINE: Duration = Duration::from_secs(3600);
/// How long output is read on after the group was killed: a descendant of another session may hold the pipe.
const DRAIN: Duration = Duration::from_secs(1);

/// A child to run.
#[derive(Clone, Debug)]
pub struct Request {
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Arguments; never a secret.
    pub arguments: Vec<OsString>,
    /// The whole environment; nothing is inherited.
    pub environment: Vec<(OsString, OsString)>,
    /// Working directory.
    pub folder: PathBuf,
    /// Account to run as; `None` is the caller's.
    pub account: Option<Account>,
    /// What the child reads.
    pub input: Vec<u8>,
    /// Time from start to end, between 1 ms and 1 h.
    pub deadline: Duration,
    /// Most bytes that are kept of each of the two outputs; the rest is read and dropped.
    pub output_limit: usize,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this code.
    Exited(i32),
    /// By this signal.
    Signalled(i32),
    /// The deadline passed; the whole group was killed.
    DeadlineExceeded,
}

/// What a child did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// How it ended.
    pub ending: Ending,
    /// Start of its output.
    pub output: Vec<u8>,
    /// Start of its error output.
    pub errors: Vec<u8>,
    /// One of the two was longer than the limit.
    pub truncated: bool,
}

/// Runs a child to its end.
///
/// Guarantees: the child leads a process group of its own, which is killed as a whole when the child ends, when the deadline passes, and
/// when the returned future is dropped. A member that moved to another session is out of reach.
///
/// # Errors
/// [`ExecError`] where the child cannot be started or followed.
pub async fn run(request: Request) -> Result<Report, ExecError> {
    let name = request.program.display().to_string();
    if request.deadline < Duration::from_millis(1) || request.deadline > MAX_DEADLINE {
        return Err(ExecError::Deadline { program: name, deadline: request.deadline });
    }
    let until = Instant::now() + request.deadline;
    let mut child = command(&request).spawn().map_err(|source| ExecError::Start { program: name.clone(), source })?;
    let (input, output, errors) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let mut group = Group { child };
    let lost = |source| ExecError::Lost { program: name.clone(), source };
    let ended = ended(&group).map_err(lost)?;
    let mut kept = (Kept::new(request.output_limit), Kept::new(request.output_limit));
    let traffic = async {
        tokio::join!(feed(input, &request.input), collect(output, &mut kept.0), collect(errors, &mut kept.1));
    };
    let in_time = {
        tokio::pin!(traffic);
        let in_time = tokio::select! {
            in_time = ends(&ended, until) => Some(in_time.map_err(lost)?),
            () = &mut traffic => None,
        };
        match in_time {
            Some(in_time) => {
                group.kill();
                if timeout(DRAIN, traffic).await.is_err() {
                    tracing::debug!(program = %name, "a descendant outside the process group holds the output");
                }
                in_time
            }
            None => {
                let in_time = ends(&ended, until).await.map_err(lost)?;
                group.kill();
                in_time
            }
        }
    };
    let status = group.child.wait().await.map_err(lost)?;
    let (output, errors) = kept;
    let ending = if in_time { ending(status) } else { Ending::DeadlineExceeded };
    Ok(Report { ending, truncated: output.truncated || errors.truncated, output: output.bytes, errors: errors.bytes })
}

/// Waits for the end of the leader; false where the deadline passes first.
async fn ends(leader: &AsyncFd<OwnedFd>, until: Instant) -> std::io::Result<bool> {
    match timeout_at(until, leader.readable()).await {
        Ok(ready) => ready.map(|mut guard| {
            guard.retain_ready();
            true
        }),
        Err(_elapsed) => Ok(false),
    }
}

/// The program with its arguments, environment and folder, and nothing else settled.
pub(crate) fn plain(request: &Request) -> Command {
    let mut command = Command::new(&request.program);
    command.args(&request.arguments).env_clear().envs(request.environment.iter().map(|(key, value)| (key, value)));
    command.current_dir(&request.folder);
    command
}

pub(crate) fn command(request: &Request) -> Command {
    let mut command = plain(request);
    command.process_group(0);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(account) = &request.account {
        command.gid(account.gid).uid(account.uid);
    }
    command
}

/// Readable once the leader has ended; it is not reaped by that.
#[expect(deprecated, reason = "its successor is unsafe; an OwnedFd upholds what that one asks for")]
pub(crate) fn ended(group: &Group) -> std::io::Result<AsyncFd<OwnedFd>> {
    let leader = group.leader().ok_or_else(|| Error::other("the child was reaped by somebody else"))?;
    AsyncFd::new(pidfd_open(leader, PidfdFlags::empty())?)
}

async fn feed(input: Option<ChildStdin>, bytes: &[u8]) {
    let Some(mut input) = input else { return };
    if let Err(error) = input.write_all(bytes).await {
        tracing::debug!(%error, "the child did not read its whole input");
    }
}

/// Output up to a limit.
struct Kept {
    bytes: Vec<u8>,
    limit: usize,
    truncated: bool,
}

impl Kept {
    fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), limit, truncated: false }
    }

    fn take(&mut self, chunk: &[u8]) {
        let fits = chunk.len().min(self.limit - self.bytes.len());
        self.bytes.extend_from_slice(&chunk[..fits]);
        self.truncated |= fits < chunk.len();
    }
}

async fn collect(source: Option<impl AsyncRead + Unpin>, kept: &mut Kept) {
    let Some(mut source) = source else { return };
    let mut chunk = vec![0; CHUNK];
    loop {
        match source.read(&mut chunk).await {
            Ok(0) => return,
            Ok(length) => kept.take(&chunk[..length]),
            Err(error) => {
                tracing::debug!(%error, "the output of the child ended early");
                return;
            }
        }
    }
}

pub(crate) fn ending(status: ExitStatus) -> Ending {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}
