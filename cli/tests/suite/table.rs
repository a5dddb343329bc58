//! Rules that hold for every command of the table.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::program::{Koan, SHOP};

/// Each command with words that let it succeed on a stack that is up, and words that make it fail.
const TABLE: [(&str, &[&str], &[&str]); 19] = [
    ("init", &["init", "fresh"], &["init", "fresh"]),
    ("up", &["up", "--progress", "none"], &["up", "nobody"]),
    ("status", &["status"], &["status", "nobody"]),
    ("why", &["why", "api"], &["why", "nobody"]),
    ("logs", &["logs"], &["logs", "nobody"]),
    ("env", &["env"], &["env", "nobody"]),
    ("wait", &["wait", "shop"], &["wait", "nobody"]),
    ("inspect", &["inspect"], &["inspect", "-f", "nowhere.yaml"]),
    ("validate", &["validate"], &["validate", "-f", "nowhere.yaml"]),
    ("plan", &["plan"], &["plan", "-f", "nowhere.yaml"]),
    ("apply", &["apply"], &["apply", "-f", "nowhere.yaml"]),
    ("list", &["list"], &["list", "--context", "nowhere"]),
    ("catalog", &["catalog", "list"], &["catalog", "show", "nobody"]),
    ("doctor", &["doctor", "--check", "home.dir"], &["doctor", "--check", "nothing"]),
    ("context", &["context", "print"], &["context", "print", "--context", "nowhere"]),
    ("serve", &["serve", "status"], &["serve", "--idle-exit", "soon"]),
    ("version", &["version"], &["version", "--unknown"]),
    ("down", &["down"], &["down", "--all", "shop"]),
    ("completion", &[], &["completion", "tcsh"]),
];

/// The documents on a stream; panics where something else is there.
fn documents(text: &str) -> Vec<Value> {
    serde_json::Deserializer::from_str(text)
        .into_iter::<Value>()
        .map(|value| value.unwrap_or_else(|e| panic!("{e}: {text}")))
        .collect()
}

/// CLI-1: with `-o json`, stdout holds JSON and nothing else, for every command, in success and in failure; a failure is one report on stderr.
#[test]
fn stdout_is_json_for_every_command() {
    let koan = Koan::with(SHOP);
    koan.up(&[]).code(0);
    let help = koan.run(&["--help"]).code(0).stdout;
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let listed: BTreeSet<&str> =
        listed.filter_map(|line| line.split_whitespace().next()).filter(|name| *name != "help").collect();
    assert_eq!(listed, TABLE.iter().map(|(name, _, _)| *name).collect(), "every command stands in this table");
    for (name, good, bad) in TABLE {
        let json = |words: &[&str]| koan.run(&[words, &["-o", "json"]].concat());
        if !good.is_empty() {
            let output = json(good).code(0);
            let found = documents(&output.stdout);
            assert!(found.iter().all(|document| document["kind"].is_string()), "{name}: {output:?}");
        }
        let output = json(bad);
        assert_ne!(output.code, 0, "{name}: {output:?}");
        assert!(documents(&output.stdout).is_empty(), "{name}: {output:?}");
        let report = output.error();
        assert_eq!(
            (report["kind"].as_str(), report["exit"].as_i64()),
            (Some("ErrorReport"), Some(i64::from(output.code))),
            "{name}"
        );
        assert!(report["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{name}: {report}");
    }
}

/// CLI-6: every flag that takes a value refuses to go without one, and an empty one; every flag that takes one value refuses two.
#[test]
fn flags_without_their_value_are_refused() {
    let koan = Koan::with(SHOP);
    let rows: [(&[&str], &[&str]); 10] = [
        (
            &["up"],
            &["--timeout", "--base-port", "--conflicts", "--pull", "--name", "--profile", "--engine", "--home", "--log-file"],
        ),
        (&["status"], &["--context", "--output", "--color", "--progress", "--log-format"]),
        (&["why"], &["--stack"]),
        (&["logs"], &["--tail", "--since"]),
        (&["env"], &["--format", "--service", "--out"]),
        (&["wait", "shop"], &["--for"]),
        (&["doctor"], &["--bundle"]),
        (&["catalog", "render", "redis"], &["--values"]),
        (&["serve"], &["--idle-exit", "--port"]),
        (&["context", "print"], &["--name", "--kubeconfig"]),
    ];
    for (command, flags) in rows {
        for flag in flags {
            let refused = |more: &[&str]| koan.run(&[command, more].concat()).code(2).stderr;
            let missing = refused(&[flag]);
            assert!(missing.contains(flag) && missing.contains("hint: "), "{command:?} {flag}: {missing}");
            let twice = refused(&[flag, "1", flag, "1"]);
            assert!(twice.contains(flag), "{command:?} {flag} twice: {twice}");
            assert!(!koan.serves(), "{command:?} {flag}: nothing was started");
        }
    }
    let empty: [&[&str]; 9] = [
        &["plan", "--namespace"],
        &["plan", "--context"],
        &["up", "--name"],
        &["up", "--set"],
        &["context", "print", "--name"],
        &["init", "fresh", "--name"],
        &["logs", "--tail"],
        &["doctor", "--check"],
        &["catalog", "render", "redis", "--set"],
    ];
    for words in empty {
        let output = koan.run(&[words, &[""]].concat()).code(2);
        assert!(output.stderr.contains("hint: ") && output.stdout.is_empty(), "{words:?}: {output:?}");
    }
    for words in [["init", "fresh", "--name", "Bad Name"], ["plan", "-o", "json", "-nA_B"]] {
        koan.run(&words).code(2);
    }
    assert!(!koan.project().join("fresh").exists(), "nothing was written");
    assert!(koan.run(&["up", "--", "--timeout"]).code(2).stderr.contains("--timeout"), "after -- it is a name");
}
