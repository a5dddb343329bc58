//! The tests that kube-rs runs against a cluster, as published with 5.0.0: with the kinds that Koan serves, and with all that it
//! can serve (API-5).

use std::path::Path;
use std::process::Command;

use koan_tests::{Component, Exceptions, Koan, Output, component};

const CRATES: [&str; 3] = ["kube", "kube-client", "kube-runtime"];
/// How many tests of one crate run at a time, as upstream runs them.
const THREADS: &str = "4";

/// What each test of a crate came to: lines `test NAME ... ok`, and what the ones that failed said.
fn cases(program: &str, output: &Output) -> Vec<(String, Result<(), String>)> {
    let said = |name: &str| {
        let head = format!("---- {name} stdout ----");
        let text = output.stdout.split_once(&head).map(|(_, rest)| rest.split("\n---- ").next().unwrap_or(rest));
        text.unwrap_or(&output.stderr).trim().to_owned()
    };
    let case = |line: &str| {
        let (name, outcome) = line.strip_prefix("test ")?.rsplit_once(" ... ")?;
        let name = name.split(" - ").next().unwrap_or(name).trim();
        Some((format!("{program}::{name}"), if outcome == "ok" { Ok(()) } else { Err(said(name)) }))
    };
    output.stdout.lines().filter_map(case).collect()
}

/// Runs everything against a fresh server; `words` are those of `koan serve`.
fn run(suite: &str, exceptions: &str, words: &[&str]) {
    let Some(folder) = component(suite, Component::Suite("kube-rs")) else { return };
    let koan = Koan::new();
    koan.run(&[&["serve", "--background", "--no-controller"], words].concat()).expect_code(0);
    let kubeconfig = koan.home().join("kubeconfig");
    let test = |name: &str| {
        let mut command = Command::new(Path::new(&folder).join(name));
        command.args(["--ignored", "--test-threads", THREADS]).env("KUBECONFIG", &kubeconfig).env_remove("RUST_BACKTRACE");
        cases(name, &Output::of(&mut command))
    };
    Exceptions::of(suite, exceptions).tally(CRATES.into_iter().flat_map(test)).settle();
}

/// API-4, API-34: what a kube-rs client does with the kinds that Koan serves works as with a cluster.
#[test]
fn kube_rs_finds_what_koan_serves() {
    run("kube-rs", include_str!("default.txt"), &[]);
}

/// API-5: with the built-in kinds served as data, what needs no running container works as with a cluster.
#[test]
fn kube_rs_finds_a_cluster_of_data() {
    run("kube-rs-extended", include_str!("extended.txt"), &["--extended-kinds"]);
}
