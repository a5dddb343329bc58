//! Helm 4 as people use it: a chart of Koan's kinds on a Koan that runs them, and one with workloads on the extended kinds.

mod foreign;
mod own;

use std::path::PathBuf;
use std::process::Command;

use koan_tests::{Component, Exceptions, Koan, Kubectl, Output, component};
use serde_json::Value;

use crate::cases::program;

/// What a release goes through, in order; each panics where Helm or the server does not do its part.
type Steps = [(&'static str, fn(&Helm<'_>))];

/// A helm that knows one home and keeps its own files in the project folder.
struct Helm<'a> {
    program: PathBuf,
    koan: &'a Koan,
    kubectl: Kubectl<'a>,
}

impl<'a> Helm<'a> {
    /// `None` where Helm or kubectl is missing.
    fn of(koan: &'a Koan) -> Option<Self> {
        let program = component("helm", Component::Suite("helm"))?;
        Some(Self { program, koan, kubectl: Kubectl::of("helm", Component::NewerKubectl, koan)? })
    }

    /// Takes the steps one after another and prints the line of the suite.
    fn takes(&self, suite: &str, steps: &Steps) {
        let cases = steps.iter().map(|(name, step)| {
            step(self);
            (name, Ok(()))
        });
        Exceptions::of(suite, "").tally(cases).settle();
    }

    /// The command, ready to be spawned.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = program(&self.program, self.koan);
        command.args(arguments);
        command
    }

    /// Runs a command that succeeds; what it printed.
    fn run(&self, arguments: &[&str]) -> String {
        Output::of(&mut self.command(arguments)).expect_code(0).stdout
    }

    /// Runs a command that fails; what it said.
    fn fails(&self, arguments: &[&str]) -> String {
        Output::of(&mut self.command(arguments)).expect_code(1).stderr
    }

    /// Runs a command that prints JSON.
    fn json(&self, arguments: &[&str]) -> Value {
        let text = self.run(&[arguments, &["-o", "json"]].concat());
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// Number and state of each revision of a release.
    fn history(&self, release: &str, namespace: &str) -> Vec<String> {
        let history = self.json(&["history", release, "-n", namespace]);
        let revision = |entry: &Value| format!("{} {}", entry["revision"], entry["status"].as_str().unwrap());
        history.as_array().unwrap().iter().map(revision).collect()
    }

    /// Which of these objects there are, as `kind/name`.
    fn there(&self, namespace: &str, objects: &[&str]) -> Vec<String> {
        let arguments = [&["get", "-n", namespace, "--ignore-not-found", "-o", "name"], objects].concat();
        self.kubectl.run(&arguments).expect_code(0).stdout.lines().map(str::to_owned).collect()
    }

    /// One object, or a kind's objects.
    fn get(&self, namespace: &str, what: &str) -> Value {
        self.kubectl.get(&["-n", namespace, what])
    }
}
