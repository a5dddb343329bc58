//! Stock kubectl on the Pods that mirror containers and processes: seen, read, entered, forwarded to and restarted.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};

use koan_tests::{Component, Koan, Kubectl, Output, PATIENCE, Place, until};
use serde_json::Value;

const POD: &str = "shop-cache";

/// UID of the Pod once it is ready.
fn ready(kubectl: &Kubectl<'_>) -> Option<String> {
    let pods = kubectl.get(&["pods"]);
    let pod = pods["items"].as_array()?.iter().find(|pod| pod["metadata"]["name"] == POD)?;
    let ready = pod["status"]["conditions"].as_array()?.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    ready.then(|| pod["metadata"]["uid"].as_str().map(str::to_owned))?
}

fn ports(kubectl: &Kubectl<'_>) -> Value {
    kubectl.get(&["servicespec", POD])["status"]["ports"].clone()
}

fn seen(kubectl: &Kubectl<'_>) {
    let table = kubectl.run(&["get", "pods"]).expect_code(0).stdout;
    let row = table.lines().find(|line| line.starts_with(POD)).unwrap_or_else(|| panic!("{table}"));
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[..4], [POD, "1/1", "Running", "0"], "{table}");
    kubectl.run(&["wait", "--for=condition=Ready", "pod/shop-cache", "--timeout=60s"]).expect_code(0);
    let described = kubectl.run(&["describe", "pod", POD]).expect_code(0).stdout;
    assert!(described.contains("Controlled By:  ServiceSpec/shop-cache"), "{described}");
    let refused = kubectl.run(&["label", "pod", POD, "a=b"]).expect_code(1).stderr;
    assert!(refused.contains("it mirrors servicespec \"shop-cache\"; change that instead"), "{refused}");
    // kubectl asks the OpenAPI document whether a dry run is served.
    let dry = kubectl.run(&["delete", "pod", POD, "--dry-run=server"]).expect_code(0).stdout;
    assert!(dry.contains("deleted") && dry.contains("server dry run"), "{dry}");
    let created = kubectl.run(&["run", "other", "--image=x"]).expect_code(1).stderr;
    assert!(created.contains("pods \"other\" is forbidden"), "{created}");
    let may = |verb: &str| kubectl.run(&["auth", "can-i", verb, "pods"]).stdout;
    assert!(may("delete").starts_with("yes") && may("create").starts_with("no"));
    let forwards = kubectl.run(&["auth", "can-i", "create", "pods", "--subresource=portforward"]).stdout;
    assert!(forwards.starts_with("yes"), "{forwards}");
    assert!(kubectl.run(&["auth", "whoami"]).expect_code(0).stdout.contains("system:masters"));
}

fn entered(kubectl: &Kubectl<'_>) {
    let script = "read line; echo got $line; echo bad >&2; exit 7";
    let talk = kubectl.feed(&["exec", "-i", POD, "--", "sh", "-c", script], "it\n");
    assert_eq!((talk.code, talk.stdout.as_str()), (7, "got it\n"), "{talk:?}");
    assert!(talk.stderr.contains("bad"), "{talk:?}");
    let ended = kubectl.feed(&["exec", "-i", POD, "--", "cat"], "to the end");
    assert_eq!((ended.code, ended.stdout.as_str()), (0, "to the end"), "{ended:?}");
}

/// kubectl on a terminal gets one behind it: in containers and in programs of the host.
fn typed(kubectl: &Kubectl<'_>) {
    let command = kubectl.command(&["exec", "-it", POD, "--", "sh"]);
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let line: Vec<String> = words.map(|word| format!("'{}'", word.to_string_lossy())).collect();
    // `script` gives kubectl a terminal; util-linux brings it.
    let mut terminal = std::process::Command::new("script");
    terminal.args(["-qec", &line.join(" "), "/dev/null"]).stdin(Stdio::piped()).stdout(Stdio::piped());
    terminal.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut child = terminal.spawn().expect("script runs");
    let mut input = child.stdin.take().expect("a pipe");
    input.write_all(b"test -t 0 && test -t 1 && echo term''inal; exit 5\n").expect("script reads");
    let mut shown = String::new();
    child.stdout.take().expect("a pipe").read_to_string(&mut shown).expect("text");
    assert_eq!(child.wait().expect("it ends").code(), Some(5), "{shown}");
    assert!(shown.contains("terminal"), "{shown}");
    drop(input);
}

/// What is typed into an attached Pod reaches nobody: kubectl is told so, with what to do instead; without anything typed it
/// follows the output.
fn attached(kubectl: &Kubectl<'_>) {
    for flags in ["-i", "-it"] {
        let refused = kubectl.feed(&["attach", flags, POD], "typed\n");
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(
            refused.stderr.contains("pod shop-cache takes no input") && refused.stderr.contains("kubectl exec -it"),
            "{refused:?}"
        );
    }
}

