//! What Koan itself runs is no host service, wherever it is met.

use koan_tests::{Koan, Place};

/// A cache of Koan's own.
fn first(place: Place) -> String {
    format!(
        "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: first}}\nspec:\n  provisioning: {{mode: Always}}\n  services:\n\
         \x20 - name: cache\n    adapter: redis\n{}",
        place.image("redis")
    )
}

/// A stack that finds it on its port, with the very login that opens it.
fn second(port: u16, password: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: login}}\nstringData: {{password: {password}}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: second}}\nspec:\n  services:\n  - name: cache\n    adapter: redis\n\
         \x20   provisioning: {{mode: Never}}\n    detection: {{ports: [{port}]}}\n    credentials: {{secretRef: {{name: login}}}}\n"
    )
}

fn is_skipped(koan: &Koan, port: u16, password: &str) {
    koan.write("second.yaml", &second(port, password));
    let refused = koan.run(&["up", "-f", "second.yaml", "--timeout", "60s"]).expect_code(6);
    let asked = |line: &&str| line.contains(&format!("127.0.0.1:{port}"));
    let lines: Vec<&str> = refused.stderr.lines().filter(asked).collect();
    assert!(lines.iter().any(|line| line.contains("KoanOwned")), "{refused:?}");
    assert!(!refused.stderr.contains("CredentialAccepted"), "{refused:?}");
}

fn met_again(place: Place) {
    let Some(koan) = place.home("own") else { return };
    koan.write("koan.yaml", &first(place));
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    let value = |name: &str| environment[name].as_str().unwrap_or_else(|| panic!("no {name} in {environment}")).to_owned();
    let port: u16 = value("KOAN_CACHE_PORT").parse().expect("a port");
    is_skipped(&koan, port, &value("KOAN_CACHE_PASSWORD"));
    // The same cache, met by a person of another home.
    let other = place.home("own").expect("an engine that was there a moment ago");
    is_skipped(&other, port, &value("KOAN_CACHE_PASSWORD"));
    assert_eq!(koan.run(&["status", "first", "-o", "json"]).expect_code(0).json()["ready"], "1/1");
}

/// DET-16, DET-35, DET-41: a second stack that finds the first one's container on Docker skips it as Koan's own, in the same home and in
/// another one, although it has the right login.
#[test]
fn the_first_stacks_container_is_no_host_service_on_docker() {
    met_again(Place::Docker);
}

/// DET-16, DET-35, DET-41: the same on Podman.
#[test]
fn the_first_stacks_container_is_no_host_service_on_podman() {
    met_again(Place::Podman);
}
