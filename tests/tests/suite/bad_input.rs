//! Bad input on the command line: one clear error, the exit code of the table, nothing applied.

use koan_tests::{Koan, Output, Place};
use serde_json::Value;

const HEAD: &str = "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n";

fn report(output: &Output) -> Value {
    let line = output.stderr.lines().rfind(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no report: {output:?}"));
    serde_json::from_str(line).expect("an ErrorReport")
}

fn up(manifest: &str, code: i32) -> Value {
    let koan = Koan::new();
    koan.write("koan.yaml", manifest);
    let output = koan.run(&["up", "-o", "json", "--timeout", "30s"]).expect_code(code);
    assert_eq!(output.stdout, "", "stdout is for data");
    let report = report(&output);
    assert_eq!(report["exit"], code, "{report}");
    assert!(report["hints"].as_array().is_some_and(|hints| !hints.is_empty()), "a way out: {report}");
    report
}

/// CLI-22: without a manifest every place that was looked at is named.
#[test]
fn a_missing_manifest_names_where_it_was_looked_for() {
    let koan = Koan::new();
    let output = koan.run(&["up"]).expect_code(2);
    for text in ["koan.yaml", "hint:"] {
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
    }
}

/// CLI-22, K-3: broken YAML, unknown kinds, versions and fields end with 2, naming the place, and nothing is applied.
#[test]
fn an_invalid_manifest_is_refused_whole() {
    let rows = [
        ("spec: [unclosed\n".to_owned(), "koan.yaml"),
        (format!("{HEAD}  services:\n  - name: db\n    adapter: postgres\n    portz: []\n"), "portz"),
        (format!("{HEAD}  services:\n  - name: db\n    adapter: postgrs\n"), "postgres"),
        (HEAD.replace("DevStack", "DevStak"), "DevStak"),
        (HEAD.replace("v1alpha1", "v9"), "v9"),
    ];
    for (manifest, text) in rows {
        let koan = Koan::new();
        koan.write("koan.yaml", &manifest);
        let output = koan.run(&["up", "-o", "json"]).expect_code(2);
        assert!(output.stderr.contains(text), "{text}: {}", output.stderr);
        assert_eq!(koan.server(), None, "nothing was started for it");
    }
}

/// CLI-22: the valid documents beside an invalid one are not applied either.
#[test]
fn valid_documents_beside_an_invalid_one_are_not_applied() {
    let koan = Koan::new();
    let valid = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: beside}\ndata: {a: b}\n---\n";
    koan.write("koan.yaml", &format!("{valid}{HEAD}  services:\n  - name: db\n    adapter: postgrs\n"));
    koan.run(&["apply", "-f", "koan.yaml"]).expect_code(2);
    assert_eq!(koan.server(), None, "nothing was started for it");
}

/// CLI-6, CLI-22: unknown commands, flags and values end with 2 and the nearest match; unknown stacks and services are named.
#[test]
fn unknown_words_end_with_the_nearest() {
    let koan = Koan::new();
    koan.write("koan.yaml", &format!("{HEAD}  services:\n  - name: db\n    adapter: postgres\n"));
    let rows: [(&[&str], &str); 5] = [
        (&["upp"], "up"),
        (&["up", "--timeot", "3s"], "--timeout"),
        (&["up", "--profile", "lokal"], "local"),
        (&["up", "--provisioning", "dbb=Always"], "db"),
        (&["up", "shap"], "shop"),
    ];
    for (arguments, text) in rows {
        let output = koan.run(arguments).expect_code(2);
        assert!(output.stderr.contains(text), "{arguments:?} names {text}: {}", output.stderr);
    }
}

/// B-9, CLI-17, CLI-37: a forced engine that is absent ends with 3.
#[test]
fn a_forced_engine_that_is_absent_ends_with_3() {
    let report = up(&format!("{HEAD}  engine: {{name: Docker}}\n  services:\n  - name: db\n    adapter: postgres\n"), 3);
    assert_eq!(report["reason"], "ForcedUnavailable", "{report}");
}

/// CLI-17, CLI-18: a process that ends at once ends `up` with 4, long before its budget, with its last words.
#[test]
fn a_crashing_process_ends_with_4() {
    let report = up(
        &format!(
            "{HEAD}  profile: ci\n  services:\n  - name: web\n    process: {{command: [sh, -c, 'echo last words; exit 9']}}\n    ports: [{{name: http, containerPort: 18999}}]\n    health: {{tcp: {{port: http}}}}\n"
        ),
        4,
    );
    assert!(report.to_string().contains("web"), "{report}");
}

/// CLI-17, CLI-32: a declared port that is busy under `Fail` ends with 5 and names the port.
#[test]
fn a_busy_port_under_fail_ends_with_5() {
    let holder = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = holder.local_addr().expect("its address").port();
    let manifest = format!(
        "{HEAD}  ports: {{conflicts: Fail}}\n  provisioning: {{mode: Always}}\n  services:\n  - name: db\n    adapter: postgres\n    ports: [{{name: postgres, containerPort: 5432, hostPort: {port}, publish: true}}]\n"
    );
    let report = up(&manifest, 5);
    assert!(report.to_string().contains(&port.to_string()), "{report}");
}

/// CLI-17, DET-2: a host service that is required and absent ends with 6.
#[test]
fn a_required_host_service_that_is_absent_ends_with_6() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
    let report = up(
        &format!(
            "{HEAD}  services:\n  - name: db\n    adapter: postgres\n    provisioning: {{mode: Never}}\n    detection: {{ports: [{free}]}}\n"
        ),
        6,
    );
    assert_eq!(report["reason"], "HostServiceRequired", "{report}");
}

/// API-31, API-32: the context goes into a person's kubeconfig and out again, and nothing else in it changes.
#[test]
fn the_context_comes_and_goes_without_a_trace() {
    let koan = Koan::new();
    let before = "apiVersion: v1\nkind: Config\nclusters:\n- name: work\n  cluster: {server: https://127.0.0.1:1}\ncontexts:\n- name: work\n  context: {cluster: work, user: work}\nusers:\n- name: work\n  user: {token: abc}\ncurrent-context: work\n";
    koan.write("config", before);
    let file = koan.project().join("config");
    let file = file.to_str().expect("a path");
    koan.run(&["context", "merge", "--kubeconfig", file]).expect_code(0);
    let merged = std::fs::read_to_string(file).expect("the kubeconfig");
    assert!(merged.contains("\"koan\"") && merged.contains("name: work") && merged.contains("current-context: work"), "{merged}");
    koan.run(&["context", "remove", "--kubeconfig", file]).expect_code(0);
    let after = std::fs::read_to_string(file).expect("the kubeconfig");
    assert!(!after.contains("koan") && after.contains("name: work") && after.contains("token: abc"), "{after}");
}

/// CLI-8, CLI-16: commands about stacks of a home without a server answer at once and start none.
#[test]
fn reading_starts_no_server() {
    let koan = Koan::new();
    koan.write("koan.yaml", &Place::Process.stack());
    koan.run(&["status"]).expect_code(0);
    koan.run(&["down"]).expect_code(0);
    koan.run(&["validate"]).expect_code(0);
    assert_eq!(koan.server(), None);
}
