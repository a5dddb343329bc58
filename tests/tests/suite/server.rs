//! The server of a home as a process: what it says of its own life.

use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use koan_crds::events::Event;
use koan_tests::Koan;
use rustix::process::{Pid, Signal, kill_process};

/// Longest wait for one line of the log.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server in the foreground, with the lines of its log.
struct Foreground {
    child: Child,
    lines: Receiver<String>,
}

impl Foreground {
    fn start(koan: &Koan) -> Self {
        let mut child = koan.command(&["serve", "--no-controller"]).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let log = BufReader::new(child.stderr.take().unwrap());
        std::thread::spawn(move || log.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, lines }
    }

    /// Lines up to the one about this event.
    fn until(&self, event: Event) -> Vec<String> {
        let mark = format!("event_id={}", event.id());
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| line.contains(&mark)) {
            let line = self.lines.recv_timeout(PATIENCE);
            seen.push(line.unwrap_or_else(|_| panic!("{} was not logged: {seen:#?}", event.as_str())));
        }
        seen
    }

    /// Ends it by a signal; the rest of its log.
    fn end(mut self, signal: Signal) -> Vec<String> {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
        self.child.wait().unwrap();
        self.lines.iter().collect()
    }
}

fn tells(lines: &[String], event: Event) -> usize {
    let mark = format!("event_id={}", event.id());
    lines.iter().filter(|line| line.contains(&mark)).count()
}

/// CLI-36, D-9: the server logs its start and its end; one that follows a killed server says that the store was recovered, one that
/// follows a stopped server does not.
#[test]
fn the_server_logs_its_own_life() {
    let koan = Koan::new();
    let first = Foreground::start(&koan);
    assert_eq!(tells(&first.until(Event::ServerStarted), Event::StoreRecovered), 0);
    assert_eq!(tells(&first.end(Signal::KILL), Event::ServerStopped), 0);

    let second = Foreground::start(&koan);
    assert_eq!(tells(&second.until(Event::ServerStarted), Event::StoreRecovered), 1);
    assert_eq!(tells(&second.end(Signal::TERM), Event::ServerStopped), 1);

    let third = Foreground::start(&koan);
    assert_eq!(tells(&third.until(Event::ServerStarted), Event::StoreRecovered), 0);
    third.end(Signal::TERM);
}
