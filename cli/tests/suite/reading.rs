//! Commands that read: outputs, formats, logs, reasons, and what stays hidden.

use std::process::Command;

use serde_json::Value;

use crate::program::{HEAD, Koan, SHOP};

/// CLI-1, CLI-2: each command that reads prints one document of its kind as JSON and YAML, and names; stderr never mixes in.
#[test]
fn every_reading_command_has_documents() {
    let koan = Koan::with(SHOP);
    koan.up(&["--quiet", "--progress", "none"]).code(0);
    let rows: [(&[&str], &str); 6] = [
        (&["status"], "StackStatus"),
        (&["list"], "StackList"),
        (&["why"], "WhyReport"),
        (&["plan"], "PlanReport"),
        (&["doctor", "--check", "home.dir"], "DoctorReport"),
        (&["validate"], "ValidationReport"),
    ];
    for (command, kind) in rows {
        let with = |flags: &[&str]| koan.run(&[command, flags].concat()).code(0);
        let json = with(&["-o", "json"]).json();
        assert_eq!((json["kind"].as_str(), json["apiVersion"].as_str()), (Some(kind), Some("koan.dev/v1alpha1")), "{command:?}");
        assert_eq!(with(&["--json"]).json()["kind"], kind);
        let yaml: Value = serde_saphyr::from_str(&with(&["--output", "yaml"]).stdout).unwrap();
        assert_eq!(yaml["kind"], kind, "{command:?}");
        assert!(!with(&["-o", "human"]).stdout.contains('\u{1b}'), "{command:?}: no escape sequences in a pipe");
        assert!(!with(&["-o", "human", "--color", "never"]).stdout.is_empty(), "{command:?}");
    }
    assert_eq!(koan.run(&["status", "-o", "name"]).code(0).stdout, "devstack.koan.dev/shop\n");
    assert!(koan.run(&["version", "-v", "--trace"]).code(0).stdout.starts_with("koan "));
}

/// CLI-16: the human status: head, services in the manifest's order, next step; `--exit-code` tells what it says.
#[test]
fn the_status_reads_well() {
    let koan = Koan::with(SHOP);
    koan.run(&["status", "--exit-code"]).code(4);
    koan.up(&[]).code(0);
    let status = koan.run(&["status", "--exit-code"]).code(0).stdout;
    let lines: Vec<&str> = status.lines().collect();
    assert!(lines[0].starts_with("stack: shop   profile: local (default)   ready: 2/2 AllReady   project: /"), "{status}");
    assert_eq!(lines[1..], ["- web: ProvisionContainer NoAdapter, healthy", "- api: ProvisionContainer NoAdapter, healthy"]);
}

/// CLI-34, B-7: values that this process knows stay hidden in logs, as text and as JSON; prefix, tail and time stamps as asked.
#[test]
fn logs_are_prefixed_and_redacted() {
    let koan = Koan::with(&SHOP.replace("password=hunter2x", "and says tok-123456"));
    koan.write(
        "secret.yaml",
        "apiVersion: v1\nkind: Secret\nmetadata: {name: login, namespace: default}\nstringData: {token: tok-123456}\n",
    );
    koan.run(&["apply", "-f", "secret.yaml"]).code(0);
    koan.up(&[]).code(0);
    let logs = |flags: &[&str]| koan.run(&[&["logs"], flags].concat()).code(0).stdout;
    assert_eq!(logs(&["shop", "api"]), "api | api is up, and says ***\n");
    assert_eq!(logs(&["api", "--no-prefix", "--tail", "1"]), "api is up, and says ***\n");
    assert_eq!(logs(&["--file", "koan.yaml"]).lines().count(), 2);
    assert!(logs(&["web", "--timestamps", "--since", "1h"]).starts_with("web | 20"));
    assert_eq!(logs(&["web", "--follow", "--timeout", "1s"]), "web | web is up\n");
    assert_eq!(logs(&["web", "-f", "--timeout", "1s"]), "web | web is up\n");
    let line: Value = serde_json::from_str(logs(&["api", "-o", "json"]).trim()).unwrap();
    assert_eq!((line["kind"].as_str(), line["text"].as_str()), (Some("LogLine"), Some("api is up, and says ***")));
    assert!(koan.run(&["logs", "apii"]).code(2).stderr.contains("did you mean api"));
    koan.run(&["logs", "web", "--previous"]).code(0);
}

