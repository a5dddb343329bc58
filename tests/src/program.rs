use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// The `koan` program with a home and a project folder of its own; its server ends with it.
pub struct Koan {
    program: PathBuf,
    home: TempDir,
    project: TempDir,
    variables: Vec<(String, String)>,
}

/// What one run printed.
#[derive(Clone, Debug)]
pub struct Output {
    /// Exit code; -1 for a signal.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl From<std::process::Output> for Output {
    fn from(output: std::process::Output) -> Self {
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

impl Output {
    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be spawned.
    pub fn of(command: &mut Command) -> Self {
        Self::from(command.output().expect("the program runs"))
    }

    /// Standard output as JSON.
    ///
    /// # Panics
    /// It is none.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same output, if the exit code is the expected one.
    ///
    /// # Panics
    /// It is another one.
    pub fn expect_code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }
}

impl Koan {
    /// A fresh home without any engine: sockets lead nowhere until [`Koan::with`] names one.
    ///
    /// # Panics
    /// The program is not built or no temporary folder can be made.
    pub fn new() -> Self {
        let program = std::env::var_os("KOAN_TEST_KOAN").map(PathBuf::from);
        let program = program.unwrap_or_else(|| {
            let suite = std::env::current_exe().expect("own path");
            suite.ancestors().nth(2).expect("target folder").join("koan")
        });
        assert!(program.exists(), "{} is not built: cargo build -p koan", program.display());
        let folder = || tempfile::Builder::new().prefix("koan-test-").tempdir().expect("a temporary folder");
        let nowhere = |name: &str| (name.to_owned(), "unix:///nonexistent/engine.sock".to_owned());
        Self { program, home: folder(), project: folder(), variables: vec![nowhere("DOCKER_HOST"), nowhere("CONTAINER_HOST")] }
    }

    /// Sets a variable of every run.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.variables.retain(|(known, _)| known != name);
        self.variables.push((name.to_owned(), value.into()));
        self
    }

    /// The state directory.
    pub fn home(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// The project folder, which is the working folder of every run.
    pub fn project(&self) -> &Path {
        self.project.path()
    }

    /// Writes a file of the project.
    ///
    /// # Panics
    /// It cannot be written.
    pub fn write(&self, name: &str, text: &str) {
        std::fs::write(self.project.path().join(name), text).expect("a file of the project");
    }

    /// The command, ready to be spawned.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).current_dir(self.project.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home.path());
        command.env("KOAN_HOME", self.home()).env("CI", "true").envs(self.variables.iter().cloned());
        command
    }

    /// The pid of this home's server; `None` while none runs.
    pub fn server(&self) -> Option<i32> {
        let status = self.run(&["serve", "status"]).stdout;
        status.strip_prefix("running: pid ")?.split(',').next()?.parse().ok()
    }

    /// The status of one service of `koan status -o json`.
    ///
    /// # Panics
    /// There is no such stack or service.
    pub fn service(&self, name: &str) -> Value {
        let status = self.run(&["status", "-o", "json"]).expect_code(0).json();
        let services = status["services"].as_array().expect("services");
        services.iter().find(|service| service["name"] == name).cloned().unwrap_or_else(|| panic!("no {name} in {status}"))
    }

    /// Runs a command to its end.
    ///
    /// # Panics
    /// It cannot be spawned.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&mut self.command(arguments))
    }
}

impl Default for Koan {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Koan {
    fn drop(&mut self) {
        // Whatever the test left behind ends with it; a home without a server answers at once.
        let _ = self.run(&["down", "--all", "--volumes", "--yes", "--timeout", "60s"]);
        let _ = self.run(&["serve", "stop"]);
    }
}
