//! An informer of the Node.js client across a kill of the server.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};

use koan_tests::{Koan, Output, PATIENCE, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

use super::node;

/// A running informer and what it told so far.
struct Informer {
    child: Child,
    input: ChildStdin,
    lines: Receiver<Value>,
    told: Vec<String>,
    /// How often it listed, by its last line.
    lists: u64,
}

impl Informer {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        std::thread::spawn(move || {
            let read = output.lines().map_while(Result::ok).filter_map(|line| serde_json::from_str(&line).ok());
            read.for_each(|line: Value| _ = sender.send(line));
        });
        Self { child, input, lines, told: Vec::new(), lists: 0 }
    }

    /// Waits for these lines, in this order; what comes between them is one too many.
    fn tells(&mut self, wanted: &[&str]) {
        let from = self.told.len();
        while self.told.len() < from + wanted.len() {
            let line =
                self.lines.recv_timeout(PATIENCE).unwrap_or_else(|_| panic!("not told: {wanted:?}; told: {:?}", self.told));
            self.lists = line["lists"].as_u64().unwrap();
            self.told
                .push(format!("{} {}", line["verb"].as_str().unwrap(), line["name"].as_str().unwrap()).trim_end().to_owned());
        }
        assert_eq!(self.told[from..], *wanted);
    }

    /// Lets it start again.
    fn go_on(&mut self) {
        self.input.write_all(b"\n").unwrap();
    }

    /// Ends it; nothing more was told.
    fn end(mut self) {
        drop(self.input);
        assert!(self.child.wait().unwrap().success());
        assert_eq!(self.lines.iter().collect::<Vec<_>>(), Vec::<Value>::new());
    }
}

fn write(koan: &Koan, words: &[&str]) {
    Output::of(node(koan, "write.mjs").expect("Node.js").args(words)).expect_code(0);
}

/// The address in the kubeconfig of the run.
fn address(koan: &Koan) -> String {
    let text = std::fs::read_to_string(koan.home().join("kubeconfig")).unwrap();
    text.lines().find(|line| line.contains("server: ")).expect("a server").trim().to_owned()
}

/// API-6, API-8, API-23, API-29, D-5: an informer outlives a killed server: on the same port it goes on from the version that it knew,
/// without another list, and sees each change that was made meanwhile once and in order.
#[test]
fn an_informer_outlives_a_killed_server() {
    let koan = Koan::new();
    let serve = ["serve", "--background", "--no-controller"];
    koan.run(&serve).expect_code(0);
    let before = address(&koan);
    let Some(informer) = node(&koan, "informer.mjs") else { return };
    write(&koan, &["create:a", "create:b", "create:c"]);
    let mut informer = Informer::start(informer);
    informer.tells(&["add a", "add b", "add c"]);
    write(&koan, &["create:d", "update:a"]);
    informer.tells(&["add d", "update a"]);

    let pid = Pid::from_raw(koan.server().expect("a server")).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    until("the server is gone", || test_kill_process(pid).is_err().then_some(()));
    informer.tells(&["error"]);
    koan.run(&serve).expect_code(0);
    assert_eq!(address(&koan), before, "the port is kept");
    write(&koan, &["create:e", "update:b", "delete:c", "create:f", "delete:f"]);
    informer.go_on();
    informer.tells(&["add e", "update b", "delete c", "add f", "delete f"]);
    write(&koan, &["update:e"]);
    informer.tells(&["update e"]);
    assert_eq!(informer.lists, 1, "it went on from the version that it knew");
    informer.end();
}