/// CLI-34, B-7: a secret of the manifest is in no error, no status and no plan.
#[test]
fn a_secret_of_the_manifest_is_in_no_output() {
    let manifest = SHOP.replace("sleep 600'", "exit 3'");
    let koan = Koan::with(&manifest);
    let outputs =
        [koan.up(&[]), koan.run(&["status", "-o", "json"]), koan.run(&["why", "api"]), koan.run(&["plan", "-o", "yaml"])];
    for output in outputs {
        assert!(!format!("{output:?}").contains("tok-123456") && !format!("{output:?}").contains("hunter2x"), "{output:?}");
    }
}

/// CLI-18, `why`: a service that never gets ready ends `up`, and the one behind it leads to it.
#[test]
fn why_leads_to_the_cause() {
    let koan = Koan::with(
        &SHOP.replace("echo web is up; exec sleep 600", "echo no disk; exit 3").replace("spec:", "spec:\n  readinessTimeout: 2s"),
    );
    let output = koan.up(&[]).code(4);
    assert!(output.stderr.contains("web") && output.stderr.contains("ReadinessTimeout"), "{output:?}");
    let why = koan.run(&["why", "api", "--stack", "shop"]).code(0).stdout;
    assert!(why.starts_with("api: ") && why.contains("\n  web: ") && why.contains("next: koan logs shop web"), "{why}");
    assert!(koan.run(&["why", "apii"]).code(2).stderr.contains("did you mean api"));
}

/// CLI-15: `env` gives real values to a script, by service, into a private file, never over a file that is there.
#[test]
fn variables_go_where_they_are_asked_for() {
    let koan = Koan::with(&format!(
        "{HEAD}  services:\n  - name: web\n    process: {{command: [sh, -c, 'echo up; exec sleep 600']}}\n    ports: [{{name: http, containerPort: 18080}}]\n    health: {{log: {{pattern: up}}}}\n"
    ));
    koan.up(&[]).code(0);
    let env = koan.run(&["env", "--reveal", "--format", "json"]).code(0).json();
    assert_eq!(env["KOAN_WEB_PORT"], "18080", "{env}");
    assert_eq!(koan.run(&["env", "--service", "nobody"]).code(0).stdout, "");
    koan.run(&["env", "--out", "vars.env", "--format", "dotenv"]).code(0);
    let path = koan.project().join("vars.env");
    let mode = std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&path).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    koan.run(&["env", "--out", "vars.env"]).code(2);
}

/// CLI-17: the table of exit codes is printed; every reason stands in it once.
#[test]
fn the_exit_codes_are_explained() {
    let koan = Koan::new();
    let table = koan.run(&["help", "exit-codes"]).code(0).stdout;
    for text in [" 70  a bug in Koan", "HostServiceRequired", "130  interrupted", "70 2 3 6 5 4 7 1"] {
        assert!(table.contains(text), "{text}: {table}");
    }
    assert_eq!(table.matches("ImagePullFailed").count(), 1);
}

/// CLI-40: the first line of each command's help is its sentence, and its own flags stand before the global ones.
#[test]
fn help_is_short_and_about_the_task() {
    let koan = Koan::new();
    let help = koan.run(&["--help"]).code(0).stdout;
    assert!(help.find("  init ").unwrap() < help.find("  up ").unwrap() && help.contains("koan help exit-codes"), "{help}");
    assert!(!help.contains("exit-codes  "), "it is no command of its own: {help}");
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    for line in commands {
        let (name, about) = line.trim().split_once("  ").unwrap();
        if name == "help" {
            continue;
        }
        let help = koan.run(&[name, "--help"]).code(0).stdout;
        assert_eq!(help.lines().next(), Some(about.trim()), "{name}");
        let globals = help.find("Global flags:").unwrap();
        assert!(help.find("Options:").is_some_and(|options| options < globals), "{name}: {help}");
    }
    assert!(koan.run(&[]).code(0).stdout.starts_with("no project in "), "without a command it inspects");
}

/// CLI-12: neither `extension`, `e` nor `ext` is a command, nor does a prefix stand for one.
#[test]
fn words_that_are_no_commands_stay_unknown() {
    let koan = Koan::new();
    for word in ["extension", "e", "ext", "stat"] {
        assert!(koan.run(&[word]).code(2).stderr.contains("unrecognized subcommand"), "{word}");
    }
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = koan.run(&["completion", shell]).code(0).stdout;
        assert!(script.contains("koan") && !script.contains("extension"), "{shell}");
    }
}

