//! The program under test: `koan serve` in a home of its own, driven through its kubeconfig like any client.

use super::endpoint::{Api, Endpoint};
use anyhow::{Context as _, Result, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

/// Longest wait for the server to get ready.
const START_PATIENCE: Duration = Duration::from_secs(20);
/// Pause between two looks at the kubeconfig while the server starts.
const LOOK: Duration = Duration::from_micros(500);
/// Where the stacks are.
const STACKS: &str = "/apis/koan.dev/v1alpha1/namespaces/default/devstacks";

/// A running server.
pub(crate) struct Subject {
    child: Child,
    folder: Rc<tempfile::TempDir>,
    /// Seconds from spawn to `/readyz` true and kubeconfig written.
    pub(crate) started: f64,
}

impl Subject {
    /// Spawns `koan serve` in a fresh home and waits until it is ready; `engine` is a variable and its value.
    ///
    /// # Errors
    /// It ends, or is not ready in time.
    pub(crate) fn start(program: &Path, engine: Option<(&str, &str)>) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("koan-bench-").tempdir()?;
        Self::start_in(Rc::new(folder), program, engine, &[])
    }

    /// The same with flags of `serve`.
    ///
    /// # Errors
    /// As [`Subject::start`].
    pub(crate) fn start_with(program: &Path, flags: &[&str]) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("koan-bench-").tempdir()?;
        Self::start_in(Rc::new(folder), program, None, flags)
    }

    /// Stops it and starts it anew in the same home.
    ///
    /// # Errors
    /// As [`Subject::start`].
    pub(crate) fn restart(self, program: &Path) -> Result<Self> {
        let folder = Rc::clone(&self.folder);
        drop(self);
        Self::start_in(folder, program, None, &[])
    }

    fn start_in(folder: Rc<tempfile::TempDir>, program: &Path, engine: Option<(&str, &str)>, flags: &[&str]) -> Result<Self> {
        let log = File::create(folder.path().join("server.log"))?;
        let nowhere = "unix:///nonexistent/engine.sock";
        let mut command = in_folder(program, folder.path());
        command.arg("serve").args(flags).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        command.env("DOCKER_HOST", nowhere).env("CONTAINER_HOST", nowhere).envs(engine);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("running {}", program.display()))?;
        let mut subject = Self { child, folder, started: 0.0 };
        subject.await_ready(began)?;
        subject.started = began.elapsed().as_secs_f64();
        Ok(subject)
    }

    fn await_ready(&mut self, began: Instant) -> Result<()> {
        loop {
            let answer = self.connect().and_then(|mut api| api.request("GET", "/readyz", None));
            if matches!(answer, Ok((200, _))) {
                return Ok(());
            }
            let ended = self.child.try_wait()?;
            ensure!(
                ended.is_none() && began.elapsed() < START_PATIENCE,
                "koan serve did not get ready: {answer:?}\n{}",
                self.log()
            );
            std::thread::sleep(LOOK);
        }
    }

    /// The folder in which the server was started; its home lies below.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A command of the person whose server this is.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let mut command = in_folder(program, self.folder());
        command.env("KUBECONFIG", self.kubeconfig());
        command
    }

    /// The revision of the store: each write moves it on by one.
    ///
    /// # Errors
    /// The server does not answer.
    pub(crate) fn revision(&self) -> Result<f64> {
        let list = self.connect()?.expect("GET", STACKS, None)?;
        let version = list["metadata"]["resourceVersion"].as_str().context("a list without resourceVersion")?;
        // A difference of two is exact: revisions stay below 2^53.
        Ok(version.parse()?)
    }

    /// The kubeconfig of its run.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.folder.path().join("state/kubeconfig")
    }

    /// What the server logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default()
    }

    /// Process id of the server.
    pub(crate) fn process(&self) -> u32 {
        self.child.id()
    }

    /// A new connection, authorised by the kubeconfig.
    ///
    /// # Errors
    /// The kubeconfig or the server cannot be used.
    pub(crate) fn connect(&self) -> Result<Api> {
        self.endpoint()?.connect()
    }

    /// Where it listens and who may call.
    ///
    /// # Errors
    /// The kubeconfig cannot be used.
    pub(crate) fn endpoint(&self) -> Result<Endpoint> {
        let text = std::fs::read_to_string(self.kubeconfig())?;
        let field = |name: &str| {
            let value = text.lines().find_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(name));
            value.map(str::trim).with_context(|| format!("no {name} in the kubeconfig"))
        };
        Endpoint::new(field("server:")?, &STANDARD.decode(field("certificate-authority-data:")?)?, field("token:")?)
    }

    /// Creates a stack and waits for Ready=True at a watcher that was there before; seconds since the request was sent, and
    /// the instant of the event.
    ///
    /// # Errors
    /// The server refuses, or the stack is not Ready in time.
    pub(crate) fn bring_up(&self, stack: &Value) -> Result<(f64, rustix::time::Timespec)> {
        let mut api = self.connect()?;
        let mut watcher = self.watcher(&mut api)?;
        let began = Instant::now();
        api.expect("POST", STACKS, Some(stack))?;
        loop {
            let event = watcher.next_line().with_context(|| format!("waiting for Ready:\n{}", self.log()))?;
            if is_ready(&event["object"]) {
                return Ok((began.elapsed().as_secs_f64(), rustix::time::clock_gettime(rustix::time::ClockId::Monotonic)));
            }
        }
    }

    /// Deletes a stack and waits until it is gone.
    ///
    /// # Errors
    /// The server refuses, or it is not gone in time.
    pub(crate) fn take_down(&self, stack: &Value) -> Result<()> {
        let mut api = self.connect()?;
        let mut watcher = self.watcher(&mut api)?;
        let name = stack["metadata"]["name"].as_str().context("a stack without name")?;
        api.expect("DELETE", &format!("{STACKS}/{name}"), None)?;
        while watcher.next_line().with_context(|| format!("waiting for the end:\n{}", self.log()))?["type"] != "DELETED" {}
        Ok(())
    }

    fn watcher(&self, api: &mut Api) -> Result<Api> {
        let list = api.expect("GET", STACKS, None)?;
        let version = list["metadata"]["resourceVersion"].as_str().unwrap_or("0").to_owned();
        let mut watcher = self.connect()?;
        watcher.watch(&format!("{STACKS}?watch=true&resourceVersion={version}"))?;
        Ok(watcher)
    }
}

