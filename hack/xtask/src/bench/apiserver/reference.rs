//! The reference: kube-apiserver and etcd as `hack/reference` starts them, with ports and a folder of their own, and with an etcd
//! that syncs. The controller-manager, which no figure needs, is stopped.

use super::load::Request;
use crate::bench::endpoint::Endpoint;
use anyhow::{Context as _, Result, ensure};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::fs::File;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// Longest wait for a program to get ready or to end.
const PATIENCE: Duration = Duration::from_secs(60);
/// Pause between two looks at it.
const LOOK: Duration = Duration::from_millis(2);
/// The programs, in the order of their start.
const ETCD: &str = "etcd";
const SERVER: &str = "kube-apiserver";
const MANAGER: &str = "kube-controller-manager";

/// A running reference; stopped and removed when dropped.
pub(super) struct Reference {
    script: PathBuf,
    folder: tempfile::TempDir,
    variables: Vec<(&'static str, String)>,
    port: u16,
}

impl Reference {
    /// Starts it; it is built when `hack/reference` has not done so yet.
    ///
    /// # Errors
    /// `hack/reference` says why it cannot.
    pub(super) fn start(root: &Path) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("koan-bench-reference-").tempdir()?;
        // Held together, so that they differ; etcd takes the port behind its own too.
        let held = (0..3).map(|_| TcpListener::bind(("127.0.0.1", 0))).collect::<std::io::Result<Vec<_>>>()?;
        let ports = held.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<Vec<u16>>>()?;
        drop(held);
        let state = folder.path().join("state").to_string_lossy().into_owned();
        let variables = vec![
            ("KOAN_REFERENCE_STATE", state),
            ("KOAN_REFERENCE_SYNC", "1".to_owned()),
            ("KOAN_REFERENCE_ETCD_PORT", ports[0].to_string()),
            ("KOAN_REFERENCE_API_PORT", ports[1].to_string()),
            ("KOAN_REFERENCE_CONTROLLER_PORT", ports[2].to_string()),
        ];
        let reference = Self { script: root.join("hack/reference"), folder, variables, port: ports[1] };
        reference.run("up")?;
        reference.stop(MANAGER)?;
        Ok(reference)
    }

    fn run(&self, what: &str) -> Result<()> {
        let output = Command::new(&self.script).arg(what).envs(self.variables.clone()).stdin(Stdio::null()).output()?;
        ensure!(output.status.success(), "hack/reference {what}: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    /// The kubeconfig of its administrator.
    pub(super) fn kubeconfig(&self) -> PathBuf {
        self.state().join("admin.kubeconfig")
    }

    /// Where it listens and who may call.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub(super) fn endpoint(&self) -> Result<Endpoint> {
        let tokens = std::fs::read_to_string(self.state().join("pki/tokens.csv"))?;
        let token = tokens.split(',').next().unwrap_or_default();
        Endpoint::new(&format!("https://127.0.0.1:{}", self.port), &std::fs::read(self.state().join("pki/ca.crt"))?, token)
    }

    /// Process ids of kube-apiserver and etcd.
    ///
    /// # Errors
    /// They do not run.
    pub(super) fn processes(&self) -> Result<Vec<u32>> {
        [SERVER, ETCD].iter().map(|name| self.process(name)).collect()
    }

    fn process(&self, name: &str) -> Result<u32> {
        let text = std::fs::read_to_string(self.state().join(format!("{name}.pid")))?;
        text.trim().parse().with_context(|| format!("{name}.pid"))
    }

    fn stop(&self, name: &str) -> Result<()> {
        let process = i32::try_from(self.process(name)?).ok().and_then(Pid::from_raw).with_context(|| format!("{name}.pid"))?;
        kill_process(process, Signal::TERM)?;
        let began = Instant::now();
        while test_kill_process(process).is_ok() && !is_zombie(process) {
            ensure!(began.elapsed() < PATIENCE, "{name} does not end");
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    /// Stops both, starts them again with their own arguments and waits for `/readyz`; on an etcd without contents where `empty`.
    /// Seconds from the spawn of etcd.
    ///
    /// # Errors
    /// A program does not end or does not get ready.
    pub(super) fn restart(&self, empty: bool) -> Result<f64> {
        let arguments = |name: &str| -> Result<Vec<String>> {
            let text = std::fs::read_to_string(format!("/proc/{}/cmdline", self.process(name)?))?;
            Ok(text.split('\0').filter(|word| !word.is_empty()).map(str::to_owned).collect())
        };
        let (mut etcd, server) = (arguments(ETCD)?, arguments(SERVER)?);
        self.stop(SERVER)?;
        self.stop(ETCD)?;
        if empty {
            let data = etcd.iter().position(|word| word == "--data-dir").context("etcd without --data-dir")? + 1;
            etcd[data] = tempfile::Builder::new().prefix("etcd-").tempdir_in(self.state())?.keep().to_string_lossy().into_owned();
        }
        let health = etcd.iter().find(|word| word.starts_with("http://")).context("etcd without an address")?;
        let health = health.trim_start_matches("http://").to_owned();
        let began = Instant::now();
        self.spawn(ETCD, &etcd)?;
        while std::net::TcpStream::connect(&health).is_err() {
            ensure!(began.elapsed() < PATIENCE, "etcd does not get ready");
            std::thread::sleep(LOOK);
        }
        self.spawn(SERVER, &server)?;
        let endpoint = self.endpoint()?;
        let ready = Request::get("/readyz".to_owned());
        let is_ready = || matches!(endpoint.connect().and_then(|mut api| api.exchange(&ready.raw())), Ok((200, _)));
        while !is_ready() {
            ensure!(began.elapsed() < PATIENCE, "kube-apiserver does not get ready");
            std::thread::sleep(LOOK);
        }
        Ok(began.elapsed().as_secs_f64())
    }

    fn spawn(&self, name: &str, arguments: &[String]) -> Result<()> {
        let log = File::options().append(true).create(true).open(self.state().join(format!("{name}.log")))?;
        let (program, rest) = arguments.split_first().with_context(|| format!("{name} without arguments"))?;
        let mut command = Command::new(program);
        command.args(rest).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("running {program}"))?;
        std::fs::write(self.state().join(format!("{name}.pid")), child.id().to_string())?;
        Ok(())
    }
}

/// Whether a process has ended and only waits for its parent, which is us, to ask for its status.
fn is_zombie(process: Pid) -> bool {
    let path = format!("/proc/{}/stat", process.as_raw_nonzero());
    std::fs::read_to_string(path).is_ok_and(|text| text.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('Z')))
}

impl Drop for Reference {
    fn drop(&mut self) {
        if let Err(error) = self.run("down") {
            eprintln!("error: {error:#}");
        }
    }
}
