//! The command table: global flags and one variant per command (CLI-7).

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use koan_crds::v1alpha1::EngineName;

use crate::commands;
use crate::output::Format;

/// Gives a program the services that it needs: found on this machine or provisioned, and kept ready.
#[derive(Debug, Parser)]
#[command(
    name = "koan",
    version,
    infer_subcommands = false,
    subcommand_required = true,
    arg_required_else_help = true,
    propagate_version = false
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
pub(crate) struct Globals {
    /// Manifest file, folder, or - for standard input; may be repeated
    #[arg(short = 'f', long = "file", global = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    /// Profile: local, ci, staging, prod
    #[arg(long, global = true, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Engine that runs the workloads
    #[arg(long, global = true, value_enum, value_name = "ENGINE")]
    pub(crate) engine: Option<EngineWord>,
    /// Namespace
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// Context of a kubeconfig: work on that cluster instead of this machine
    #[arg(long, global = true, value_name = "CONTEXT")]
    pub(crate) context: Option<String>,
    /// State directory
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) home: Option<PathBuf>,
    /// Output format
    #[arg(short = 'o', long = "output", global = true, value_enum, default_value = "human", value_name = "FORMAT")]
    pub(crate) output: Format,
    /// The same as -o json
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// More words; twice for debugging
    #[arg(short = 'v', global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Every request and answer, redacted
    #[arg(long, global = true)]
    pub(crate) trace: bool,
    /// Errors only
    #[arg(short = 'q', long, global = true)]
    pub(crate) quiet: bool,
    /// Colour
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "WHEN")]
    pub(crate) color: ColorWhen,
    /// Progress on stderr
    #[arg(long, global = true, value_enum, default_value = "auto", value_name = "KIND")]
    pub(crate) progress: ProgressKind,
    /// Answer yes to questions
    #[arg(long, global = true)]
    pub(crate) yes: bool,
    /// Longest wait, such as 90s
    #[arg(long, global = true, value_name = "DURATION")]
    pub(crate) timeout: Option<String>,
}

impl Globals {
    /// The output format, `--json` included.
    pub(crate) fn format(&self) -> Format {
        if self.json { Format::Json } else { self.output }
    }
}

/// Engines that `--engine` takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum EngineWord {
    Auto,
    Docker,
    Podman,
    Process,
}

impl From<EngineWord> for EngineName {
    fn from(word: EngineWord) -> Self {
        match word {
            EngineWord::Auto => Self::Auto,
            EngineWord::Docker => Self::Docker,
            EngineWord::Podman => Self::Podman,
            EngineWord::Process => Self::Process,
        }
    }
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    Auto,
    Always,
    Never,
}

/// How progress is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ProgressKind {
    Auto,
    Plain,
    None,
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Up(commands::up::Arguments),
    Down(commands::down::Arguments),
    Status(commands::status::Arguments),
    Logs(commands::logs::Arguments),
    Why(commands::why::Arguments),
    Env(commands::env::Arguments),
    Apply(commands::apply::Arguments),
    Validate(commands::validate::Arguments),
    Wait(commands::wait::Arguments),
    #[command(alias = "ls")]
    List(commands::list::Arguments),
    Serve(commands::serve::Arguments),
    Plan(commands::plan::Arguments),
    Context(commands::context::Arguments),
    Doctor(commands::doctor::Arguments),
    Init(commands::init::Arguments),
    Version(commands::version::Arguments),
    Completion(commands::completion::Arguments),
}

/// Prints what the parser refused; help and version are no errors.
pub(crate) fn refuse(error: &clap::Error) -> ExitCode {
    // A closed stdout or stderr is not an error of its own.
    let _ = error.print();
    match error.kind() {
        clap::error::ErrorKind::DisplayHelp | clap::error::ErrorKind::DisplayVersion => ExitCode::SUCCESS,
        _ => ExitCode::from(koan_crds::vocabulary::ExitCode::Usage as u8),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::Cli;

    fn parses(words: &[&str]) -> bool {
        Cli::try_parse_from(std::iter::once("koan").chain(words.iter().copied())).is_ok()
    }

    /// CLI-12: neither a command nor an alias is called extension, e or ext, and prefixes are no commands.
    #[test]
    fn no_command_is_called_extension_and_none_is_guessed() {
        let command = Cli::command();
        let names = command.get_subcommands().flat_map(|c| c.get_all_aliases().chain([c.get_name()]).collect::<Vec<_>>());
        assert!(names.into_iter().all(|name| !["extension", "e", "ext"].contains(&name)));
        assert!(!parses(&["stat"]) && !parses(&["ext"]));
    }

    /// CLI-6: an unknown flag, a bad value and an unknown command are refused; a boolean flag swallows no word.
    #[test]
    fn what_is_unknown_is_refused() {
        for words in [
            &["up", "--unknown"][..],
            &["up", "--base-port", "x"],
            &["status", "-o", "xml"],
            &["frobnicate"],
            &["--engine", "lxc", "up"],
        ] {
            assert!(!parses(words), "{words:?}");
        }
        assert!(parses(&["up", "--expose-internals", "shop"]));
        assert!(parses(&["status", "-o", "json", "shop"]));
    }

    /// CLI-7: every command has a one-line help and takes the global flags.
    #[test]
    fn every_command_is_described() {
        Cli::command().debug_assert();
        for command in Cli::command().get_subcommands() {
            assert!(command.get_about().is_some(), "{}", command.get_name());
        }
    }
}
