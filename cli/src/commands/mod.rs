//! One file per command; each body gathers, calls and prints.

pub(crate) mod amend;
pub(crate) mod apply;
pub(crate) mod catalog;
pub(crate) mod completion;
pub(crate) mod context;
pub(crate) mod doctor;
pub(crate) mod down;
pub(crate) mod env;
pub(crate) mod exit_codes;
pub(crate) mod init;
pub(crate) mod inspect;
pub(crate) mod list;
pub(crate) mod logs;
mod retry;
pub(crate) mod serve;
pub(crate) mod status;
pub(crate) mod up;
pub(crate) mod validate;
pub(crate) mod version;
pub(crate) mod wait;
pub(crate) mod why;

mod changes;
mod environment;
pub(crate) mod foreground;
mod held;
pub(crate) mod known;
pub(crate) mod names;
pub(crate) mod plan;
pub(crate) mod planning;
pub(crate) mod prepare;
mod programs;
mod progress;
mod promised;
mod redetect;
pub(crate) mod render;
mod shelf;
mod target;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use crate::arguments::{Cli, Command, Globals};
use crate::failure::{self, Failure};
use crate::logging;
use crate::output::say;
use crate::panics;
use crate::settings::{Environment, Settings};

/// What every command gets.
pub(crate) struct Run {
    pub(crate) globals: Globals,
    pub(crate) settings: Settings,
}

/// Runs the supervisor of one program (process engine); it needs no runtime.
pub(crate) fn supervise(folder: Option<&Path>) -> ExitCode {
    match folder {
        Some(folder) => koan_engines::process::supervise(folder),
        None => ExitCode::from(koan_crds::vocabulary::ExitCode::Usage as u8),
    }
}

/// Becomes a command on a terminal (process engine); comes back only where it cannot, with what a shell answers then.
pub(crate) fn lead(arguments: &[OsString]) -> ExitCode {
    /// The exit code of a command that cannot be run, as shells give it.
    const CANNOT_RUN: u8 = 126;
    let error = koan_engines::process::lead(arguments);
    let program = arguments.get(1).map(|program| program.display().to_string()).unwrap_or_default();
    say(false, &format!("{program}: {error}"));
    ExitCode::from(CANNOT_RUN)
}

/// Runs one command and prints its failure.
pub(crate) fn dispatch(cli: Cli) -> ExitCode {
    let format = cli.globals.format();
    match panics::caught(|| execute(cli)) {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            failure::print(&failure, format);
            ExitCode::from(failure.exit())
        }
    }
}

fn execute(cli: Cli) -> Result<u8, Failure> {
    let working = std::env::current_dir().map_err(|source| Failure::ReadFile { path: ".".into(), source })?;
    let settings = Settings::resolve(&cli.globals, Environment::of_process(), &working)?;
    let mut settings = settings;
    let command = cli.command.unwrap_or_else(|| Command::Inspect(inspect::Arguments::default()));
    if let Command::Up(arguments) = &command {
        settings.isolated |= arguments.isolated;
    }
    let serves = matches!(command, Command::Serve(_));
    logging::start(&cli.globals, &settings, serves)?;
    panics::watch(serves);
    settings.tell();
    for notice in settings.environment.notices() {
        say(cli.globals.quiet, &format!("notice: {notice}"));
    }
    let run = Run { globals: cli.globals, settings };
    match command {
        Command::Serve(arguments) => serve::run(&run, &arguments),
        Command::ExitCodes(_) => exit_codes::run(),
        Command::Completion(arguments) => completion::run(&arguments),
        Command::Version(_) => version::run(&run),
        Command::Validate(_) => validate::run(&run),
        Command::Init(arguments) => init::run(&run, &arguments),
        Command::Up(arguments) => block_on(up::run(&run, &arguments)),
        Command::Down(arguments) => block_on(down::run(&run, &arguments)),
        Command::Status(arguments) => block_on(status::run(&run, &arguments)),
        Command::Logs(arguments) => block_on(logs::run(&run, &arguments)),
        Command::Why(arguments) => block_on(why::run(&run, &arguments)),
        Command::Env(arguments) => block_on(env::run(&run, &arguments)),
        Command::Apply(arguments) => block_on(apply::run(&run, &arguments)),
        Command::Wait(arguments) => block_on(wait::run(&run, &arguments)),
        Command::Catalog(arguments) => catalog::run(&run, &arguments),
        Command::Doctor(arguments) => block_on(doctor::run(&run, &arguments)),
        Command::Context(arguments) => block_on(context::run(&run, &arguments)),
        Command::Inspect(arguments) => block_on(inspect::run(&run, &arguments)),
        Command::Plan(arguments) => block_on(plan::run(&run, &arguments)),
        Command::List(arguments) => block_on(list::run(&run, &arguments)),
    }
}

/// Runs a future on a runtime of one thread: one-shot commands need no more (PERF-96). Its end is the command's end: a look-up of a
/// name whose answer nobody waits for any more, which no resolver lets go of, ends with the program (DET-12).
fn block_on(command: impl Future<Output = Result<u8, Failure>>) -> Result<u8, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| Failure::Bug { message: format!("no runtime: {error}") })?;
    let answer = runtime.block_on(command);
    runtime.shutdown_background();
    answer
}
