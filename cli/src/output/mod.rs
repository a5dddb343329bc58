//! What goes to stdout: documents with a kind, in the format that was asked for (CLI-1, CLI-2).

mod documents;
mod endpoint_table;
mod env_report;
mod gc_report;
mod inspect_report;
mod lines;
mod plan_report;
#[cfg(test)]
mod schemas;
mod small;

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

use crate::arguments::{ColorWhen, Globals};
use crate::redact;

pub(crate) use documents::{Header, ServiceView, StackList, StackRow, StackStatus, ValidationReport, evidence};
pub(crate) use endpoint_table::render_status;
pub(crate) use env_report::EnvReport;
pub(crate) use gc_report::{GcReport, HeldObject};
pub(crate) use inspect_report::{
    InspectReport, InspectedPort, InspectedService, Project, ProviderLine, SettingLine, UnlistedService,
};
pub(crate) use lines::{LogEntry, ProgressEvent};
pub(crate) use plan_report::{DecisionLine, EngineLine, PlanReport, PortLine, StepView};
pub(crate) use small::{InitReport, ServerProcess, ServerStatus, VersionReport};

/// Output format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    Human,
    Wide,
    Json,
    Yaml,
    Name,
}

/// A document that a command prints.
pub(crate) trait Document: Serialize {
    /// Human form; `wide` adds columns.
    fn human(&self, wide: bool) -> String;
    /// Names only, one a line.
    fn names(&self) -> Vec<String>;
}

/// Prints a document to stdout. A closed pipe ends quietly (CLI-4).
pub(crate) fn emit(document: &impl Document, format: Format) {
    let text = match format {
        Format::Human => document.human(false),
        Format::Wide => document.human(true),
        Format::Json => serde_json::to_string_pretty(document).unwrap_or_default() + "\n",
        Format::Yaml => serde_saphyr::to_string(document).unwrap_or_default(),
        Format::Name => document.names().into_iter().map(|name| name + "\n").collect(),
    };
    write_out(&text);
}

/// Prints one of a row of documents: a JSON document in one line (CLI-2).
pub(crate) fn emit_next(document: &impl Document, format: Format) {
    match format {
        Format::Json => write_out(&(serde_json::to_string(document).unwrap_or_default() + "\n")),
        Format::Yaml => write_out(&format!("---\n{}", serde_saphyr::to_string(document).unwrap_or_default())),
        Format::Human | Format::Wide | Format::Name => emit(document, format),
    }
}

/// Writes text to stdout, values that this process knows to be secret hidden; a closed pipe is no error.
pub(crate) fn write_out(text: &str) {
    write_exactly(&redact::known(text));
}

/// Writes text to stdout as it is: secret values that somebody asked for, or none at all.
pub(crate) fn write_exactly(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to stderr, unless `quiet`.
pub(crate) fn say(quiet: bool, line: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr().lock(), "{}", redact::talk(line));
    }
}

/// Colours that tell services apart, in turn.
pub(crate) const SERVICE_COLOURS: [anstyle::AnsiColor; 6] = [
    anstyle::AnsiColor::Cyan,
    anstyle::AnsiColor::Yellow,
    anstyle::AnsiColor::Green,
    anstyle::AnsiColor::Magenta,
    anstyle::AnsiColor::Blue,
    anstyle::AnsiColor::BrightCyan,
];

/// True where output may be coloured: asked for, or on a terminal that nothing says is plain (CLI-4).
pub(crate) fn colour(globals: &Globals, terminal: bool) -> bool {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let plain =
        set("NO_COLOR") || std::env::var("TERM").is_ok_and(|t| t == "dumb") || std::env::var("CI").is_ok_and(|ci| ci == "true");
    match globals.color {
        ColorWhen::Always => true,
        ColorWhen::Never => false,
        ColorWhen::Auto => terminal && !plain,
    }
}

/// The text in a colour.
pub(crate) fn paint(colour: anstyle::AnsiColor, text: &str) -> String {
    let style = anstyle::Style::new().fg_color(Some(colour.into()));
    format!("{style}{text}{style:#}")
}

/// Columns padded to their widest cell, two spaces between them.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    rows.iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned() + "\n"
        })
        .collect()
}
