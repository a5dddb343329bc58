//! The server process of a home: its record, its start in the background, its end.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use koan_crds::vocabulary::ExitCode;
use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::directory::Home;
use crate::failure::Failure;

/// Longest wait for a server to end after TERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at a process.
const POLL: Duration = Duration::from_millis(10);
/// A server in the background ends after this time without an object and without a client.
const IDLE_EXIT: &str = "10m";

/// Who serves a home. A process id alone proves nothing: the start time goes with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ServerRecord {
    pub(crate) pid: i32,
    /// Start time of the process in clock ticks since boot, as the kernel tells it.
    pub(crate) start_ticks: u64,
    pub(crate) version: String,
    pub(crate) instance: String,
    /// Addresses of the container engines that it asks, by name: those of who started it. Absent in records of an older Koan.
    #[serde(default)]
    pub(crate) engines: BTreeMap<String, String>,
}

impl ServerRecord {
    /// The record of this process.
    pub(crate) fn of_this_process(instance: String, engines: BTreeMap<String, String>) -> Self {
        let pid = std::process::id().cast_signed();
        let start_ticks = start_ticks(pid).unwrap_or_default();
        Self { pid, start_ticks, version: env!("CARGO_PKG_VERSION").to_owned(), instance, engines }
    }

    /// Where the server asks an engine elsewhere than these addresses say, as one sentence; `None` where it does not.
    pub(crate) fn elsewhere(&self, addresses: &BTreeMap<String, String>) -> Option<String> {
        let differs = |(engine, wanted): (&String, &String)| {
            let asked = self.engines.get(engine).filter(|asked| *asked != wanted)?;
            Some(format!("asks {engine} at {asked}, where it was started so, not at {wanted}"))
        };
        let found: Vec<String> = addresses.iter().filter_map(differs).collect();
        (!found.is_empty()).then(|| format!("the running server {}", found.join(", and ")))
    }

    /// The record of a home, where its process still lives.
    pub(crate) fn living(home: &Home) -> Option<Self> {
        let record: Self = serde_json::from_slice(&std::fs::read(home.record()).ok()?).ok()?;
        record.lives().then_some(record)
    }

    fn lives(&self) -> bool {
        start_ticks(self.pid) == Some(self.start_ticks)
    }

    /// Writes the record atomically, 0600.
    ///
    /// # Errors
    /// [`Failure::WriteFile`].
    pub(crate) fn write(&self, home: &Home) -> Result<(), Failure> {
        let path = home.record();
        let fail = |source| Failure::WriteFile { path: path.clone(), source };
        let temporary = path.with_extension("json.new");
        let text = serde_json::to_vec(self).map_err(|error| fail(error.into()))?;
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary).map_err(fail)?;
        std::io::Write::write_all(&mut file, &text).map_err(fail)?;
        std::fs::rename(&temporary, &path).map_err(fail)
    }
}

/// Field 22 of `/proc/<pid>/stat`, counted after the command name, which may hold spaces.
fn start_ticks(pid: i32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let ticks = fields.nth(18)?.parse().ok()?;
    (state != "Z").then_some(ticks)
}

/// Starts `koan serve` with more words detached from this terminal.
///
/// # Errors
/// [`Failure::Home`] where the program or its log cannot be opened.
pub(crate) fn spawn_server(home: &Home, words: &[OsString]) -> Result<std::process::Child, Failure> {
    let refuse = |what: &str, error: &std::io::Error| Failure::Home {
        message: format!("cannot start the server: {what}: {error}"),
        hint: "run `koan serve` in the foreground to see its output".to_owned(),
        exit: ExitCode::General,
    };
    let program = std::env::current_exe().map_err(|error| refuse("own program not found", &error))?;
    let log = OpenOptions::new().create(true).append(true).mode(0o600).open(home.log()).map_err(|error| refuse("log", &error))?;
    let errors = log.try_clone().map_err(|error| refuse("log", &error))?;
    let idle: &[&str] = if words.iter().any(|word| word == "--idle-exit") { &[] } else { &["--idle-exit", IDLE_EXIT] };
    Command::new(program)
        .arg("--home")
        .arg(&home.root)
        .arg("serve")
        .args(idle)
        .args(words)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(errors)
        .process_group(0)
        .spawn()
        .map_err(|error| refuse("spawn", &error))
}

/// Ends the server of a home; `false` where none runs.
///
/// # Errors
/// [`Failure::Home`] where it does not end in time.
pub(crate) fn stop_server(home: &Home) -> Result<bool, Failure> {
    let Some(record) = ServerRecord::living(home) else { return Ok(false) };
    let pid = Pid::from_raw(record.pid);
    if let Some(pid) = pid {
        // A process that ended in between is what we want.
        let _ = kill_process(pid, Signal::TERM);
    }
    let deadline = Instant::now() + STOP_TIMEOUT;
    // Its process, not its record: that goes first, and the store stays locked until the process has ended.
    while record.lives() {
        if Instant::now() > deadline {
            return Err(Failure::Home {
                message: format!("server pid {} did not end within {}s", record.pid, STOP_TIMEOUT.as_secs()),
                hint: format!("see {} and end it by hand", home.log().display()),
                exit: ExitCode::General,
            });
        }
        std::thread::sleep(POLL);
    }
    Ok(true)
}

/// Last lines of a log, for an error message.
pub(crate) fn tail(path: &Path, lines: usize) -> Vec<String> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let all: Vec<&str> = text.lines().collect();
    all[all.len().saturating_sub(lines)..].iter().map(|line| (*line).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::directory::prepare;

    /// CLI-37: a server that asks an engine elsewhere than this run would says so; one of an older record is believed.
    #[test]
    fn a_server_that_asks_another_engine_is_told() {
        let map = |address: &str| BTreeMap::from([("Docker".to_owned(), address.to_owned())]);
        let record = |engines| ServerRecord { pid: 1, start_ticks: 1, version: "0".into(), instance: "i".into(), engines };
        let words = record(map("unix:///a")).elsewhere(&map("unix:///b")).unwrap();
        assert_eq!(words, "the running server asks Docker at unix:///a, where it was started so, not at unix:///b");
        assert_eq!(record(map("unix:///a")).elsewhere(&map("unix:///a")), None);
        assert_eq!(record(BTreeMap::new()).elsewhere(&map("unix:///a")), None);
    }

    /// API-26: whoever starts a server after `serve stop` finds the store free: the process has ended, not only its record.
    #[test]
    fn a_server_is_stopped_once_its_process_has_ended() {
        let folder = tempfile::tempdir().unwrap();
        let home = prepare(&folder.path().join("home")).unwrap();
        let slow = r#"trap 'rm -f "$1"; sleep 0.5; exit 0' TERM; echo ready; while :; do sleep 0.01; done"#;
        let mut command = Command::new("sh");
        command.args(["-c", slow, "sh"]).arg(home.record()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut said = [0_u8; 5];
        std::io::Read::read_exact(child.stdout.as_mut().unwrap(), &mut said).unwrap();
        let pid = child.id().cast_signed();
        let record = ServerRecord {
            pid,
            start_ticks: start_ticks(pid).unwrap(),
            version: "0".into(),
            instance: "i".into(),
            engines: BTreeMap::new(),
        };
        record.write(&home).unwrap();
        assert!(stop_server(&home).unwrap());
        assert!(!record.lives(), "the process goes on after its record");
        child.wait().unwrap();
    }
}
