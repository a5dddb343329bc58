//! Programs of foreign suites tell each case as a line of JSON: its name, and what it said when it failed.

use std::process::Command;

use koan_tests::Output;
use serde_json::Value;

/// Longest life of such a program, for `timeout`.
const LIMIT: &str = "300s";

/// One case and how it ended.
pub(crate) type Case = (String, Result<(), String>);

/// A program of a suite on the server of a kubeconfig, ended after [`LIMIT`].
pub(crate) fn program(path: &std::path::Path, koan: &koan_tests::Koan) -> Command {
    let mut command = Command::new("timeout");
    command.arg(LIMIT).arg(path).current_dir(koan.project()).env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", koan.project());
    // Clients keep caches there, by the address of the server, which is another one's for another test.
    command.env("TMPDIR", koan.project()).env("KUBECONFIG", koan.home().join("kubeconfig"));
    command
}

/// Runs the program and reads its cases.
pub(crate) fn told(command: &mut Command) -> Vec<Case> {
    let output = Output::of(command).expect_code(0);
    let cases: Vec<Case> = output.stdout.lines().map(case).collect();
    assert!(!cases.is_empty(), "no case was told: {}", output.stderr);
    cases
}

fn case(line: &str) -> Case {
    let value: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
    let name = value["case"].as_str().unwrap_or_else(|| panic!("a case without a name: {line}"));
    (name.to_owned(), value["error"].as_str().map_or(Ok(()), |error| Err(error.to_owned())))
}
