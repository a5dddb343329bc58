//! The commands of the documentation, run as they stand there (CLI-43).
//!
//! A command is a line of a fenced `sh` or `console` block, or inline code that begins with `koan `. Each one stands in a list:
//! run here on the process engine, in an order that makes sense, or run by another suite that has what it needs.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::program::{Koan, Output, SHOP};

/// Commands that another suite runs, with the suite and why.
const ELSEWHERE: [(&str, &str); 6] = [
    ("git clone https://github.com/koan-dev/koan && cd koan", "nobody: it fetches what this test is part of"),
    ("hack/quickstart", "suite quickstart: it builds, and brings the shop up on Docker, on Podman and on processes"),
    ("koan logs --follow", "suite reading follows with a time limit: it ends at Ctrl-C"),
    ("koan serve", "suite home: it serves until it is told to end"),
    ("koan serve --no-controller --extended-kinds", "suite envtest: the example in Go starts it"),
    ("koan why db", "suite adoption: it needs a database"),
];

/// Commands that run here, each with its exit code, in this order: first in an empty folder, then with a stack.
const FRESH: [(&str, i32); 1] = [("koan init --adapter postgres --adapter redis", 0)];
const WITH_STACK: [(&str, i32); 14] = [
    ("koan validate", 0),
    ("koan plan", 0),
    ("koan up", 0),
    ("eval \"$(koan env)\"", 0),
    ("koan status", 0),
    ("koan why", 0),
    ("koan env", 0),
    ("koan catalog list", 0),
    ("koan catalog show postgres", 0),
    ("koan catalog images", 0),
    ("koan catalog render postgres", 0),
    ("koan doctor", 0),
    ("koan context merge", 0),
    ("koan down", 0),
];

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every hand-written page: the generated reference of the command line has its own check.
fn pages() -> Vec<PathBuf> {
    let mut found = vec![repository().join("README.md")];
    let mut open = vec![repository().join("docs"), repository().join("examples")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            match path.extension() {
                _ if path.is_dir() => open.push(path),
                Some(kind) if kind == "md" && !path.ends_with("docs/cli.md") => found.push(path),
                _ => {}
            }
        }
    }
    found
}

/// The commands of a page, without comments and prompts. Notes and decisions speak of commands inline without advising them.
fn commands(text: &str, is_advice: bool) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut fence: Option<bool> = None;
    for line in text.lines() {
        if let Some(kind) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(["sh", "console"].contains(&kind.trim())) };
            continue;
        }
        match fence {
            Some(true) => found.extend(command(line)),
            Some(false) => {}
            None if !is_advice => {}
            None => found.extend(line.split('`').skip(1).step_by(2).filter(|code| code.starts_with("koan ")).filter_map(command)),
        }
    }
    found
}

fn command(line: &str) -> Option<String> {
    let line = line.trim().strip_prefix("$ ").unwrap_or(line.trim());
    let line = line.split_once(" #").map_or(line, |(command, _)| command).trim();
    (!line.is_empty() && !line.starts_with('#')).then(|| line.to_owned())
}

