//! What other servers fell into (section 8 of the API server's page), looked at from outside with stock clients.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use base64::Engine as _;
use koan_tests::{Canary, Component, Koan, Kubectl, Output, Place, until};
use serde_json::Value;

/// A cache with a generated password; a program that is given a Secret's value and an address with the cache's password in it; one
/// whose check prints that value and fails.
fn leaky(secret: &str) -> String {
    let secret = Value::from(secret);
    let entry = |name: &str, command: &str, health: &str| {
        format!(
            "\x20 - name: {name}\n    process: {{command: [sh, -c, '{command}']}}\n    health: {health}\n    dependsOn: [{{name: cache}}]\n\
             \x20   readinessTimeout: 20s\n    env:\n\
             \x20   - {{name: UPSTREAM, valueFrom: {{secretKeyRef: {{name: login, key: password}}}}}}\n\
             \x20   - {{name: CACHE, valueFrom: {{serviceRef: {{name: cache, output: url}}}}}}\n"
        )
    };
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{password: {secret}}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
         \x20 - name: cache\n    adapter: redis\n{}{}",
        entry("api", "echo length ${#UPSTREAM} ${CACHE%%:*}; exec sleep 600", "{log: {pattern: length}}"),
        entry(
            "sick",
            "exec sleep 600",
            "{exec: {command: [sh, -c, 'echo $UPSTREAM $CACHE | tee /dev/stderr; exit 1']}, interval: 1s}"
        ),
    )
}

fn reason(kubectl: &Kubectl<'_>, service: &str) -> String {
    let conditions = kubectl.get(&["servicespec", service])["status"]["conditions"].clone();
    let ready = conditions.as_array().into_iter().flatten().find(|condition| condition["type"] == "Ready");
    ready.and_then(|ready| ready["reason"].as_str()).unwrap_or_default().to_owned()
}

/// Section 8, S-12, SEC-11, API-3: values that were resolved for a program, one that its failing check prints among them, stand in no
/// status, no Pod and no event, whoever asks and in whatever form.
#[test]
fn sec_11_no_status_shows_what_a_secret_resolved_to() {
    let koan = Koan::new();
    let Some(kubectl) = Kubectl::of("traps", Component::NewerKubectl, &koan) else { return };
    let secret = Canary::fresh();
    koan.write("koan.yaml", &leaky(secret.value()));
    koan.run(&["up", "--no-wait"]).expect_code(0);
    until("the sick one is given up", || (reason(&kubectl, "shop-sick") == "ReadinessTimeout").then_some(()));
    until("the other one runs", || (reason(&kubectl, "shop-api") == "Ready").then_some(()));
    let printed = kubectl.run(&["logs", "shop-api"]).expect_code(0).stdout;
    assert!(printed.contains(&format!("length {} redis", secret.value().len())), "the values were resolved: {printed}");

    let credential = kubectl.get(&["secret", "shop-cache-credentials"])["data"]["password"].clone();
    let bytes = base64::engine::general_purpose::STANDARD.decode(credential.as_str().expect("a password")).expect("base64");
    let generated = Canary::of(&String::from_utf8(bytes).expect("text"));
    for words in [
        &["get", "devstacks,servicespecs,pods,configmaps,events", "-o", "json", "--show-managed-fields"][..],
        &["get", "servicespecs", "-o", "wide"],
        &["get", "--raw", "/apis/koan.dev/v1alpha1/namespaces/default/servicespecs/shop-sick/status"],
        &["get", "--raw", "/apis/koan.dev/v1alpha1/namespaces/default/devstacks?watch=true&timeoutSeconds=1"],
        &["describe", "devstacks,servicespecs,pods"],
    ] {
        let shown = kubectl.run(words).expect_code(0).stdout;
        assert!(shown.contains("shop"), "{words:?}: {shown}");
        for canary in [&secret, &generated] {
            let hits = canary.hits(shown.as_bytes());
            assert!(hits.is_empty(), "{words:?} holds a secret: {hits:?}");
        }
    }
}

/// Everything executable below a folder.
fn programs(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder").filter_map(Result::ok) {
        // Sockets and locks come and go.
        let Ok(about) = entry.path().symlink_metadata() else { continue };
        if about.is_dir() {
            programs(&entry.path(), found);
        } else if about.is_file() && about.permissions().mode() & 0o111 != 0 {
            found.push(entry.path().display().to_string());
        }
    }
}

/// Section 8, API-32, API-33: no script stands between a person and the server: after one `koan context merge` a stock kubectl finds
/// it with nothing but a home, without a flag or a variable, and Koan leaves nothing behind that could be run.
#[test]
fn no_wrapper_finds_the_server() {
    let koan = Koan::new();
    let Some(kubectl) = Kubectl::of("traps", Component::NewerKubectl, &koan) else { return };
    koan.write("koan.yaml", &Place::Process.stack());
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    let home = koan.project().join("person");
    let person = home.display().to_string();
    std::fs::create_dir(&home).expect("a home");
    let merged = Output::of(koan.command(&["context", "merge", "--set-current"]).env("HOME", &person));
    merged.expect_code(0);
    let plain = |words: &[&str]| Output::of(kubectl.command(words).env_clear().env("HOME", &person).current_dir("/"));
    let names = plain(&["get", "devstacks", "-o", "name"]).expect_code(0).stdout;
    assert_eq!(names, "devstack.koan.dev/shop\n");
    let mut found = Vec::new();
    programs(&koan.home(), &mut found);
    programs(&home, &mut found);
    assert_eq!(found, Vec::<String>::new(), "nothing is to be run");
}
