//! Each bad input gets one clear error with its place and a way out, and nothing is applied.

use std::io::Write;
use std::process::Stdio;

use crate::program::{HEAD, Koan, SHOP};

/// One row: manifest, reason, path, text in the message or hints.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// Manifests below `spec:`, each with what the error must say.
const ROWS: [Row; 22] = [
    ("  services:\n  - {name: db, adapter: postgrs}\n", "UnknownAdapter", "spec.services[0].adapter", "postgres"),
    (
        "  services:\n  - {name: db, adapter: postgres, detection: {candidates: [db]}}\n",
        "Invalid",
        "spec.services[0].detection.candidates[0]",
        "host:port",
    ),
    (
        "  services:\n  - {name: db, adapter: postgres, detection: {ports: [0]}}\n",
        "Invalid",
        "spec.services[0].detection.ports[0]",
        "1",
    ),
    (
        "  services:\n  - {name: db, adapter: postgres, detection: {candidates: ['redis://127.0.0.1:1']}}\n",
        "Invalid",
        "spec.services[0].detection.candidates[0]",
        "redis",
    ),
    ("  profile: prod\n  services:\n  - {name: db, adapter: postgres}\n", "ProfileExportOnly", "spec.profile", "local or ci"),
    (
        "  provisioning: {detectionTimeout: 100ms, attemptTimeout: 1s}\n  services:\n  - {name: db, adapter: postgres}\n",
        "Invalid",
        "spec.services[0].provisioning",
        "",
    ),
    (
        "  provisioning: {detectionTimeout: 90s}\n  services:\n  - {name: db, adapter: postgres}\n",
        "Invalid",
        "spec.services[0].provisioning",
        "1ms to 1m",
    ),
    ("  profile: lokal\n", "Invalid", "spec.profile", "did you mean local"),
    ("  services: {db: {}}\n", "Invalid", "spec.services", "a list is expected"),
    ("  services:\n", "Invalid", "spec.services", "has no value"),
    ("  services: [db]\n", "Invalid", "spec.services[0]", "a map is expected"),
    ("  services:\n  - {adapter: postgres}\n", "Invalid", "spec.services[0]", "`name` is missing"),
    ("  services:\n  - {name: db, adapter: postgres, portz: []}\n", "Invalid", "spec.services[0].portz", "did you mean ports"),
    ("  suspend: \"yes\"\n", "Invalid", "spec.suspend", "without quotes"),
    (
        "  services:\n  - {name: a, adapter: redis, ports: [{name: x, containerPort: 70000}]}\n",
        "Invalid",
        "spec.services[0].ports[0].containerPort",
        "65535",
    ),
    (
        "  services:\n  - {name: a, adapter: redis, env: [{name: A, value: 5}]}\n",
        "Invalid",
        "spec.services[0].env[0].value",
        "in quotes",
    ),
    (
        "  services:\n  - {name: a, adapter: redis, dependsOn: [{name: b}]}\n  - {name: b, adapter: redis, dependsOn: [{name: a}]}\n",
        "DependencyCycle",
        "spec.services",
        "a",
    ),
    ("  services:\n  - {name: a, adapter: redis}\n  - {name: a, adapter: postgres}\n", "DuplicateName", "spec.services", "a"),
    (
        "  services:\n  - {name: a, adapter: redis, dependsOn: [{name: cachee}]}\n",
        "Invalid",
        "spec.services[0].dependsOn[0]",
        "cachee",
    ),
    (
        "  services:\n  - {name: a, container: {image: x}, process: {command: [x]}}\n",
        "Invalid",
        "spec.services[0]",
        "container and process",
    ),
    ("  services:\n  - {name: a, process: {command: [x]}}\n", "Invalid", "spec.services[0].health", "tcp"),
    ("  engine: {name: Kubernetes}\n", "ModeUnsupported", "spec.engine.name", "Docker"),
];

