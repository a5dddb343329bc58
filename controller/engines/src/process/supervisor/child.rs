//! A program in its own process group, followed from its start to its end by one loop.

use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process_group, pidfd_open};

use super::super::job::{Job, signal_of};
use super::log::{LogWriter, Source};
use super::order;

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;
/// Most chunks that are read from one output after the program ended: a descendant outside the group may go on writing.
const DRAIN_CHUNKS: usize = 1024;

/// How a program ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// By itself.
    Exited(i32),
    /// By a signal.
    Signalled(i32),
    /// Its time was over.
    TooLate,
}

/// A running program; it is not reaped before its whole group was killed, so its number is nobody else's till then.
pub(super) struct Child {
    child: std::process::Child,
    group: Pid,
    ended: OwnedFd,
    outputs: [Option<Output>; 2],
    asks: Signal,
}

/// One open output.
struct Output {
    pipe: File,
    source: Source,
}

impl Child {
    /// Starts a command of a job.
    pub(super) fn start(job: &Job, command: &[String]) -> io::Result<Self> {
        let (program, arguments) = command.split_first().ok_or_else(|| io::Error::other("the command is empty"))?;
        let mut child = {
            let mut command = Command::new(program);
            command.args(arguments).env_clear().envs(job.environment.iter().map(|(key, value)| (key, value)));
            command.current_dir(&job.folder).process_group(0);
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
            if let Some((uid, gid)) = job.account {
                command.gid(gid).uid(uid);
            }
            command.spawn()?
        };
        let output = child.stdout.take().map(|pipe| Output::new(pipe.into(), Source::Output)).transpose()?;
        let errors = child.stderr.take().map(|pipe| Output::new(pipe.into(), Source::Errors)).transpose()?;
        let group = i32::try_from(child.id()).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("no process id"))?;
        Ok(Self {
            ended: pidfd_open(group, PidfdFlags::empty())?,
            child,
            group,
            outputs: [output, errors],
            asks: signal_of(job.stop_signal),
        })
    }

    /// Number of the program.
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Kills the whole group and reaps the program.
    pub(super) fn kill(&mut self) {
        self.signal(Signal::KILL);
        if let Err(error) = self.child.wait() {
            super::complain(&format!("cannot reap the program: {error}"));
        }
    }

    /// Writes the output down till the program has ended, obeys orders to stop, and leaves no member of the group behind.
    pub(super) fn follow(&mut self, log: &mut LogWriter, control: &File, limit: Option<Duration>) -> io::Result<Ending> {
        let mut kill_at = limit.map(|limit| Instant::now() + limit);
        let mut stopping = false;
        loop {
            let ready = self.wait(control, kill_at)?;
            for index in [0, 1] {
                if ready.outputs[index] {
                    self.read(index, log)?;
                }
            }
            if ready.control
                && let Some(order) = order(control)
            {
                stopping = true;
                self.signal(self.asks);
                kill_at = Some(Instant::now() + Duration::from_millis(order.grace));
            }
            if ready.ended {
                return self.finish(log);
            }
            if kill_at.is_some_and(|at| Instant::now() >= at) {
                self.signal(Signal::KILL);
                kill_at = None;
                if !stopping {
                    self.finish(log)?;
                    return Ok(Ending::TooLate);
                }
            }
        }
    }

    fn wait(&self, control: &File, until: Option<Instant>) -> io::Result<Ready> {
        let left = until.map(|at| at.saturating_duration_since(Instant::now()));
        let timeout = left.map(|left| Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        });
        let mut polled = vec![PollFd::new(&self.ended, PollFlags::IN), PollFd::new(control, PollFlags::IN)];
        let open: Vec<usize> = [0, 1].into_iter().filter(|index| self.outputs[*index].is_some()).collect();
        polled.extend(self.outputs.iter().flatten().map(|output| PollFd::from_borrowed_fd(output.pipe.as_fd(), PollFlags::IN)));
        match poll(&mut polled, timeout.as_ref()) {
            Ok(_count) => {}
            Err(rustix::io::Errno::INTR) => return Ok(Ready::default()),
            Err(error) => return Err(error.into()),
        }
        let ready = |index: usize| !polled[index].revents().is_empty();
        let mut result = Ready { ended: ready(0), control: ready(1), outputs: [false, false] };
        for (position, index) in open.into_iter().enumerate() {
            result.outputs[index] = ready(2 + position);
        }
        Ok(result)
    }

    /// Reads one chunk; true where there may be more.
    fn read(&mut self, index: usize, log: &mut LogWriter) -> io::Result<bool> {
        let Some(output) = &mut self.outputs[index] else { return Ok(false) };
        let mut chunk = [0; CHUNK];
        match output.pipe.read(&mut chunk) {
            Ok(0) => {
                log.end(output.source);
                self.outputs[index] = None;
                Ok(false)
            }
            Ok(length) => {
                log.take(output.source, &chunk[..length]);
                Ok(true)
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Kills what is left of the group, takes the rest of the output and reaps the program.
    fn finish(&mut self, log: &mut LogWriter) -> io::Result<Ending> {
        self.signal(Signal::KILL);
        for index in [0, 1] {
            for _chunk in 0..DRAIN_CHUNKS {
                if !self.read(index, log)? {
                    break;
                }
            }
            if let Some(output) = &self.outputs[index] {
                log.end(output.source);
            }
        }
        Ok(ending(self.child.wait()?))
    }

    fn signal(&self, signal: Signal) {
        match kill_process_group(self.group, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => super::complain(&format!("cannot signal the process group: {error}")),
        }
    }
}

impl Output {
    fn new(pipe: OwnedFd, source: Source) -> io::Result<Self> {
        fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
        Ok(Self { pipe: pipe.into(), source })
    }
}

/// What a wait brought.
#[derive(Default)]
struct Ready {
    ended: bool,
    control: bool,
    outputs: [bool; 2],
}

fn ending(status: ExitStatus) -> Ending {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ending::Exited(code),
        (None, signal) => Ending::Signalled(signal.unwrap_or_default()),
    }
}
