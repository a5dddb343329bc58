//! One small process per workload: it holds the program's output, waits for its end, writes both down, and ends after it.
//!
//! It has a session of its own, so the end of Koan does not reach it, and it uses no runtime. It decides nothing: what runs stands in its
//! job, when it stops is told through its named pipe.

mod child;
mod log;
mod prepare;

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use jiff::Timestamp;
use rustix::fs::OFlags;
use rustix::process::{Resource, Rlimit, setrlimit, setsid};

use self::child::{Child, Ending};
use self::log::LogWriter;
use super::durable;
use super::error::ProcessError;
use super::identity::ProcessIdentity;
use super::job::{CONTROL_FILE, JOB_FILE, Job, StopOrder};
use super::record::{End, Phase, RunRecord};

/// Runs the job of a folder to its end; the whole life of a supervisor.
///
/// Assumptions: standard input is the locked lock file of the workload, so that the lock lives as long as this process.
pub fn supervise(folder: &Path) -> ExitCode {
    match Supervisor::open(folder).and_then(|mut supervisor| supervisor.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let mut chain = error.to_string();
            let mut source = std::error::Error::source(&error);
            while let Some(cause) = source {
                chain = format!("{chain}: {cause}");
                source = cause.source();
            }
            complain(&chain);
            ExitCode::FAILURE
        }
    }
}

/// Standard error is a file in the private folder, which the engine quotes.
fn complain(text: &str) {
    use std::io::Write;
    if writeln!(io::stderr(), "{text}").is_err() {
        // Nobody is left to be told: the exit code says it.
    }
}

/// What a supervisor holds between its steps.
struct Supervisor {
    job: Job,
    log: LogWriter,
    control: File,
    record: RunRecord,
}

impl Supervisor {
    fn open(folder: &Path) -> Result<Self, ProcessError> {
        let job_file = folder.join(JOB_FILE);
        let io_error = |source| ProcessError::io("open", &job_file, source);
        let job: Job = durable::read(&job_file)?.ok_or_else(|| io_error(io::ErrorKind::NotFound.into()))?;
        // Fails only where this process leads a group already, and then the caller has seen to it.
        let own_session = setsid();
        let no_core_files = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
        let path = folder.join(CONTROL_FILE);
        // Open for writing as well, so that the pipe never reads as ended.
        let nonblocking = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
        let control = File::options().read(true).write(true).custom_flags(nonblocking).open(&path);
        let control = control.map_err(|source| ProcessError::io("open", &path, source))?;
        let supervisor = ProcessIdentity::of(std::process::id()).map_err(io_error)?;
        let record =
            RunRecord { run: job.run, supervisor, phase: Phase::Preparing, program: None, started_at: None, finished_at: None };
        let mut log = LogWriter::open(&job.log).map_err(|source| ProcessError::io("open", &job.log, source))?;
        log.run(job.run);
        for error in [own_session.err(), no_core_files.err()].into_iter().flatten() {
            log.gap(&format!("the supervisor runs without all of its guards: {error}"));
        }
        durable::replace(&job.record, &record)?;
        Ok(Self { job, log, control, record })
    }

    fn run(&mut self) -> Result<(), ProcessError> {
        let end = match self.prepare() {
            Ok(None) => self.program()?,
            Ok(Some(end)) => end,
            Err(error) => End::NotStarted { message: error.to_string(), code: None },
        };
        if let End::NotStarted { message, code: _ } = &end {
            self.log.gap(message);
        }
        self.record.phase = Phase::Ended(end);
        self.record.finished_at = Some(Timestamp::now());
        durable::replace(&self.job.record, &self.record)
    }

    fn program(&mut self) -> Result<End, ProcessError> {
        let mut child = match Child::start(&self.job, &self.job.command) {
            Ok(child) => child,
            Err(error) => {
                let message = format!("cannot start {}: {error}", self.job.command.first().map_or("", String::as_str));
                return Ok(End::NotStarted { message, code: None });
            }
        };
        self.record.started_at = Some(Timestamp::now());
        self.record.phase = Phase::Running;
        if let Err(error) = self.recorded(&mut child) {
            self.record.started_at = None;
            return Ok(End::NotStarted { message: error.to_string(), code: None });
        }
        let ending = child.follow(&mut self.log, &self.control, None);
        Ok(match ending.map_err(|source| ProcessError::io("follow", &self.job.log, source))? {
            Ending::Exited(code) => End::Exited(code),
            Ending::Signalled(signal) => End::Signalled(signal),
            Ending::TooLate => End::NotStarted { message: "the program was given up".to_owned(), code: None },
        })
    }

    /// Writes down which process runs now; one that nobody could find again must not run.
    fn recorded(&mut self, child: &mut Child) -> Result<(), ProcessError> {
        let identity = ProcessIdentity::of(child.pid()).map_err(|source| ProcessError::io("read", Path::new("/proc"), source));
        let written = identity.and_then(|identity| {
            self.record.program = Some(identity);
            durable::replace(&self.job.record, &self.record)
        });
        if written.is_err() {
            child.kill();
        }
        written
    }
}

/// The last order that waits in the named pipe.
fn order(control: &File) -> Option<StopOrder> {
    use std::io::Read;
    let mut bytes = [0; 512];
    let mut control = control;
    let length = control.read(&mut bytes).ok()?;
    StopOrder::parse(&String::from_utf8_lossy(&bytes[..length]))
}
