//! The log of a run: levels, forms, files.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::program::{Koan, SHOP};

/// CLI-3: `-q`, nothing, `-v`, `-vv` and `--trace` tell strictly more each, on stderr alone; `KOAN_LOG` counts where no flag does.
#[test]
fn each_level_tells_more_than_the_one_before() {
    let koan = Koan::with(SHOP);
    koan.run(&["up", "--no-wait"]).code(0);
    let lines = |koan: &Koan, flags: &[&str]| {
        let output = koan.run(&[&["status", "-o", "json"], flags].concat()).code(0);
        assert_eq!(output.json()["kind"], "StackStatus", "stdout carries the data alone");
        output.stderr.lines().count()
    };
    let counts = [&["-q"][..], &["-v"], &["-vv"], &["--trace"]].map(|flags| lines(&koan, flags));
    assert!(counts.windows(2).all(|pair| pair[0] < pair[1]), "{counts:?}");
    assert_eq!(lines(&koan, &[]), 0, "a command that has nothing to say is silent");
    let koan = koan.set("KOAN_LOG", "verbose");
    assert_eq!(lines(&koan, &[]), counts[1]);
    assert_eq!(lines(&koan, &["-q"]), 0, "a flag wins");
    let koan = koan.set("KOAN_LOG", "loud");
    assert!(koan.run(&["status"]).code(2).stderr.contains("error, info, verbose, debug, trace"));
}

/// CLI-3, B-7: the log goes to a private file as JSON lines, which name method, path and status of each request and no secret.
#[test]
fn a_log_file_is_private_and_holds_no_secret() {
    let koan = Koan::with(SHOP);
    let output = koan.up(&["--trace", "--log-format", "json", "--log-file", "run.log"]).code(0);
    assert!(!output.stderr.contains("koan::wire"), "{output:?}");
    let path = koan.project().join("run.log");
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let text = std::fs::read_to_string(&path).unwrap();
    let records: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answered = |record: &Value| {
        record["target"] == "koan::wire" && record["method"] == "PATCH" && record["status"].as_u64() == Some(201)
    };
    assert!(records.iter().any(answered), "{text}");
    let token = std::fs::read_to_string(koan.home().join("token")).unwrap();
    for secret in ["tok-123456", "hunter2x", token.trim()] {
        assert!(!text.contains(secret), "{secret}");
    }
    koan.run(&["status", "-v", "--log-file", "run.log"]).code(0);
    assert!(std::fs::read_to_string(&path).unwrap().len() > text.len(), "records are appended");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    assert!(koan.run(&["status", "--log-file", "run.log"]).code(2).stderr.contains("chmod 600"));
    std::os::unix::fs::symlink(&path, koan.project().join("link.log")).unwrap();
    koan.run(&["status", "--log-file", "link.log"]).code(1);
    assert!(koan.run(&["status", "--log-format", "xml"]).code(2).stderr.contains("text, json"));
}

/// CLI-3, CLI-8: the flags of `serve --background` reach the server; a second one says that there is nothing to do.
#[test]
fn a_server_in_the_background_takes_its_flags() {
    let koan = Koan::with(SHOP);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let flags = ["--port", &port, "--log-file", "server.log", "--log-format", "json", "-vv", "--idle-exit", "5m"];
    koan.run(&[&["serve", "--background"], &flags[..]].concat()).code(0);
    let kubeconfig = std::fs::read_to_string(koan.home().join("kubeconfig")).unwrap();
    assert!(kubeconfig.contains(&format!("https://127.0.0.1:{port}")), "{kubeconfig}");
    let text = std::fs::read_to_string(koan.project().join("server.log")).unwrap();
    let started: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(started.iter().any(|record| record["event_id"] == 48_090), "{text}");
    assert!(koan.run(&["serve", "--background"]).code(0).stderr.contains("a server runs, pid"));
}

/// CLI-3, CLI-34, ENG-5: `--trace` shows what requests and answers hold, the values of Secrets and secret-like variables hidden; the
/// server that it starts traces, too.
#[test]
fn a_trace_shows_bodies_without_secrets() {
    let secret = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {username: sentinel-name, password: tr0ub4dor-x}\n";
    let koan = Koan::with(&format!("{SHOP}{secret}"));
    let output = koan.run(&["up", "--no-wait", "--trace"]).code(0);
    let body = |part: &str, kind: &str| {
        let holds = |line: &&str| line.contains(&format!(": {part} ")) && line.contains(&format!("\"kind\":\"{kind}\""));
        output.stderr.lines().find(holds).unwrap_or_else(|| panic!("no {part} of a {kind}: {}", output.stderr)).to_owned()
    };
    assert!(body("request body", "Secret").contains("\"username\":\"***\""), "{output:?}");
    for text in [body("request body", "DevStack"), body("answer body", "DevStack")] {
        assert!(text.contains("\"name\":\"API_TOKEN\"") && text.contains("method=PATCH"), "{text}");
    }
    koan.run(&["wait", "shop", "--timeout", "60s"]).code(0);
    koan.run(&["env", "--reveal"]).code(0);
    let log = std::fs::read_to_string(koan.home().join("server.log")).unwrap();
    assert!(log.contains("answer body") && log.contains("koan::wire"), "{log}");
    for text in [&output.stderr, &log] {
        for value in ["tr0ub4dor-x", "sentinel-name", "dHIwdWI0ZG9yLXg", "c2VudGluZWwtbmFtZQ", "tok-123456", "hunter2x"] {
            assert!(!text.contains(value), "{value}");
        }
    }
}
