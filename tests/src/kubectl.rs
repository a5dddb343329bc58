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
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.koan.project()).stdin(Stdio::null());
        command.env_clear().env("HOME", self.koan.project()).env("KUBECONFIG", self.koan.home().join("kubeconfig"));
        Output::of(&mut command)
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
