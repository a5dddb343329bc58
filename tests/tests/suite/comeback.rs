//! One merged context over the death of its server: the terminals that were open, and the command that is typed next.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Stdio};

use koan_tests::{Component, Koan, Kubectl, Output, Place, until};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// Everything that is stored, but for Events, which tell of the comeback.
const KINDS: &str = "namespaces,customresourcedefinitions,devstacks,servicespecs,secrets,configmaps,serviceaccounts,leases";

/// Kubectl with nothing but a person's own file.
struct Terminal<'a> {
    kubectl: Kubectl<'a>,
    file: String,
}

impl Terminal<'_> {
    fn words<'w>(&'w self, arguments: &[&'w str]) -> Vec<&'w str> {
        [&["--kubeconfig", &self.file, "--context", "koan"], arguments].concat()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.kubectl.run(&self.words(arguments))
    }

    /// Starts what goes on by itself and waits until it has printed `text`.
    fn open(&self, arguments: &[&str], text: &str) -> Child {
        let mut child = self.kubectl.command(&self.words(arguments)).stdout(Stdio::piped()).spawn().expect("kubectl runs");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        assert!(lines.any(|line| line.is_ok_and(|line| line.contains(text))), "{arguments:?} never said {text}");
        child
    }

    /// Kind, namespace and name of each object, with its UID and version.
    fn stored(&self) -> BTreeMap<[String; 3], [String; 2]> {
        let list = self.run(&["get", KINDS, "--all-namespaces", "-o", "json"]).expect_code(0).json();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let entry = |object: &Value| {
            let metadata = &object["metadata"];
            let key = [text(&object["kind"]), text(&metadata["namespace"]), text(&metadata["name"])];
            (key, [text(&metadata["uid"]), text(&metadata["resourceVersion"])])
        };
        list["items"].as_array().expect("a list").iter().map(entry).collect()
    }
}

/// API-33, API-25, D-1, D-5: after `kill -9` and a new start the context that was merged once works with no further command, each
/// object has its UID and its resourceVersion, and the pods' programs run on.
#[test]
fn a_merged_context_outlives_its_server() {
    let koan = Koan::new();
    let file = koan.project().join("mine.kubeconfig").display().to_string();
    let Some(kubectl) = Kubectl::of("comeback", Component::NewerKubectl, &koan) else { return };
    let terminal = Terminal { kubectl, file };
    koan.write("koan.yaml", &Place::Process.stack());
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    koan.run(&["context", "merge", "--kubeconfig", &terminal.file]).expect_code(0);

    let mut watch = terminal.open(&["get", "devstacks", "-w"], "shop");
    let mut log = terminal.open(&["logs", "-f", "shop-cache"], "Ready to accept connections");
    let pods =
        || terminal.run(&["get", "pods", "-o", "jsonpath={range .items[*]}{.metadata.name} {.metadata.uid}{\"\\n\"}{end}"]);
    let (before, running) = (terminal.stored(), pods().expect_code(0).stdout);
    assert_eq!(running.lines().count(), 2, "{running}");

    let server = Pid::from_raw(koan.server().expect("a server")).expect("a process id");
    kill_process(server, Signal::KILL).expect("it is ours");
    until("the server is gone", || koan.server().is_none().then_some(()));
    // A watch and a followed log say in their own way that they lost the server; none may hang.
    for (what, child) in [("the watch", &mut watch), ("the followed log", &mut log)] {
        until(&format!("{what} ends"), || child.try_wait().expect("a child of ours"));
    }
    assert_ne!(terminal.run(&["get", "devstacks"]).code, 0, "nothing answers");

    koan.run(&["serve", "--background"]).expect_code(0);
    terminal.run(&["wait", "--for=condition=Ready", "devstack/shop", "--timeout=60s"]).expect_code(0);
    until("the pods are seen again", || (pods().stdout == running).then_some(()));
    assert_eq!(terminal.stored(), before, "same objects, same versions");
    terminal.open(&["get", "devstacks", "-w"], "shop").kill().expect("it is ours");
}