/// A program that knows this folder as its home and nothing else of this machine's settings.
pub(crate) fn in_folder(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", folder).env("KOAN_HOME", folder.join("state"));
    command
}

/// Ready=True of the generation that the object has.
fn is_ready(object: &Value) -> bool {
    let conditions = object["status"]["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    conditions.iter().any(|condition| {
        condition["type"] == "Ready"
            && condition["status"] == "True"
            && condition["observedGeneration"] == object["metadata"]["generation"]
    })
}

impl Drop for Subject {
    fn drop(&mut self) {
        if let Some(process) = i32::try_from(self.child.id()).ok().and_then(rustix::process::Pid::from_raw) {
            // One that ended already is what we want.
            let _ = rustix::process::kill_process(process, rustix::process::Signal::TERM);
        }
        let _ = self.child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::is_ready;
    use serde_json::json;

    /// PERF-20: a Ready of an earlier generation ends no measurement.
    #[test]
    fn only_the_present_generation_counts() {
        let object = |status: &str, observed: u32| {
            json!({"metadata": {"generation": 2}, "status": {"conditions": [
                {"type": "Accepted", "status": "True", "observedGeneration": 2},
                {"type": "Ready", "status": status, "observedGeneration": observed},
            ]}})
        };
        assert!(is_ready(&object("True", 2)));
        assert!(!is_ready(&object("True", 1)));
        assert!(!is_ready(&object("False", 2)));
        assert!(!is_ready(&json!({"metadata": {"generation": 1}})));
    }
}
