//! One home and one project folder, and the program in them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// Two processes, the second after the first; the second prints a secret.
pub(crate) const SHOP: &str = "apiVersion: koan.dev/v1alpha1
kind: DevStack
metadata: {name: shop}
spec:
  services:
  - name: web
    process: {command: [sh, -c, 'echo web is up; exec sleep 600']}
    health: {log: {pattern: web is up}}
  - name: api
    process: {command: [sh, -c, 'echo api is up, password=hunter2x; exec sleep 600']}
    health: {log: {pattern: api is up}}
    env: [{name: API_TOKEN, value: tok-123456}]
    dependsOn: [{name: web}]
";

/// The head of a manifest; services follow.
pub(crate) const HEAD: &str = "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n";

/// The program with a home and a project of its own; both end with it.
pub(crate) struct Koan {
    home: TempDir,
    project: TempDir,
    variables: Vec<(String, String)>,
}

/// What one run printed.
#[derive(Clone, Debug)]
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Output {
    /// Runs a command to its end.
    pub(crate) fn of(command: &mut Command) -> Self {
        let output = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
        Self { code: output.status.code().unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// The same, if the exit code is this one.
    #[track_caller]
    pub(crate) fn code(self, code: i32) -> Self {
        assert_eq!(self.code, code, "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The one error of standard error as JSON.
    #[track_caller]
    pub(crate) fn error(&self) -> Value {
        let line = self.stderr.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no report: {self:?}"));
        serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Koan {
    /// A fresh home without a container engine, and a project with this manifest.
    pub(crate) fn with(manifest: &str) -> Self {
        let koan = Self::new();
        koan.write("koan.yaml", manifest);
        koan
    }

    /// A fresh home without a container engine, and an empty project.
    pub(crate) fn new() -> Self {
        let folder = || tempfile::Builder::new().prefix("koan-cli-").tempdir().unwrap();
        let koan = Self { home: folder(), project: folder(), variables: Vec::new() };
        std::fs::create_dir(koan.project.path().join(".git")).unwrap();
        koan
    }

    /// Sets a variable of every run.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub(crate) fn project(&self) -> &Path {
        self.project.path()
    }

    pub(crate) fn home(&self) -> PathBuf {
        self.home.path().join("state")
    }

    /// Home of the person, where the user file lies.
    pub(crate) fn person(&self) -> &Path {
        self.home.path()
    }

    pub(crate) fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.project.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        path
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_koan"));
        command.args(arguments).current_dir(self.project.path()).stdin(Stdio::null());
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("HOME", self.home.path());
        command.env("KOAN_HOME", self.home()).env("CI", "true");
        for engine in ["DOCKER_HOST", "CONTAINER_HOST"] {
            command.env(engine, "unix:///nonexistent/engine.sock");
        }
        command.envs(self.variables.iter().cloned());
        command
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        Output::of(&mut self.command(arguments))
    }

    /// Brings the manifest's stack up.
    pub(crate) fn up(&self, arguments: &[&str]) -> Output {
        let words: Vec<&str> = ["up", "--timeout", "60s"].into_iter().chain(arguments.iter().copied()).collect();
        self.run(&words)
    }

    /// True while a server runs for this home.
    pub(crate) fn serves(&self) -> bool {
        self.run(&["serve", "status"]).stdout.starts_with("running")
    }

    /// Every object of a namespace's kind, as its server tells it.
    pub(crate) fn objects(&self, namespace: &str, plural: &str) -> Vec<Value> {
        let kubeconfig = kube::config::Kubeconfig::read_from(self.home().join("kubeconfig")).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let list: Value = runtime.block_on(async {
            let options = kube::config::KubeConfigOptions::default();
            let config = kube::Config::from_custom_kubeconfig(kubeconfig, &options).await.unwrap();
            let client = kube::Client::try_from(config).unwrap();
            let path = format!("/apis/koan.dev/v1alpha1/namespaces/{namespace}/{plural}");
            client.request(http::Request::get(path).body(Vec::new()).unwrap()).await.unwrap()
        });
        list["items"].as_array().unwrap().clone()
    }

    /// `koan status -o json`.
    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        self.run(&["status", "-o", "json"]).code(0).json()
    }
}

impl Drop for Koan {
    fn drop(&mut self) {
        if self.home().exists() {
            let _ = self.run(&["down", "--all", "--volumes", "--yes", "--timeout", "30s"]);
            let _ = self.run(&["serve", "stop"]);
        }
    }
}
