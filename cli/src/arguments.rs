//! The command table: global flags and one variant per command (CLI-7).

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::NonEmptyStringValueParser;
use clap::error::ErrorKind;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use koan_crds::v1alpha1::EngineName;

use crate::commands;
use crate::failure::{self, Failure};
use crate::logging::LogFormat;
use crate::output::Format;

/// Gives a program the services that it needs: found on this machine or provisioned, and kept ready.
#[derive(Debug, Parser)]
#[command(
    name = "koan",
    version,
    infer_subcommands = false,
    propagate_version = false,
    help_template = "{about}\n\n{usage-heading} {usage}\n\n{all-args}{after-help}",
    after_help = "Start with: koan init, then koan up. Exit codes: koan help exit-codes."
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) globals: Globals,
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// Flags that every command takes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global flags")]
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
    #[arg(short = 'n', long, global = true, value_name = "NAMESPACE", value_parser = NonEmptyStringValueParser::new())]
    pub(crate) namespace: Option<String>,
    /// Context of a kubeconfig: work on that cluster instead of this machine
    #[arg(long, global = true, value_name = "CONTEXT", value_parser = NonEmptyStringValueParser::new())]
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
    /// Tell Koan's own steps; -vv tells each request to the API server and the libraries' steps, too
    #[arg(short = 'v', global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
    /// Tell requests and answers with what they hold, secrets hidden; a server that this run starts tells its calls of engines in server.log
    #[arg(long, global = true)]
    pub(crate) trace: bool,
    /// Errors only
    #[arg(short = 'q', long, global = true)]
    pub(crate) quiet: bool,
    /// Form of the log
    #[arg(long, global = true, value_enum, default_value = "text", value_name = "FORMAT")]
    pub(crate) log_format: LogFormat,
    /// Append the log to this file, 0600, instead of standard error
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) log_file: Option<PathBuf>,
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

/// The commands, in the order in which a stack's life meets them.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(commands::init::Arguments),
    Up(commands::up::Arguments),
    Status(commands::status::Arguments),
    Why(commands::why::Arguments),
    Logs(commands::logs::Arguments),
    Env(commands::env::Arguments),
    Wait(commands::wait::Arguments),
    Down(commands::down::Arguments),
    Inspect(commands::inspect::Arguments),
    Validate(commands::validate::Arguments),
    Plan(commands::plan::Arguments),
    Apply(commands::apply::Arguments),
    #[command(alias = "ls")]
    List(commands::list::Arguments),
    Catalog(commands::catalog::Arguments),
    Doctor(commands::doctor::Arguments),
    Context(commands::context::Arguments),
    Serve(commands::serve::Arguments),
    Completion(commands::completion::Arguments),
    Version(commands::version::Arguments),
    ExitCodes(commands::exit_codes::Arguments),
}

/// Prints what the parser refused, in the shape of every other error; help and version are no errors.
pub(crate) fn refuse(error: &clap::Error, words: &[OsString]) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed stdout is not an error of its own.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        _ => {
            let failure = usage(&error.render().to_string(), words);
            failure::print(&failure, wanted_format(words));
            ExitCode::from(failure.exit())
        }
    }
}

/// The parser's words as a failure: its first sentence, and its tips as hints.
fn usage(rendered: &str, words: &[OsString]) -> Failure {
    let lines: Vec<&str> = rendered.lines().collect();
    let end = lines.iter().position(|line| line.is_empty()).unwrap_or(lines.len());
    let message = lines[..end].iter().map(|line| line.trim()).collect::<Vec<_>>().join(" ");
    let message = message.strip_prefix("error: ").unwrap_or(&message).to_owned();
    let mut hints: Vec<String> = lines.iter().filter_map(|line| line.trim().strip_prefix("tip: ")).map(str::to_owned).collect();
    let known = Cli::command();
    let command = words.iter().skip(1).filter_map(|word| word.to_str()).find(|word| known.find_subcommand(word).is_some());
    let command = command.map(|command| format!(" {command}")).unwrap_or_default();
    hints.push(format!("`koan{command} --help` shows what there is"));
    Failure::Arguments { message, hints }
}

/// The output format that the words ask for, as far as they can be read without the parser.
fn wanted_format(words: &[OsString]) -> Format {
    let words: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let pair = |flag: &str, value: &str| words.windows(2).any(|pair| pair == [flag, value]);
    let json = words.contains(&"--json")
        || ["json", "yaml"].iter().any(|format| {
            pair("-o", format)
                || pair("--output", format)
                || words.contains(&format!("-o{format}").as_str())
                || words.contains(&format!("--output={format}").as_str())
        });
    if json { Format::Json } else { Format::Human }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::{Cli, usage, wanted_format};
    use crate::output::Format;

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

    /// CLI-6, CLI-19: the parser's refusals have the shape of every other error: one sentence, the nearest word as a hint.
    #[test]
    fn refusals_of_the_parser_are_errors_like_others() {
        let words = ["koan", "up", "--timeot", "3s", "-o", "json"].map(std::ffi::OsString::from);
        let error = Cli::try_parse_from(&words).expect_err("an unknown flag");
        let failure = usage(&error.render().to_string(), &words);
        assert_eq!(failure.to_string(), "unexpected argument '--timeot' found");
        assert_eq!(failure.hints(), ["a similar argument exists: '--timeout'", "`koan up --help` shows what there is"]);
        assert_eq!((failure.exit(), wanted_format(&words)), (2, Format::Json));
        assert_eq!(wanted_format(&["koan", "up", "-oyaml"].map(std::ffi::OsString::from)), Format::Json);
        assert_eq!(wanted_format(&["koan", "up", "-o"].map(std::ffi::OsString::from)), Format::Human);
        let rendered = Cli::try_parse_from(["koan", "logs", "--previous", "-f"]).expect_err("a conflict").render().to_string();
        assert!(usage(&rendered, &words).to_string().contains("cannot be used with"), "{rendered}");
    }

    /// CLI-7: `-f` names a manifest, in `logs` it follows; the long form means the manifest everywhere.
    #[test]
    fn the_short_flag_follows_in_logs_alone() {
        let files = |words: &[&str]| Cli::try_parse_from(words).expect("valid").globals.files;
        assert_eq!(files(&["koan", "up", "-f", "a.yaml", "-f", "b.yaml"]).len(), 2);
        assert_eq!(files(&["koan", "logs", "-f"]).len(), 0);
        assert_eq!(files(&["koan", "logs", "-f", "--file", "a.yaml", "db"]), [std::path::PathBuf::from("a.yaml")]);
        assert_eq!(files(&["koan", "--file", "a.yaml", "logs"]), [std::path::PathBuf::from("a.yaml")]);
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