/// A `kubectl attach` that the server has accepted.
fn attach(kubectl: &Kubectl<'_>) -> Child {
    let mut command = kubectl.command(&["attach", "-v=6", POD]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl runs");
    let mut told = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let accepted = told.by_ref().any(|line| line.is_ok_and(|line| line.contains("/attach") && line.contains("101")));
    assert!(accepted, "kubectl tells each answer");
    // kubectl goes on telling, and ends where nobody could read it.
    std::thread::spawn(move || told.count());
    child
}

/// A running `kubectl port-forward`, which ends with the test.
struct Forward {
    child: Child,
    port: u16,
    /// kubectl prints a line for each connection, and ends where nobody could read it.
    _printed: BufReader<ChildStdout>,
}

impl Forward {
    fn of(kubectl: &Kubectl<'_>, port: u16) -> Self {
        let mut command = kubectl.command(&["port-forward", &format!("pod/{POD}"), &format!(":{port}")]);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("kubectl runs");
        let mut printed = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut line = String::new();
        printed.read_line(&mut line).expect("text");
        let local = line.split_once("127.0.0.1:").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
        Self { child, port: local.unwrap_or_else(|| panic!("{line}")), _printed: printed }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).expect("kubectl listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream
    }
}

impl Drop for Forward {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The cache is spoken to through kubectl, by several connections at a time; a port where nobody listens is told as a cluster tells it.
fn forwarded(kubectl: &Kubectl<'_>) {
    let forward = Forward::of(kubectl, 6379);
    let mut streams: Vec<TcpStream> = (0..3).map(|_| forward.connect()).collect();
    for round in 0..2 {
        for stream in &mut streams {
            stream.write_all(b"PING\r\n").expect("the connection is open");
        }
        for stream in &mut streams {
            let mut answer = [0];
            stream.read_exact(&mut answer).expect("the cache answers");
            // It may ask for its password first; either way it is the cache that speaks.
            assert!(b"+-".contains(&answer[0]), "{answer:?} in round {round}");
            let mut rest = BufReader::new(stream);
            rest.read_line(&mut String::new()).expect("a line");
        }
    }
    let mut last = streams.remove(0);
    last.write_all(b"QUIT\r\n").expect("the connection is open");
    let mut rest = Vec::new();
    last.read_to_end(&mut rest).expect("the cache ends the connection");
    drop(forward);
    let mut refused = Forward::of(kubectl, 1);
    let mut rest = Vec::new();
    // kubectl may reset it or just end it.
    let _ = refused.connect().read_to_end(&mut rest);
    let mut told = String::new();
    refused.child.stderr.take().expect("a pipe").read_to_string(&mut told).expect("text");
    assert!(told.contains("error forwarding port 1 to pod shop-cache") && told.contains("connection refused"), "{told}");
}

/// What it prints is read, and a followed log ends with the Pod, which `delete` replaces by one of another UID and the same ports.
fn read_and_restarted(kubectl: &Kubectl<'_>) {
    let last = kubectl.run(&["logs", POD, "--tail=1", "--timestamps"]).expect_code(0).stdout;
    assert_eq!(last.lines().count(), 1, "{last}");
    assert!(last.starts_with("20"), "{last}");
    let (before, port) = (until("the pod is ready", || ready(kubectl)), ports(kubectl));
    let mut follow = kubectl.command(&["logs", "-f", POD]).stdout(Stdio::piped()).spawn().expect("kubectl runs");
    let mut lines = BufReader::new(follow.stdout.take().expect("a pipe")).lines();
    let found = lines.any(|line| line.is_ok_and(|line| line.contains("Ready to accept connections")));
    assert!(found, "the log is followed");
    let attached = attach(kubectl);
    kubectl.run(&["delete", "pod", POD, "--timeout=60s"]).expect_code(0);
    let attached = Output::from(attached.wait_with_output().expect("it ends"));
    assert!(attached.stdout.contains("shutdown"), "it prints until it ends: {attached:?}");
    let rest = lines.count();
    assert!(follow.wait().expect("it ends").success(), "the followed log ends with its pod; {rest} more lines");
    until("another pod is ready", || ready(kubectl).filter(|uid| *uid != before));
    assert_eq!(ports(kubectl), port, "ports stay");
    assert_eq!(kubectl.get(&["servicespec", POD])["status"]["workload"]["restarts"], 0, "no crash is counted");
    let events = kubectl.get(&["events"]).to_string();
    assert!(events.contains("a restart was asked for"), "{events}");
}

fn pods(place: Place) {
    let Some(koan) = place.home("pods") else { return };
    koan.write("koan.yaml", &place.stack());
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    if let Some(oldest) = Kubectl::of("pods", Component::OldestKubectl, &koan) {
        until("the pod is ready", || ready(&oldest));
        entered(&oldest);
    }
    for wanted in [Component::OlderKubectl, Component::NewerKubectl] {
        let Some(kubectl) = Kubectl::of("pods", wanted, &koan) else { continue };
        until("the pod is ready", || ready(&kubectl));
        seen(&kubectl);
        entered(&kubectl);
        typed(&kubectl);
        attached(&kubectl);
        forwarded(&kubectl);
        read_and_restarted(&kubectl);
    }
    koan.run(&["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
    until("the pods go with their stack", || gone(&koan));
}

fn gone(koan: &Koan) -> Option<()> {
    let Some(kubectl) = Kubectl::of("pods", Component::NewerKubectl, koan) else { return Some(()) };
    (kubectl.get(&["pods"])["items"] == serde_json::json!([])).then_some(())
}

/// API-3, API-19, API-31 (decisions 0010, 0013): kubectl sees, reads, enters, attaches to and restarts programs of the host as Pods, and
/// forwards their ports.
#[test]
fn pods_mirror_processes() {
    pods(Place::Process);
}

/// API-3, API-19, API-31 (decision 0013): the same on Docker.
#[test]
fn pods_mirror_containers_of_docker() {
    pods(Place::Docker);
}

/// API-3, API-19, API-31 (decision 0013): the same on Podman.
#[test]
fn pods_mirror_containers_of_podman() {
    pods(Place::Podman);
}
