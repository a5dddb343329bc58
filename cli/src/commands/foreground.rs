//! `up` in the foreground: log lines until a signal, and a guard that takes an ephemeral stack down however `up` ends (REL-31).

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use koan_crds::vocabulary::ExitCode as Code;

use super::up::namespace;
use super::{Run, logs};
use crate::failure::Failure;
use crate::follow;
use crate::home::Session;
use crate::manifest::Document;
use crate::output::say;

/// First argument of the guard: what follows is a command line that it runs once its standard input ends.
pub(crate) const GUARD_ARGUMENT: &str = "__guard";
/// Longest time that the guard gives a stack to go.
const DOWN_TIMEOUT: &str = "60s";

/// Prints what the services print until a signal.
///
/// # Errors
/// [`Failure::Interrupted`] at the signal; what reading a log met.
pub(super) async fn attach(run: &Run, session: &Session, stack: &Document) -> Result<u8, Failure> {
    let style = logs::Style::of(&run.globals, logs::Parts { prefix: true, timestamps: false });
    logs::stream(run, session, (&namespace(stack), stack.name()), &[], &logs::following(), &style).await
}

/// Stays until a signal.
///
/// # Errors
/// [`Failure::Interrupted`] at the signal.
pub(super) async fn hold(run: &Run) -> Result<u8, Failure> {
    say(run.globals.quiet, "the stack is up; Ctrl-C takes it down");
    follow::bounded(None, std::future::pending()).await.unwrap_or(Ok(0))
}

/// A child that waits for the end of this process.
pub(super) struct Guard {
    child: Child,
    quiet: bool,
}

/// Starts the guard of a stack, in a process group of its own, so that Ctrl-C reaches this process alone.
///
/// # Errors
/// [`Failure::Home`] where it cannot be started; then nothing is brought up.
pub(super) fn guard(run: &Run, stack: &Document) -> Result<Guard, Failure> {
    let refuse = |error: std::io::Error| Failure::Home {
        message: format!("the guard of --ephemeral cannot be started: {error}"),
        hint: "leave --ephemeral out and end the stack with `koan down`".to_owned(),
        exit: Code::General,
    };
    let program = std::env::current_exe().map_err(refuse)?;
    let mut command = Command::new(program);
    command.arg(GUARD_ARGUMENT).arg("--home").arg(&run.settings.home);
    if let Some(context) = &run.settings.context {
        command.args(["--context", context]);
    }
    command.args(["--namespace", &namespace(stack), "--timeout", DOWN_TIMEOUT, "down", stack.name()]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).process_group(0);
    if run.globals.quiet {
        command.stderr(Stdio::null());
    }
    Ok(Guard { child: command.spawn().map_err(refuse)?, quiet: run.globals.quiet })
}

impl Guard {
    /// Lets the guard take the stack down, and waits for it. An answer of our own outranks that of the guard.
    pub(super) fn finish(mut self, outcome: Result<u8, Failure>) -> Result<u8, Failure> {
        say(self.quiet, "taking the stack down");
        drop(self.child.stdin.take());
        let ended = self.child.wait();
        match (outcome, ended) {
            (Ok(_), Ok(status)) if !status.success() => {
                Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(Code::General as u8))
            }
            (outcome, _) => outcome,
        }
    }
}

/// Runs the guard: waits for the end of its standard input, then runs the command line that it was given.
pub(crate) fn watch(arguments: &[OsString], run: impl FnOnce(Vec<OsString>) -> ExitCode) -> ExitCode {
    let mut rest = Vec::new();
    // A broken pipe is an end as well.
    let _ = std::io::stdin().lock().take(1).read_to_end(&mut rest);
    run(std::iter::once(OsString::from("koan")).chain(arguments.iter().cloned()).collect())
}