/// Runs a line in a shell that finds `koan`.
fn shell(koan: &Koan, line: &str) -> Output {
    let mut command = Command::new("bash");
    let prepared = koan.command(&[]);
    command.args(["-euo", "pipefail", "-c", line]).current_dir(koan.project()).env_clear();
    command.envs(prepared.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let folder = Path::new(env!("CARGO_BIN_EXE_koan")).parent().unwrap();
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{}:{path}", folder.display()));
    Output::of(&mut command)
}

/// CLI-43: every command of the documentation is run by a test; a new one that is in no list fails here.
#[test]
fn every_documented_command_has_a_test() {
    let lists = FRESH.iter().chain(&WITH_STACK).map(|(line, _)| *line).chain(ELSEWHERE.iter().map(|(line, _)| *line));
    let known: BTreeSet<String> = lists.map(str::to_owned).collect();
    let mut documented = BTreeSet::new();
    for page in pages() {
        let is_advice = !["docs/changes", "docs/decisions"].iter().any(|folder| page.starts_with(repository().join(folder)));
        for line in commands(&std::fs::read_to_string(&page).unwrap(), is_advice) {
            assert!(known.contains(&line), "{}: `{line}` is run by no test: add it to a list of documented.rs", page.display());
            documented.insert(line);
        }
    }
    let gone: Vec<&String> = known.iter().filter(|line| !documented.contains(*line)).collect();
    assert!(gone.is_empty(), "no page has them any more: {gone:?}");
}

/// CLI-43: the commands of the documentation end as they promise, one after the other, in a folder that was empty.
#[test]
fn documented_commands_run_as_they_stand() {
    let koan = Koan::new();
    for (line, code) in FRESH {
        shell(&koan, line).code(code);
    }
    koan.write("koan.yaml", SHOP);
    for (line, code) in WITH_STACK {
        shell(&koan, line).code(code);
    }
}

/// CLI-43: each manifest that a page shows is valid as it stands there.
#[test]
fn every_documented_manifest_is_valid() {
    let mut shown = 0;
    for page in pages() {
        let text = std::fs::read_to_string(&page).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split_once("```").map(|(block, _)| block));
        for block in blocks.filter(|block| block.contains("kind: DevStack")) {
            let koan = Koan::with(block);
            let output = koan.run(&["validate"]);
            assert_eq!(output.code, 0, "{}: {}", page.display(), output.stderr);
            shown += 1;
        }
    }
    assert!(shown >= 2, "{shown}");
}

/// Examples that another suite applies.
const APPLIED_ELSEWHERE: [(&str, &str); 2] =
    [("shop", "suite quickstart, on each engine"), ("shop-containers", "suite quickstart, on Docker and on Podman")];

/// Examples that are no stacks.
const PROGRAMS: [(&str, &str); 1] =
    [("envtest", "suite envtest runs the one in Go; the one in Rust is a test of its own package")];

/// CLI-43: each example is valid and is applied by a test, here or by the suite that has what it needs.
#[test]
fn every_example_is_applied() {
    for entry in std::fs::read_dir(repository().join("examples")).unwrap() {
        let folder = entry.unwrap().path();
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if PROGRAMS.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let koan = Koan::new();
        koan.run(&["validate", "--file", folder.to_str().unwrap()]).code(0);
        if APPLIED_ELSEWHERE.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let installed = std::env::split_paths(&std::env::var_os("PATH").unwrap()).any(|path| path.join("redis-server").exists());
        if !installed {
            assert!(std::env::var_os("CI").is_none(), "redis-server is not installed, and CI requires it");
            println!("SKIPPED documented: redis-server is not installed, which examples/{name} runs");
            continue;
        }
        koan.up(&["-f", folder.to_str().unwrap()]).code(0);
        koan.run(&["down", &name, "--volumes", "--yes"]).code(0);
    }
}

/// CLI-20: a hint names no command that is not there.
#[test]
fn hints_name_commands_that_exist() {
    let koan = Koan::new();
    let mut open: Vec<PathBuf> = ["cli/src", "controller", "crds/src"].iter().map(|folder| repository().join(folder)).collect();
    let mut named: BTreeSet<String> = BTreeSet::new();
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|kind| kind == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
                let words = lines.flat_map(|line| line.split("`koan ").skip(1));
                let first =
                    |rest: &str| rest.split(|c: char| !c.is_ascii_lowercase() && c != '-').next().unwrap_or_default().to_owned();
                named.extend(words.map(first).filter(|word| !word.is_empty() && !word.starts_with('-')));
            }
        }
    }
    let help = koan.run(&["--help"]).code(0).stdout;
    let known = |word: &String| word == "help" || help.lines().any(|line| line.trim().split("  ").next() == Some(word.as_str()));
    let unknown: Vec<&String> = named.iter().filter(|word| !known(word)).collect();
    assert!(named.len() > 5 && unknown.is_empty(), "{unknown:?}");
}

/// CLI-41: the acceptance line, as a person types it.
#[test]
fn the_acceptance_line_runs() {
    let koan = Koan::new();
    let line = "koan init && koan up && koan status && eval \"$(koan env)\" && koan why && koan down";
    let output = shell(&koan, line).code(0);
    assert!(output.stdout.contains("stack: ") && output.stderr.contains("down, volumes kept"), "{output:?}");
}
