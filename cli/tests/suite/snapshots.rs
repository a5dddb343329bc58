//! The shape of everything that commands print: a change of it is seen in review (CLI-40).
//!
//! What differs between two runs is filtered; what a script reads stays. `INSTA_UPDATE=always` writes the files anew.

use insta::{assert_snapshot, with_settings};

use crate::program::{HEAD, Koan, Output, SHOP};

/// Every command, with words that make its help complete.
const COMMANDS: [&[&str]; 33] = [
    &[],
    &["init"],
    &["up"],
    &["status"],
    &["why"],
    &["logs"],
    &["env"],
    &["wait"],
    &["down"],
    &["inspect"],
    &["validate"],
    &["plan"],
    &["apply"],
    &["list"],
    &["catalog"],
    &["catalog", "list"],
    &["catalog", "show"],
    &["catalog", "lint"],
    &["catalog", "images"],
    &["catalog", "render"],
    &["doctor"],
    &["context"],
    &["context", "print"],
    &["context", "merge"],
    &["context", "remove"],
    &["context", "viewer"],
    &["serve"],
    &["serve", "status"],
    &["serve", "stop"],
    &["serve", "rotate"],
    &["completion"],
    &["version"],
    &["exit-codes"],
];

/// What differs between two runs of the same thing.
const FILTERS: [(&str, &str); 15] = [
    // Which places are asked for a host service depends on the machine.
    (r"(?m)^ *(host\.\S+|\[::1\]|[\d.]+):\d+  .*\n", ""),
    (r#"(?m)^ *"(host\.\S+|\[::1\]|[\d.]+):\d+  [^"]*",?\n"#, ""),
    (r#""(host\.\S+|\[::1\]|[\d.]+):\d+  [^"]*",?"#, ""),
    // Which port is free does too.
    (r#""host": \d+,(\s+)"source": "(Default|Repicked)""#, r#""host": [port],$1"source": "[source]""#),
    (r"/tmp/koan-cli-[A-Za-z0-9]+", "[folder]"),
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "[time]"),
    (r"suite-[0-9a-f]+", "[suite]"),
    (r#"held by [^;)"\n]+"#, "held by [holder]"),
    (r"pid:? \d+", "pid [pid]"),
    (r#""pid": \d+"#, r#""pid": [pid]"#),
    (r"-[0-9a-f]{10}\b", "-[tag]"),
    (r"[0-9a-f]{12,64}", "[hash]"),
    (r#"/[^ "]*/target/[^ "]*koan"#, "[koan]"),
    (r"(\d+ MiB)", "[size]"),
    (r"(?m)  +\d+[smhd]  +", "  [age]  "),
];

fn snapshot(name: &str, text: &str) {
    with_settings!({filters => FILTERS.to_vec(), snapshot_path => "snapshots", prepend_module_to_snapshot => false, omit_expression => true}, {
        assert_snapshot!(name, text);
    });
}

/// Exit code, data, and talk of a run.
fn shown(output: &Output) -> String {
    format!("exit {}\n--- stdout\n{}--- stderr\n{}", output.code, output.stdout, output.stderr)
}

/// CLI-40: the help of every command.
#[test]
fn help() {
    let koan = Koan::new();
    let text = COMMANDS.map(|command| koan.run(&[command, &["--help"]].concat()).code(0).stdout);
    snapshot("help", &text.join("\n────────\n"));
}

/// CLI-2, CLI-40, K-9: every document that a command prints about a stack that is up, as JSON.
#[test]
fn documents_of_a_stack_that_is_up() {
    let koan = Koan::with(SHOP);
    koan.up(&["--progress", "none", "-q"]).code(0);
    let rows: [(&str, &[&str]); 10] = [
        ("status", &["status"]),
        ("list", &["list"]),
        ("why", &["why", "api"]),
        ("plan", &["plan", "--explain", "--diff"]),
        ("validate", &["validate"]),
        ("env", &["env"]),
        ("logs", &["logs", "api"]),
        ("version", &["version"]),
        ("serve-status", &["serve", "status"]),
        ("doctor", &["doctor", "--check", "home.dir", "--check", "home.lock", "--check", "manifest.valid"]),
    ];
    for (name, words) in rows {
        let output = koan.run(&[words, &["-o", "json"]].concat()).code(0);
        snapshot(&format!("{name}.json"), &output.stdout);
        snapshot(&format!("{name}.human"), &koan.run(words).code(0).stdout);
    }
    let down = koan.run(&["down", "-o", "json"]).code(0);
    snapshot("down.json", &down.stdout);
    snapshot("down-again", &shown(&koan.run(&["down"]).code(0)));
}

/// CLI-13, CLI-40: what is shown before anything is done, and of a fresh manifest.
#[test]
fn documents_of_a_stack_that_is_not_there() {
    let koan = Koan::with(SHOP);
    snapshot("plan-fresh.human", &koan.run(&["plan", "--explain"]).code(0).stdout);
    snapshot("dry-run.json", &koan.run(&["up", "--dry-run", "-o", "json"]).code(0).stdout);
    snapshot("status-without-a-server", &shown(&koan.run(&["status"]).code(0)));
    snapshot("serve-status-without-a-server.json", &koan.run(&["serve", "status", "-o", "json"]).code(0).stdout);
    let empty = Koan::new();
    snapshot("init.json", &empty.run(&["init", "--name", "depot", "-o", "json"]).code(0).stdout);
}

/// CLI-19, CLI-20, CLI-40: one failure of each exit code, as people and as scripts read it.
#[test]
fn failures_of_each_exit_code() {
    let never = "  services:\n  - {name: db, adapter: postgres, provisioning: {mode: Never}, detection: {ports: [1]}}\n";
    let nowhere = "  engine: {name: Docker}\n  services:\n  - {name: db, adapter: postgres, provisioning: {mode: Always}}\n";
    let fixed = "  services:\n  - {name: db, adapter: postgrs}\n  - {name: db, adapter: redis}\n";
    let rows: [(&str, String, &[&str], i32); 6] = [
        ("exit-1", SHOP.to_owned(), &["plan", "--check"], 1),
        ("exit-2", format!("{HEAD}{fixed}"), &["validate"], 2),
        ("exit-2-usage", SHOP.to_owned(), &["up", "--timeot", "3s"], 2),
        ("exit-3", format!("{HEAD}{nowhere}"), &["plan"], 3),
        ("exit-4", SHOP.to_owned(), &["status", "--exit-code"], 4),
        ("exit-6", format!("{HEAD}{never}"), &["plan"], 6),
    ];
    for (name, manifest, words, code) in rows {
        let koan = Koan::with(&manifest);
        snapshot(&format!("{name}.human"), &shown(&koan.run(words).code(code)));
        snapshot(&format!("{name}.json"), &shown(&koan.run(&[words, &["-o", "json"]].concat()).code(code)));
    }
}

/// CLI-17, CLI-31, CLI-32, CLI-40: exit code 5, where a host port that must be had is held: under `conflicts: Fail`, or fixed by `--port`;
/// `plan` says so, and `up` before anything is made.
#[test]
fn a_port_that_cannot_be_had_ends_with_5() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let service = "  services:\n  - name: cache\n    adapter: redis\n    provisioning: {mode: Always}\n";
    let declared = format!("    ports: [{{name: redis, containerPort: 6379, hostPort: {port}, publish: true}}]\n");
    let policy = "  engine: {name: Process}\n  ports: {conflicts: Fail}\n";
    let koan = Koan::with(&format!("{HEAD}{policy}{service}{declared}"));
    // The program is only looked for: nothing gets as far as to start it.
    let program = koan.write("bin/redis-server", "#!/bin/sh\nexit 1\n");
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", koan.project().join("bin").display(), std::env::var("PATH").unwrap());
    let koan = koan.set("PATH", &path);
    let shown = |output: Output| shown(&output).replace(&port, "[port]");
    snapshot("exit-5.human", &shown(koan.run(&["plan"]).code(5)));
    snapshot("exit-5.json", &shown(koan.run(&["plan", "-o", "json"]).code(5)));
    let failed = koan.up(&["-o", "json", "--progress", "none"]).code(5).error();
    assert_eq!((&failed["exit"], &failed["reason"]), (&5.into(), &"Conflict".into()), "{failed}");
    koan.write("koan.yaml", &format!("{HEAD}  engine: {{name: Process}}\n{service}"));
    let failed = koan.up(&["-o", "json", "--progress", "none", "--port", &format!("cache={port}")]).code(5).error();
    assert_eq!(failed["exit"], 5, "{failed}");
}
