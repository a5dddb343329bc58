//! What a command does not do: the work that a quick answer leaves out, counted instead of timed.

use serde_json::Value;

use crate::program::{Koan, SHOP};

/// Requests of `koan status` to a server that runs: version, namespaces of the project, name, stack, services.
const STATUS_REQUESTS: usize = 6;
/// Requests of `koan up` on a stack that is up.
const UP_REQUESTS: usize = 12;

/// Requests to the API server that a run makes, by method.
fn requests(koan: &Koan, words: &[&str]) -> Vec<String> {
    let log = format!("{}.log", words.join("-"));
    koan.run(&[words, &["-vv", "--log-format", "json", "--log-file", &log]].concat()).code(0);
    let text = std::fs::read_to_string(koan.project().join(log)).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let answers = records.filter(|record| record["target"] == "koan::wire");
    answers.map(|record| format!("{} {}", record["method"].as_str().unwrap(), record["uri"].as_str().unwrap())).collect()
}

/// CLI-11: help, version and completion touch neither home nor server.
#[test]
fn help_touches_nothing() {
    let koan = Koan::new();
    for words in [&["--help"][..], &["up", "--help"], &["version"], &["completion", "bash"], &["help", "exit-codes"]] {
        koan.run(words).code(0);
    }
    assert!(!koan.home().exists(), "no home was made");
    assert!(std::fs::read_dir(koan.project()).unwrap().all(|entry| entry.unwrap().file_name() == ".git"), "no file was made");
}

/// CLI-11, B-6: `status` asks a handful of questions and starts nothing; `up` of a converged stack changes no object.
#[test]
fn a_converged_stack_costs_few_requests_and_no_write() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let versions = || {
        let kinds = ["devstacks", "servicespecs"].map(|plural| koan.objects("default", plural));
        kinds.concat().iter().map(|object| object["metadata"]["resourceVersion"].clone()).collect::<Vec<_>>()
    };
    let before = versions();
    let status = requests(&koan, &["status"]);
    assert!(status.iter().all(|line| line.starts_with("GET ")), "{status:#?}");
    assert!(status.len() <= STATUS_REQUESTS, "{status:#?}");
    let up = requests(&koan, &["up"]);
    assert!(up.len() <= UP_REQUESTS, "{up:#?}");
    assert_eq!(versions(), before, "nothing was written");
}