/// Section 2 of cli.md: names of stacks and services are completed from manifest and server; no server is started, no home is made,
/// and what cannot be read gives nothing.
#[test]
fn names_are_completed() {
    let koan = Koan::with(SHOP);
    let names = |koan: &Koan, words: &[&str]| koan.run(&[&["complete-names"], words].concat()).code(0).stdout;
    assert_eq!(names(&koan, &["up"]), "shop\n");
    assert_eq!(names(&koan, &["why"]), "api\nweb\n");
    assert_eq!(names(&koan, &["wait"]), "shop\nshop/api\nshop/web\n");
    assert_eq!(names(&koan, &["logs"]), "api\nshop\nweb\n");
    assert_eq!(names(&koan, &["validate"]), "");
    assert!(names(&koan, &["catalog", "show"]).lines().any(|name| name == "postgresql"));
    assert!(!koan.home().exists(), "a home was made");
    koan.run(&["apply"]).code(0);
    std::fs::remove_file(koan.project().join("koan.yaml")).unwrap();
    assert_eq!(names(&koan, &["status"]), "shop\n", "the server knows it");
    assert_eq!(names(&koan, &["-n", "other", "status"]), "");
    koan.run(&["serve", "stop"]).code(0);
    assert_eq!(names(&koan, &["status"]), "");
    assert!(!koan.serves(), "a server was started");
    koan.write("koan.yaml", "spec: [");
    assert_eq!(names(&koan, &["status"]), "");
}

/// What a shell of these flags says to a line of its own language, with `koan` on its path; `None` where the shell is missing, which CI
/// does not allow.
fn in_shell(koan: &Koan, shell: &[&str], line: &str) -> Option<String> {
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_koan")).parent()?;
    let mut command = Command::new(shell[0]);
    command.args(&shell[1..]).args(["-c", line]).current_dir(koan.project()).env_clear();
    command.env("PATH", format!("{}:{}", folder.display(), std::env::var("PATH").unwrap_or_default()));
    command.env("HOME", koan.person()).env("KOAN_HOME", koan.home());
    match command.output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if std::env::var_os("CI").is_some() => panic!("{}: {error}", shell[0]),
        Err(error) => {
            println!("SKIPPED {}: {error}", shell[0]);
            None
        }
    }
}

/// Section 2 of cli.md, CLI-40: in real shells the scripts offer commands, flags and names.
#[test]
fn shells_complete_names() {
    let koan = Koan::with(SHOP);
    for shell in ["bash", "zsh", "fish"] {
        koan.write(&format!("script.{shell}"), &koan.run(&["completion", shell]).code(0).stdout);
    }
    let bash = |words: &str, index: u8| {
        let typed = format!("COMP_WORDS=({words}); COMP_CWORD={index}; _koan_names koan \"${{COMP_WORDS[{index}]}}\" ''");
        in_shell(&koan, &["bash", "--norc"], &format!("source script.bash; {typed}; printf '%s\\n' \"${{COMPREPLY[@]}}\""))
            .unwrap()
    };
    let of_status = bash("koan status ''", 2);
    assert!(of_status.lines().any(|line| line == "shop") && !of_status.contains("[NAME]"), "{of_status}");
    assert_eq!(bash("koan why w", 2), "web\n");
    assert!(bash("koan stat", 1).contains("status"));
    assert!(!bash("koan status --w", 2).contains("shop"));
    for (words, offered) in [("koan status ", "shop"), ("koan logs shop w", "web"), ("koan stat", "status")] {
        let line = format!("source script.fish; complete -C '{words}'");
        let Some(text) = in_shell(&koan, &["fish", "--no-config"], &line) else { break };
        assert!(text.lines().any(|line| line.split('\t').next() == Some(offered)), "{words}: {text}");
    }
    let zsh = "compdef() { :; }; compadd() { print -l -- $found; }; source ./script.zsh; LBUFFER='koan why w'; _koan_names";
    if let Some(text) = in_shell(&koan, &["zsh", "-f"], zsh) {
        assert_eq!(text, "api\nweb\n");
        let script = std::fs::read_to_string(koan.project().join("script.zsh")).unwrap();
        assert!(script.contains("the only one:_koan_names'"), "{script}");
    }
}
