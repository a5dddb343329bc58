//! `cargo xtask matrix`: runs every cell of the matrix of adapters and shows it, adapter × mode × situation; a cell that does not
//! hold or did not run is a hole (DET-40, DET-44).

use crate::conformance::{cargo, provide};
use crate::workspace::{Problems, Workspace};
use anyhow::{Context, Result, ensure};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

/// Runs the matrix of adapters; exit 1 on a hole.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only these adapters.
    adapters: Vec<String>,
    /// Servers run already and the environment names them; none is started.
    #[arg(long)]
    running: bool,
}

/// Cells that run at once: each is mostly waiting.
const AT_ONCE: &str = "4";
/// What every cell's name begins with.
const PREFIX: &str = "matrix_";

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Held,
    Failed,
    NotRun,
}

impl Cell {
    fn word(self) -> &'static str {
        match self {
            Self::Held => "ok",
            Self::Failed => "FAILED",
            Self::NotRun => "not run",
        }
    }
}

/// Cells by adapter, mode and situation.
type Cells = BTreeMap<(String, String, String), Cell>;

/// Runs the command.
///
/// # Errors
/// A program cannot be started, or what the suite prints is not understood.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    let root = Workspace::load()?.root;
    let all = ["all".to_owned()];
    let names = if arguments.adapters.is_empty() { &all[..] } else { &arguments.adapters[..] };
    let mut variables = Vec::new();
    if !arguments.running {
        let words: Vec<&str> = ["hack/test-servers", "up"].into_iter().chain(names.iter().map(String::as_str)).collect();
        match provide(&root, &words)? {
            Ok(found) => variables = found,
            Err(problem) => return Ok(vec![problem]),
        }
    }
    // The suite takes one filter at a time.
    let filters: Vec<String> = match &arguments.adapters[..] {
        [] => vec![PREFIX.to_owned()],
        adapters => adapters.iter().map(|adapter| format!("{PREFIX}{adapter}_")).collect(),
    };
    let (mut printed, mut held) = (String::new(), true);
    for filter in filters {
        let mut tests = cargo(&root);
        tests.args(["test", "--locked", "--package", "koan-tests", "--test", "matrix", "--", "--test-threads", AT_ONCE]);
        let output = tests.arg(filter).envs(variables.iter().cloned()).stderr(Stdio::inherit()).output();
        let output = output.context("cargo cannot be started")?;
        printed.push_str(&String::from_utf8_lossy(&output.stdout));
        held &= output.status.success();
    }
    if !arguments.running {
        let mut down = Command::new(root.join("hack/test-servers"));
        ensure!(down.arg("down").args(names).status()?.success(), "hack/test-servers down failed");
    }
    let cells = cells(&printed);
    if cells.is_empty() {
        return Ok(vec!["the matrix has no cell; see above".to_owned()]);
    }
    if !held {
        print!("{}", details(&printed));
    }
    print!("{}", table(&cells));
    Ok(holes(&cells))
}

/// The cells that a run names: `test matrix_redis_auto_busy ... ok`.
fn cells(printed: &str) -> Cells {
    let lines = printed.lines().filter_map(|line| line.trim().strip_prefix("test ")?.split_once(" ... "));
    let cell = |(name, outcome): (&str, &str)| {
        let (rest, situation) = name.trim().strip_prefix(PREFIX)?.rsplit_once('_')?;
        let (adapter, mode) = rest.rsplit_once('_')?;
        let cell = match outcome.trim() {
            "ok" => Cell::Held,
            "ignored" => Cell::NotRun,
            _ => Cell::Failed,
        };
        Some(((adapter.to_owned(), mode.to_owned(), situation.to_owned()), cell))
    };
    lines.filter_map(cell).collect()
}

/// What the run says of cells that failed.
fn details(printed: &str) -> &str {
    printed.split_once("\nfailures:\n").map_or(printed, |(_, rest)| rest)
}

/// One row per adapter and mode, one column per situation.
fn table(cells: &Cells) -> String {
    let situations: BTreeSet<&str> = cells.keys().map(|(_, _, situation)| situation.as_str()).collect();
    let columns: Vec<&str> = situations.iter().copied().collect();
    let mut text = format!("| adapter | mode | {} |\n|---|---|{}\n", columns.join(" | "), "---|".repeat(columns.len()));
    let rows: BTreeSet<(&str, &str)> = cells.keys().map(|(adapter, mode, _)| (adapter.as_str(), mode.as_str())).collect();
    for (adapter, mode) in rows {
        let key = |situation: &str| (adapter.to_owned(), mode.to_owned(), situation.to_owned());
        let found = |situation: &&str| cells.get(&key(situation)).copied().map_or("missing", Cell::word);
        let row: Vec<&str> = columns.iter().map(found).collect();
        text.push_str(&format!("| {adapter} | {mode} | {} |\n", row.join(" | ")));
    }
    let held = cells.values().filter(|cell| **cell == Cell::Held).count();
    text + &format!("{held} of {} cells hold\n", cells.len())
}

fn holes(cells: &Cells) -> Problems {
    let holes = cells.iter().filter(|(_, cell)| **cell != Cell::Held);
    holes.map(|((adapter, mode, situation), cell)| format!("{adapter} × {mode} × {situation}: {}", cell.word())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// DET-44: a cell that failed or did not run is a hole, and every cell is counted.
    #[test]
    fn what_did_not_hold_is_a_hole() {
        let printed = "test matrix_a_auto_good           ... ok\ntest matrix_a_never_good ... ignored\ntest matrix_a_auto_busy ... FAILED\n";
        let cells = cells(printed);
        assert_eq!(holes(&cells), ["a × auto × busy: FAILED", "a × never × good: not run"]);
        assert!(table(&cells).contains("| a | never | missing | not run |"), "{}", table(&cells));
        assert!(table(&cells).ends_with("1 of 3 cells hold\n"));
    }
}
