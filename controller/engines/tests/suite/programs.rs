//! Fixture of the process engine: programs of the host; this executable itself plays the supervisor and the server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use koan_core::identity::InstanceId;
use koan_core::text::Text;
use koan_core::workload::{ImageSpec, ProcessRun, Run, StopSignal};
use koan_engines::process::{Helper, ProcessEngine, ProcessOptions, supervise};

use crate::fixture::{Bench, Fixture};

/// Marks a run of this executable as supervisor.
const SUPERVISOR_MARK: &str = "--test-threads=1";
/// Marks a run of this executable as server.
const SERVER_MARK: &str = "--test-threads=2";

/// Plays the supervisor of the folder behind the mark; does nothing in a plain run of the tests.
#[test]
fn supervisor_entry() {
    if let Some(folder) = argument_after(SUPERVISOR_MARK) {
        assert_eq!(supervise(Path::new(&folder)), ExitCode::SUCCESS);
    }
}

/// Plays a server on the port behind the mark; does nothing in a plain run of the tests.
#[test]
fn server_entry() {
    let Some(port) = argument_after(SERVER_MARK) else { return };
    let listener = TcpListener::bind(("127.0.0.1", port.parse::<u16>().expect("a port"))).expect("the port is free");
    for stream in listener.incoming() {
        let mut stream = stream.expect("a connection");
        let mut head = [0; 1024];
        if stream.read(&mut head).is_ok_and(|length| length > 0) {
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").expect("an answer");
        }
    }
}

fn argument_after(mark: &str) -> Option<String> {
    let mut arguments = std::env::args();
    arguments.find(|argument| argument == mark)?;
    arguments.next()
}

fn role(entry: &str, mark: &str) -> Vec<String> {
    ["programs::".to_owned() + entry, "--exact".to_owned(), "--nocapture".to_owned(), mark.to_owned()].to_vec()
}

pub(crate) async fn process(case: &str) -> Option<Bench> {
    let folder = tempfile::Builder::new().prefix("koan-process").tempdir().expect("a folder");
    let options = ProcessOptions {
        state_dir: folder.path().join("state"),
        supervisor: std::env::current_exe().expect("this executable"),
        supervisor_args: role("supervisor_entry", SUPERVISOR_MARK).into_iter().map(Into::into).collect(),
        terminal: Helper { program: "/no-terminal".into(), arguments: Vec::new() },
        instance: InstanceId("contract".to_owned()),
        data_root: folder.path().join("data"),
        runtime_root: folder.path().join("run"),
        account: "koan".to_owned(),
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        programs: Vec::new(),
    };
    Some(Bench::new(Arc::new(ProcessEngine::new(options)), Box::new(Programs { _folder: folder }), case))
}

struct Programs {
    _folder: tempfile::TempDir,
}

fn run(words: &[String]) -> Run {
    Run::Process(ProcessRun {
        command: words.iter().map(Text::plain).collect(),
        working_dir: None,
        user: None,
        prepare: Vec::new(),
        stop_signal: StopSignal::Term,
    })
}

fn shell(script: &str) -> Vec<String> {
    ["sh", "-c", script].map(str::to_owned).to_vec()
}

impl Fixture for Programs {
    fn server(&self, port: u16) -> Run {
        let mut words = vec![std::env::current_exe().expect("this executable").display().to_string()];
        words.extend(role("server_entry", SERVER_MARK));
        words.push(port.to_string());
        run(&words)
    }

    fn talker(&self) -> Run {
        run(&shell("echo out 1; echo err 1 >&2; echo out 2; echo err 2 >&2; sleep 600 & wait"))
    }

    fn ender(&self, code: i64) -> Run {
        run(&shell(&format!("exit {code}")))
    }

    fn image(&self, _run: &Run) -> Option<ImageSpec> {
        None
    }

    /// A program of the host finds its files by the variables that name them.
    fn print_file(&self, _path: &str) -> Vec<String> {
        shell("cat \"$PASSWORD_FILE\"")
    }

    fn print_letters(&self, letters: usize) -> Vec<String> {
        shell(&format!("head -c {letters} /dev/zero | tr '\\0' x"))
    }

    fn hang(&self) -> Vec<String> {
        ["sleep", "120"].map(str::to_owned).to_vec()
    }
}
