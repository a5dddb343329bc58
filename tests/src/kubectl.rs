use std::io::Write;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{Component, Koan, Output, component};

/// A stock kubectl that knows one home and nothing else.
pub struct Kubectl<'a> {
    program: std::path::PathBuf,
    koan: &'a Koan,
}

impl<'a> Kubectl<'a> {
    /// The kubectl of a component; `None` where it is missing.
    pub fn of(suite: &str, wanted: Component, koan: &'a Koan) -> Option<Self> {
        component(suite, wanted).map(|program| Self { program, koan })
    }

    /// Runs a command to its end, in the project folder.
    ///
    /// # Panics
    /// It cannot be spawned.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&mut self.command(arguments))
    }

    /// The command, ready to be spawned in the project folder.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.koan.project()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.koan.project()).env("KUBECONFIG", self.koan.home().join("kubeconfig"));
        command
    }

    /// Runs a command that reads `input`, to its end.
    ///
    /// # Panics
    /// It cannot be spawned or does not read.
    pub fn feed(&self, arguments: &[&str], input: &str) -> Output {
        let mut command = self.command(arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl runs");
        // Dropped at once: that is the end of the input.
        child.stdin.take().expect("a pipe").write_all(input.as_bytes()).expect("kubectl reads");
        Output::from(child.wait_with_output().expect("kubectl ends"))
    }

    /// `get WHAT -o json`.
    ///
    /// # Panics
    /// The server refuses.
    pub fn get(&self, what: &[&str]) -> Value {
        let mut arguments = vec!["get", "-o", "json"];
        arguments.extend(what);
        self.run(&arguments).expect_code(0).json()
    }
}