/// CLI-22, CLI-19, B-10: every row ends with 2, names reason, file, line and field path, has a hint, and starts nothing.
#[test]
fn every_bad_manifest_is_refused_with_its_place() {
    for (spec, reason, path, text) in ROWS {
        let koan = Koan::with(&format!("{HEAD}{spec}"));
        let output = koan.run(&["up", "-o", "json"]);
        let error = output.clone().code(2).error();
        let problems =
            error["problems"].as_array().filter(|problems| !problems.is_empty()).unwrap_or_else(|| panic!("{spec}: {error}"));
        let named = problems.iter().any(|problem| {
            problem["reason"] == reason && problem["location"]["path"].as_str().is_some_and(|at| at.starts_with(path))
        });
        assert!(named, "{spec}: {reason} at {path} is expected: {error:#}");
        assert!(problems.iter().all(|problem| problem["location"]["line"].as_u64().is_some_and(|line| line > 0)), "{error:#}");
        assert!(problems.iter().all(|problem| problem["location"]["file"].as_str().is_some_and(|f| f.ends_with("koan.yaml"))));
        assert!(error.to_string().contains(text), "{spec}: names {text}: {error:#}");
        assert!(error["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "{spec}: a way out: {error:#}");
        assert_eq!(output.stdout, "", "stdout is for data");
        assert!(!koan.home().join("server.json").exists(), "{spec}: nothing was started");
    }
}

/// CLI-20, CLI-22: all violations are shown, each at its line; `validate` says the same as `up`.
#[test]
fn all_violations_are_shown_at_once() {
    let koan =
        Koan::with(&format!("{HEAD}  services:\n  - name: db\n    adapter: postgrs\n  - name: cache\n    adapter: rediss\n"));
    let output = koan.run(&["validate"]).code(2);
    for text in
        ["2 violations", "koan.yaml:7:5  spec.services[0].adapter", "koan.yaml:9:5  spec.services[1].adapter", "hint: ", "exit 2"]
    {
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
    }
    assert_eq!(koan.run(&["up"]).code(2).stderr, output.stderr);
}

/// CLI-22: broken YAML is shown with file, line, column, the line itself and a caret; a secret in it is hidden.
#[test]
fn broken_yaml_is_shown_with_its_line() {
    let koan = Koan::with("apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop\npassword: hunter2x\n");
    let output = koan.run(&["validate"]).code(2);
    assert!(output.stderr.contains("koan.yaml:") && output.stderr.contains('^'), "{}", output.stderr);
    assert!(!output.stderr.contains("hunter2x"), "{}", output.stderr);
    let tabs = Koan::with("kind: DevStack\nspec:\n\tservices: []\n");
    assert!(tabs.run(&["validate"]).code(2).stderr.contains("koan.yaml:3:"), "the line of the tab");
}

/// CLI-22: standard input: empty, too large, not UTF-8, of an unknown kind.
#[test]
fn bad_standard_input_is_named() {
    let koan = Koan::new();
    let feed = |bytes: &[u8]| {
        let mut command = koan.command(&["apply", "-f", "-"]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        // A program that has read enough closes its end.
        let _ = child.stdin.take().unwrap().write_all(bytes);
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    let large = vec![b' '; 3 * 1024 * 1024 + 10];
    let rows: [(&[u8], &str); 4] = [
        (b"", "no document"),
        (&large, "exceed the limit"),
        (b"a: \xff\n", "not UTF-8"),
        (b"apiVersion: v1\nkind: Pod\nmetadata: {name: x}\n", "unknown kind `Pod`"),
    ];
    for (bytes, text) in rows {
        let (code, stderr) = feed(bytes);
        assert_eq!(code, Some(2), "{text}: {stderr}");
        assert!(stderr.contains(text) && stderr.contains("--> -:"), "{text}: {stderr}");
    }
    let (code, stderr) = feed(SHOP.as_bytes());
    assert_eq!((code, stderr.contains("devstack/shop created")), (Some(0), true), "{stderr}");
}

/// CLI-9, CLI-22: no manifest names every place that was looked at, and a compose file is never taken; two candidates name both.
#[test]
fn a_missing_or_doubled_manifest_is_named() {
    let koan = Koan::new();
    let none = koan.run(&["up"]).code(2).stderr;
    for place in ["koan.yaml", "koan.yml", ".koan/koan.yaml", "hint: "] {
        assert!(none.contains(place), "{place}: {none}");
    }
    koan.write("compose.yaml", "services: {}\n");
    assert!(koan.run(&["up"]).code(2).stderr.contains("compose"), "the compose file is spoken of");
    koan.write("koan.yaml", SHOP);
    koan.write("koan.yml", SHOP);
    let both = koan.run(&["validate"]).code(2).stderr;
    assert!(both.contains("koan.yaml") && both.contains("koan.yml"), "{both}");
    assert!(koan.run(&["validate", "-f", "absent.yaml"]).code(2).stderr.contains("absent.yaml"));
}

/// CLI-22: two stacks and no name lists them; an unknown one is answered with the nearest.
#[test]
fn two_stacks_without_a_name_are_listed() {
    let koan = Koan::with(&format!("{SHOP}---\n{}", SHOP.replace("name: shop", "name: depot")));
    let output = koan.run(&["up"]).code(2).stderr;
    assert!(output.contains("shop, depot"), "{output}");
    assert!(koan.run(&["up", "shpo"]).code(2).stderr.contains("did you mean shop"), "the nearest name");
    assert!(!koan.serves());
    koan.up(&["depot"]).code(0);
    assert_eq!(koan.run(&["list", "-o", "name"]).code(0).stdout, "devstack.koan.dev/depot\n", "the one that was named");
}

/// Files of a project, by name.
type Files<'a> = &'a [(&'a str, String)];

/// CLI-22, B-10: one name twice, in one file or in several, is one error with both places and the way out, and nothing is applied.
#[test]
fn an_object_that_stands_twice_is_refused() {
    let secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: login}\nstringData: {a: b}\n";
    let rows: [(Files, &[&str], [&str; 3]); 5] = [
        (
            &[("koan.yaml", format!("{SHOP}---\n{SHOP}"))],
            &[],
            ["DevStack `shop` stands twice", "koan.yaml:3:12", "koan.yaml:17:12"],
        ),
        (
            &[("koan.yaml", format!("{SHOP}---\n{secret}---\n{secret}"))],
            &[],
            ["Secret `login` stands twice", "koan.yaml:17:12", "koan.yaml:22:12"],
        ),
        (
            &[("a.yaml", SHOP.to_owned()), ("b.yaml", format!("{SHOP}---\n{SHOP}"))],
            &["-f", "a.yaml", "-f", "b.yaml"],
            ["DevStack `shop` stands twice", "b.yaml:3:12", "b.yaml:17:12"],
        ),
        (
            &[("all/a.yaml", SHOP.to_owned()), ("all/b.yaml", SHOP.to_owned())],
            &["-f", "all"],
            ["DevStack `shop` stands twice", "all/a.yaml:3:12", "all/b.yaml:3:12"],
        ),
        (
            &[("koan.yaml", format!("{SHOP}---\n{}", SHOP.replace("name: shop}", "name: shop, namespace: other}")))],
            &["-n", "third"],
            ["DevStack `shop` stands twice", "koan.yaml:3:12", "koan.yaml:17:12"],
        ),
    ];
    for (files, flags, texts) in rows {
        let koan = Koan::new();
        for (name, text) in files {
            koan.write(name, text);
        }
        for command in ["apply", "up", "plan", "validate"] {
            let output = koan.run(&[&[command], flags].concat()).code(2);
            for text in
                texts.into_iter().chain(["1 violation; nothing was applied", "hint: remove one of them, or give it another"])
            {
                assert!(output.stderr.contains(text), "{command}: {text}: {}", output.stderr);
            }
        }
        assert!(!koan.serves(), "nothing was started");
    }
    let koan = Koan::with(&format!("{SHOP}---\n{}", SHOP.replace("name: shop}", "name: shop, namespace: other}")));
    koan.run(&["validate"]).code(0);
    assert!(koan.run(&["up", "shop"]).code(2).stderr.contains("more than one namespace"));
}

/// CLI-22: a server of another version is named with both versions and the way out.
#[test]
fn a_server_of_another_version_is_named() {
    let koan = Koan::with(SHOP);
    koan.run(&["serve", "--background"]).code(0);
    let status = koan.run(&["serve", "status"]).code(0).stdout;
    assert!(status.contains(env!("CARGO_PKG_VERSION")), "{status}");
    let doctor = koan.run(&["doctor", "--check", "home.lock", "-o", "json"]).code(0).json();
    assert_eq!(doctor["checks"][0]["status"], "Ok", "{doctor}");
}

/// CLI-6: every flag with a value refuses a missing, an empty and a wrong one; a boolean flag swallows no word.
#[test]
fn wrong_values_of_flags_are_refused() {
    let koan = Koan::with(SHOP);
    let rows: [(&[&str], &str); 16] = [
        (&["up", "--base-port", "x"], "--base-port"),
        (&["up", "--base-port"], "--base-port"),
        (&["up", "--conflicts", "maybe"], "repick"),
        (&["up", "--pull", "sometimes"], "missing"),
        (&["up", "--port", "web=1"], "is a process"),
        (&["up", "--dry-run=nowhere"], "client"),
        (&["up", "--wait", "--no-wait"], "--no-wait"),
        (&["up", "--timeout", "soon"], "--timeout"),
        (&["up", "--profile", "lokal"], "local, ci, staging, prod"),
        (&["up", "--set", "spec"], "PATH=VALUE"),
        (&["up", "--provisioning", "web=Sometimes"], "Auto, Always, Never, Disabled"),
        (&["logs", "--since", "yesterday"], "--since"),
        (&["logs", "--tail", "many"], "--tail"),
        (&["wait", "shop", "--for", "Readiness"], "--for"),
        (&["serve", "--idle-exit", "soon"], "--idle-exit"),
        (&["status", "-o", "xml"], "json"),
    ];
    koan.up(&["--no-wait"]).code(0);
    for (arguments, text) in rows {
        let output = koan.run(arguments).code(2);
        assert!(output.stderr.contains(text), "{arguments:?} names {text}: {}", output.stderr);
        assert!(output.stderr.starts_with("error: ") && output.stderr.contains("\nhint: "), "{arguments:?}: {}", output.stderr);
        assert!(output.stderr.trim_end().ends_with("exit 2)"), "{arguments:?}: {}", output.stderr);
        assert_eq!(output.stdout, "", "{arguments:?}");
    }
    let json = koan.run(&["up", "--timeot", "3s", "-o", "json"]).code(2).error();
    assert_eq!((json["kind"].as_str(), json["exit"].as_u64()), (Some("ErrorReport"), Some(2)), "{json}");
}

/// CLI-5, CLI-37: a wrong variable, a contradiction of spellings and a broken settings file end every command with 2.
#[test]
fn wrong_settings_are_refused() {
    let rows: [(&[(&str, &str)], &str); 6] = [
        (&[("KOAN_ENV", "lokal")], "KOAN_ENV"),
        (&[("KOAN_ENGINE", "lxc")], "KOAN_ENGINE"),
        (&[("KOAN_TIMEOUT", "5")], "KOAN_TIMEOUT"),
        (&[("KOAN_ISOLATED", "perhaps")], "KOAN_ISOLATED"),
        (&[("KOAN_PREFERRED_PROVIDERS", "docker,docker")], "KOAN_PREFERRED_PROVIDERS"),
        (&[("KOAN_ENV", "ci"), ("Koan_ENV", "local")], "contradict"),
    ];
    for (variables, text) in rows {
        let koan = variables.iter().fold(Koan::with(SHOP), |koan, (name, value)| koan.set(name, value));
        let output = koan.run(&["validate"]).code(2);
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
    }
    let koan = Koan::with(SHOP);
    koan.write(".koan/config.yaml", "profil: ci\nallowedOrigins: [https://a.example]\n");
    let output = koan.run(&["validate"]).code(2).stderr;
    for text in ["did you mean profile", "config.yaml:1:1", "user file", "config.yaml:2:1"] {
        assert!(output.contains(text), "{text}: {output}");
    }
}
