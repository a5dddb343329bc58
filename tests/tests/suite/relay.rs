//! A container of the stack uses a server that only the host's loopback reaches.

use koan_tests::Place;

use super::host::Postgres;

/// Login of the host's database; characters that percent encoding changes.
const USER: &str = "koan_host";
const PASSWORD: &str = "c4nary+Pass/w0rd";
/// What the container asks for, and reads in its answer.
const ANSWER: &str = "4711";

/// A database that must be the host's, and a container that asks it a question.
fn stack(place: Place, port: u16) -> String {
    let image = place.image("postgres").replace("    image:", "    container: {image:").replace('\n', "");
    let command = format!("command: [sh, -c, 'psql --no-psqlrc \"$DB\" -Atc \"select {ANSWER}\" && exec sleep 600']");
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db-login}}\nstringData: {{username: {USER}, password: \"{PASSWORD}\"}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n\
         \x20 provisioning: {{detectionTimeout: 20s, attemptTimeout: 5s}}\n  services:\n  - name: db\n    adapter: postgres\n\
         \x20   provisioning: {{mode: Never}}\n    detection: {{ports: [{port}]}}\n    credentials: {{secretRef: {{name: db-login}}}}\n\
         \x20 - name: api\n{image}, {command}}}\n    dependsOn: [{{name: db}}]\n    health: {{log: {{pattern: \"{ANSWER}\"}}}}\n\
         \x20   env:\n    - {{name: DB, valueFrom: {{serviceRef: {{name: db, output: url}}}}}}\n"
    )
}

fn loopback_is_reached(place: Place) {
    let Some(koan) = place.home("relay") else { return };
    let Some(server) = Postgres::start("relay", USER, PASSWORD) else { return };
    koan.write("koan.yaml", &stack(place, server.port()));
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    let endpoints = koan.service("db")["endpoints"].clone();
    let (host, inside) = (endpoints["host"].as_str().expect("a host's"), endpoints["stack"].as_str().expect("a container's"));
    assert!(host.contains(&format!("127.0.0.1:{}", server.port())), "{endpoints}");
    assert!(!inside.contains("127.0.0.1") && !inside.contains(&format!(":{}", server.port())), "a relay's address: {endpoints}");
    koan.run(&["down"]).expect_code(0);
    assert!(server.answers(USER, PASSWORD), "the host's server outlives the stack");
}

/// DET-30, DET-31, DET-41: a container on Docker reaches a server of the host's loopback through a relay, by the injected URL.
#[test]
fn a_container_reaches_the_hosts_loopback_on_docker() {
    loopback_is_reached(Place::Docker);
}
