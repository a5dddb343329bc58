//! Fresh secret values, and a search for them in everything that a run leaves or shows.

use std::path::Path;

use base64::Engine as _;
use koan_tests::{Canary, Component, Koan, Kubectl};

/// What holds values by design: the store, whose Secrets they are, and the files that a service reads its own value from.
const HOLDERS: [&str; 2] = ["store", "secrets"];

/// A generated credential, one of the user's Secret, and a literal that looks like one.
fn stack(secret: &str, literal: &str) -> String {
    let (secret, literal) = (serde_json::Value::from(secret), serde_json::Value::from(literal));
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{password: {secret}}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
         \x20 - name: cache\n    adapter: redis\n  - name: api\n    process: {{command: [sh, -c, 'echo ready; exec sleep 600']}}\n\
         \x20   health: {{log: {{pattern: ready}}}}\n    dependsOn: [{{name: cache}}]\n    env:\n\
         \x20   - {{name: UPSTREAM, valueFrom: {{secretKeyRef: {{name: login, key: password}}}}}}\n\
         \x20   - {{name: API_TOKEN, value: {literal}}}\n"
    )
}

/// Everything that was shown or left, by name.
#[derive(Default)]
struct Heap(Vec<(String, Vec<u8>)>);

impl Heap {
    /// Both streams of a command.
    fn command(&mut self, koan: &Koan, words: &[&str]) {
        let output = koan.run(words);
        self.0.push((format!("koan {}", words.join(" ")), format!("{}\n{}", output.stdout, output.stderr).into_bytes()));
    }

    /// Arguments of every process of this machine.
    fn arguments(&mut self) {
        for entry in std::fs::read_dir("/proc").expect("processes").filter_map(Result::ok) {
            let path = entry.path().join("cmdline");
            // A process may end meanwhile.
            if let Ok(bytes) = std::fs::read(&path) {
                self.0.push((path.display().to_string(), bytes));
            }
        }
    }

    /// Every file below a folder that does not hold values by design.
    fn files(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok) {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if HOLDERS.iter().any(|holder| name.starts_with(holder)) {
                continue;
            }
            if path.is_dir() && !path.is_symlink() {
                self.files(&path);
            } else if let Ok(bytes) = std::fs::read(&path) {
                self.0.push((path.display().to_string(), bytes));
            }
        }
    }
}

fn generated(kubectl: &Kubectl<'_>) -> Canary {
    let secret = kubectl.get(&["secret", "shop-cache-credentials"]);
    let encoded = secret["data"]["password"].as_str().expect("a password");
    let bytes = base64::engine::general_purpose::STANDARD.decode(encoded).expect("base64");
    Canary::of(&String::from_utf8(bytes).expect("text"))
}

/// REL-28, SEC-11, S-12: no value of a Secret and no literal that looks like one is shown by a command, an object, a report or an
/// argument, or left in a file that is not made for it.
#[test]
fn sec_11_no_secret_is_shown_or_left() {
    let koan = Koan::new();
    let (secret, literal) = (Canary::fresh(), Canary::fresh());
    koan.write("koan.yaml", &stack(secret.value(), literal.value()));
    let mut heap = Heap::default();
    heap.command(&koan, &["plan", "--explain", "-o", "json"]);
    heap.command(&koan, &["up", "--explain", "--timeout", "120s"]);
    heap.arguments();
    for words in [
        &["status", "-o", "json"][..],
        &["status", "-o", "yaml"],
        &["why", "api"],
        &["why", "api", "-o", "json"],
        &["list", "-o", "json"],
        &["logs", "--tail", "50"],
        &["plan", "--explain", "--diff"],
        &["doctor", "-o", "json"],
        &["doctor", "--bundle", "report.tar"],
    ] {
        heap.command(&koan, words);
    }
    heap.0.push(("the bundle".to_owned(), std::fs::read(koan.project().join("report.tar")).expect("a bundle")));
    // A literal stands in the specification of its workload, as in the manifest; nobody is shown it.
    find(&heap, &literal);
    heap.files(&koan.home());
    find(&heap, &secret);
    if let Some(kubectl) = Kubectl::of("canary", Component::NewerKubectl, &koan) {
        let generated = generated(&kubectl);
        let objects = kubectl.run(&["get", "devstacks,servicespecs,configmaps,events", "-o", "yaml"]).expect_code(0).stdout;
        let objects = Heap(vec![("objects".to_owned(), objects.into_bytes())]);
        for canary in [&secret, &generated] {
            find(&objects, canary);
        }
        find(&heap, &generated);
    }
    koan.run(&["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
}

#[track_caller]
fn find(heap: &Heap, canary: &Canary) {
    assert!(heap.0.len() == 1 || heap.0.len() > PLACES, "little was searched: {}", heap.0.len());
    for (place, bytes) in &heap.0 {
        let hits = canary.hits(bytes);
        assert!(hits.is_empty(), "{place} holds a secret: {hits:?}");
    }
}

/// A search of fewer places than this has missed something.
const PLACES: usize = 20;
