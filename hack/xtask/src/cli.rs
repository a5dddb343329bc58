//! `cargo xtask cli`: the reference of the command line and the pages of the adapters in `docs/`, written from their definitions; each
//! flag is tried by a test (CLI-40, DET-48).

use crate::sources;
use crate::workspace::{Problems, Workspace};
use anyhow::{Context, Result, bail};
use similar::TextDiff;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

/// Writes the reference of the command line, or checks the committed one; checks that each flag is tried by a test.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Compare with the committed files and write nothing.
    #[arg(long)]
    check: bool,
}

/// Folder that holds pages of adapters alone.
const ADAPTERS: &str = "docs/adapters";
/// Lines around a difference that are shown.
const CONTEXT: usize = 3;

/// Runs the command.
///
/// # Errors
/// The command line does not compile, or a file cannot be read or written.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let mut problems = Vec::new();
    let pages = printed(&workspace, "pages")?;
    let pages: BTreeMap<String, String> = serde_json::from_str(&pages).context("the pages are no map of texts")?;
    for (file, wanted) in &pages {
        let path = workspace.root.join(file);
        if arguments.check {
            problems.extend(difference(&path, file, wanted));
        } else {
            path.parent().map(std::fs::create_dir_all).transpose()?;
            std::fs::write(&path, wanted).with_context(|| format!("writing {file}"))?;
            println!("{file}");
        }
    }
    for file in orphans(&workspace, &pages) {
        if arguments.check {
            problems.push(format!("{file} has no adapter any more: run `cargo xtask cli`"));
        } else {
            std::fs::remove_file(workspace.root.join(&file)).with_context(|| format!("removing {file}"))?;
        }
    }
    problems.extend(untried(&workspace)?);
    Ok(problems)
}

/// Pages of adapters that are gone.
fn orphans(workspace: &Workspace, pages: &BTreeMap<String, String>) -> Vec<String> {
    let files = sources::files(&workspace.root.join(ADAPTERS), &["md"]);
    files.iter().map(|path| workspace.shown(path)).filter(|file| !pages.contains_key(file)).collect()
}

fn printed(workspace: &Workspace, word: &str) -> Result<String> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--locked", "--package", "koan", "--example", "reference", "--", word]);
    let output = command.current_dir(&workspace.root).output().context("running cargo")?;
    if !output.status.success() {
        bail!("the reference cannot be printed:\n{}", String::from_utf8_lossy(&output.stderr));
    }
    String::from_utf8(output.stdout).context("the reference is no text")
}

fn difference(path: &Path, file: &str, wanted: &str) -> Option<String> {
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    (committed != wanted).then(|| {
        let diff = TextDiff::from_lines(committed.as_str(), wanted);
        println!("{}", diff.unified_diff().context_radius(CONTEXT).header(file, "generated"));
        format!("{file} differs from its definition in the code: run `cargo xtask cli`")
    })
}

/// Flags that stand in no test.
fn untried(workspace: &Workspace) -> Result<Problems> {
    let tests = sources::test_code(&workspace.root, &["hack"])?;
    let flags = printed(workspace, "flags")?;
    let missing = flags.lines().filter(|line| {
        let flag = line.split_whitespace().last().unwrap_or_default();
        !tests.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).any(|word| word == flag)
    });
    Ok(missing.map(|flag| format!("`{flag}` is tried by no test")).collect())
}
