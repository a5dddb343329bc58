//! What goes to stdout: documents with a kind, in the format that was asked for (CLI-1, CLI-2).

mod documents;
mod endpoint_table;
#[cfg(test)]
mod schemas;

use std::io::Write;

use clap::ValueEnum;
use serde::Serialize;

pub(crate) use documents::{Header, ServiceView, StackList, StackRow, StackStatus, ValidationReport};
pub(crate) use endpoint_table::render_status;

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

/// Writes text to stdout; a closed pipe is no error.
pub(crate) fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// Writes one line to stderr, unless `quiet`.
pub(crate) fn say(quiet: bool, line: &str) {
    if !quiet {
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }
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
