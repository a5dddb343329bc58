//! `cargo xtask conformance SUITE`: suites that compare the embedded server with the real thing.

use crate::workspace::{Problems, Workspace};
use anyhow::{Context, Result};
use clap::ValueEnum;
use std::path::Path;
use std::process::{Command, Output};

/// Compares the embedded server with what others made.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// What to run.
    suite: Suite,
    /// A missing part is a failure instead of `SKIPPED`.
    #[arg(long)]
    require: bool,
    /// Writes the answers anew instead of comparing them; the difference is reviewed like any other.
    #[arg(long)]
    record: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suite {
    /// The requests of `controller/apiserver/tests/goldens` on a real kube-apiserver.
    Reference,
}

/// Runs a suite.
///
/// # Errors
/// A program of the suite cannot be started.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    match arguments.suite {
        Suite::Reference => reference(&workspace.root, arguments),
    }
}

fn script(root: &Path, words: &[&str]) -> Result<Output> {
    let program = root.join("hack/reference");
    Command::new(&program).args(words).output().with_context(|| format!("{} cannot be started", program.display()))
}

fn reference(root: &Path, arguments: &Arguments) -> Result<Problems> {
    if !script(root, &["cached"])?.status.success() {
        let text = "SKIPPED reference: no kube-apiserver is built; `hack/reference build` makes it";
        println!("{text}");
        return Ok(if arguments.require { vec![text.to_owned()] } else { Problems::new() });
    }
    let started = script(root, &["up"])?;
    if !started.status.success() {
        return Ok(vec![format!("hack/reference up: {}", String::from_utf8_lossy(&started.stderr).trim())]);
    }
    let printed = String::from_utf8_lossy(&started.stdout).into_owned();
    let kubeconfig = printed.lines().find_map(|line| line.strip_prefix("export KOAN_TEST_REFERENCE_KUBECONFIG="));
    let Some(kubeconfig) = kubeconfig else { return Ok(vec!["hack/reference up names no kubeconfig".to_owned()]) };
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root).args(["test", "--locked", "--package", "koan-apiserver", "--test", "suite", "goldens::"]);
    command.env("KOAN_TEST_REFERENCE_KUBECONFIG", kubeconfig);
    if arguments.record {
        command.env("KOAN_RECORD", "1");
    }
    let status = command.status().context("cargo cannot be started")?;
    Ok(if status.success() { Problems::new() } else { vec!["answers differ from the reference's, see above".to_owned()] })
}
