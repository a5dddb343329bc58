//! The command line of Koan: one file per command; it gathers arguments, calls the rooms below and prints.

mod arguments;
mod catalogue;
mod commands;
mod config;
mod dialects;
mod disk;
mod docker_context;
mod doctor;
mod engines;
mod exits;
mod failure;
mod follow;
mod home;
mod logging;
mod manifest;
mod output;
mod panics;
mod project;
mod redact;
pub mod reference;
mod registry_logins;
mod serve;
mod settings;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;
use koan_engines::process::{SUPERVISE_ARGUMENT, TERMINAL_ARGUMENT};

/// Runs the command line with the arguments of the process and gives its exit code.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.collect();
    if arguments.get(1).is_some_and(|word| word == SUPERVISE_ARGUMENT) {
        return commands::supervise(arguments.get(2).map(std::path::Path::new));
    }
    if arguments.get(1).is_some_and(|word| word == TERMINAL_ARGUMENT) {
        return commands::lead(arguments.get(2..).unwrap_or_default());
    }
    if arguments.get(1).is_some_and(|word| word == commands::names::NAMES_ARGUMENT) {
        commands::names::run(arguments.get(2..).unwrap_or_default());
        return ExitCode::SUCCESS;
    }
    if arguments.get(1).is_some_and(|word| word == commands::foreground::GUARD_ARGUMENT) {
        return commands::foreground::watch(arguments.get(2..).unwrap_or_default(), parse);
    }
    parse(arguments)
}

fn parse(arguments: Vec<OsString>) -> ExitCode {
    match arguments::Cli::try_parse_from(&arguments) {
        Ok(cli) => commands::dispatch(cli),
        Err(error) => arguments::refuse(&error, &arguments),
    }
}
