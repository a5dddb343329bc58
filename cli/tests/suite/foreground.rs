//! `up` in the foreground, and signals.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use koan_tests::until;
use rustix::process::{Pid, Signal, kill_process};

use crate::program::{Koan, SHOP};

fn start(koan: &Koan, arguments: &[&str]) -> (Child, impl Iterator<Item = String> + use<>) {
    let mut command = koan.command(arguments);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    (child, lines)
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(child.id().cast_signed()).unwrap(), signal).unwrap();
}

/// CLI-17: `up --attach` prints the endpoints, then the services' lines; Ctrl-C ends it with 130 and the stack goes on.
#[test]
fn attach_prints_lines_and_leaves_the_stack() {
    let koan = Koan::with(SHOP);
    let (mut child, mut lines) = start(&koan, &["up", "--attach"]);
    assert!(lines.next().unwrap().starts_with("stack: shop"));
    assert!(lines.any(|line| line == "api | api is up, password=***"), "the services' lines follow");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert_eq!(koan.status()["ready"], "2/2");
}

/// REL-31: `up --ephemeral` takes the stack down at its end, by a signal as well as by a kill that it cannot catch.
#[test]
fn an_ephemeral_stack_goes_however_up_ends() {
    for (ending, code) in [(Signal::TERM, Some(143)), (Signal::KILL, None)] {
        let koan = Koan::with(SHOP);
        let (mut child, mut lines) = start(&koan, &["up", "--ephemeral"]);
        assert!(lines.next().unwrap().starts_with("stack: shop"));
        signal(&child, ending);
        assert_eq!(child.wait().unwrap().code(), code);
        until("the stack is gone", || koan.run(&["list", "-o", "name"]).stdout.is_empty().then_some(()));
    }
}

/// CLI-17, CLI-21: Ctrl-C while waiting ends `up` with 130, and progress is one line per change off a terminal.
#[test]
fn an_interrupted_wait_ends_with_130() {
    let koan = Koan::with(&SHOP.replace("echo web is up;", "echo still not there;"));
    let mut command = koan.command(&["up", "--progress", "json"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
    let event = lines.find(|line| line.starts_with('{')).unwrap();
    let event: serde_json::Value = serde_json::from_str(&event).unwrap();
    assert_eq!(event["kind"], "ProgressEvent");
    signal(&child, Signal::INT);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(lines.any(|line| line.contains("koan status")), "what goes on is said");
}
