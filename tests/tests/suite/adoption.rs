//! Host services: a real PostgreSQL is adopted, refused, or unmasked as something else.

use koan_tests::{Component, Koan, Kubectl, Place, database_answers};
use serde_json::Value;

use super::host::{Impostor, Postgres};

/// Login of the host's database.
const USER: &str = "koan_host";
/// Its password; characters that percent encoding changes, so that each form of it would be found.
const PASSWORD: &str = "c4nary+Pass/w0rd";

/// The port that PostgreSQL takes by itself.
const USUAL: u16 = 5432;

/// A stack whose database may be found on one port, with a login by Secret. That port is also the one which a container of the stack
/// would take: the usual one, moved by the stack's offset.
fn stack(place: Place, port: u16, password: &str, mode: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: db-login}}\nstringData: {{username: {USER}, password: \"{password}\"}}\n---\n\
         apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: shop}}\nspec:\n  ports: {{offset: {}}}\n  provisioning: {{detectionTimeout: 20s, attemptTimeout: 5s}}\n  services:\n  - name: db\n    adapter: postgres\n{}\
         \x20   provisioning: {{mode: {mode}}}\n    detection: {{ports: [{port}]}}\n    credentials: {{secretRef: {{name: db-login}}}}\n",
        port - USUAL,
        place.image("postgres"),
    )
}

fn up(koan: &Koan) -> Value {
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    koan.service("db")
}

fn evidence(koan: &Koan) -> String {
    koan.run(&["why", "db", "-o", "json"]).expect_code(0).json()["evidence"].to_string()
}

/// DET-2, DET-4, DET-14, DET-19: the host's own database with the declared login is used, with the proof in `koan why`.
#[test]
fn a_host_database_with_the_declared_login_is_adopted() {
    let Some(server) = Postgres::start("adoption", USER, PASSWORD) else { return };
    let koan = Koan::new();
    koan.write("koan.yaml", &stack(Place::Process, server.port(), PASSWORD, "Auto"));
    let service = up(&koan);
    let proof = evidence(&koan);
    assert_eq!(service["decision"]["action"], "UseHostService", "{service} {proof}");
    assert_eq!(service["decision"]["reason"], "HostValidated", "{service} {proof}");
    for code in ["Identified", "CredentialAccepted"] {
        assert!(proof.contains(code), "{code} is missing: {proof}");
    }
    assert!(!proof.contains(PASSWORD), "no value in the evidence");
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    assert_eq!(database_answers(&environment), server.port());
    if let Some(kubectl) = Kubectl::of("adoption", Component::NewerKubectl, &koan) {
        let object = kubectl.run(&["get", "servicespecs", "-o", "yaml"]).expect_code(0).stdout;
        for text in ["UseHostService", "HostValidated", "CredentialAccepted"] {
            assert!(object.contains(text), "{text} is missing: {object}");
        }
        assert!(!object.contains(PASSWORD), "no value in the status");
    }
    koan.run(&["down"]).expect_code(0);
    assert!(server.answers(USER, PASSWORD), "a host service outlives the stack that used it");
}

fn refused(place: Place) {
    let Some(koan) = place.home("adoption") else { return };
    let Some(server) = Postgres::start("adoption", USER, PASSWORD) else { return };
    koan.write("koan.yaml", &stack(place, server.port(), "another", "Auto"));
    let service = up(&koan);
    assert_eq!(service["decision"]["action"], "ProvisionContainer", "{service}");
    assert_eq!(service["decision"]["reason"], "HostRejected", "{service}");
    assert!(evidence(&koan).contains("CredentialRejected"));
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    let other = database_answers(&environment);
    assert_ne!(other, server.port());
    let status = koan.run(&["status", "-o", "json"]).expect_code(0).json();
    assert_eq!(status["ready"], "1/1", "{status}");
    let port = &status["ports"][0];
    assert_eq!((port["host"].as_u64(), port["source"].as_str()), (Some(u64::from(other)), Some("Repicked")), "{status}");
    assert!(server.answers(USER, PASSWORD), "the host's own server is untouched");
    koan.run(&["down"]).expect_code(0);
    assert!(server.answers(USER, PASSWORD), "and outlives the stack");
}

/// DET-2, DET-25, DET-40, ENG-17: a wrong password is refused on the very port that would be taken; a process of Koan's is ready on
/// another one and answers by the injected URL, and the host's server is untouched.
#[test]
fn a_refused_host_database_is_replaced_by_a_process() {
    refused(Place::Process);
}

/// DET-2, DET-25, DET-40: the same with a container on Docker.
#[test]
fn a_refused_host_database_is_replaced_by_a_docker_container() {
    refused(Place::Docker);
}

/// DET-2, DET-25, DET-40: the same with a container on Podman.
#[test]
fn a_refused_host_database_is_replaced_by_a_podman_container() {
    refused(Place::Podman);
}

/// DET-14, DET-18, SEC-1: a web server on the database's port sees no byte of the login, in any form.
#[test]
fn sec_1_a_web_server_on_the_databases_port_gets_no_login() {
    let impostor = Impostor::start();
    let koan = Koan::new();
    koan.write("koan.yaml", &stack(Place::Process, impostor.port(), PASSWORD, "Auto"));
    let service = up(&koan);
    assert_eq!(service["decision"]["action"], "ProvisionContainer", "{service}");
    assert_eq!(service["decision"]["reason"], "HostImpostor", "{service}");
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    assert_ne!(database_answers(&environment), impostor.port());
    let received = String::from_utf8_lossy(&impostor.received()).into_owned();
    assert!(!received.is_empty(), "it was asked what it is");
    for form in [USER, PASSWORD, "c4nary%2BPass%2Fw0rd", "YzRuYXJ5K1Bhc3MvdzByZA", "63346e6172792b506173732f77307264"] {
        assert!(!received.contains(form), "{form} was sent: {received:?}");
    }
}

/// DET-2, CLI-17, CLI-22: a required host service that refuses the login ends `up` with 6, and nothing is provisioned.
#[test]
fn a_required_host_database_that_refuses_is_an_error() {
    let Some(server) = Postgres::start("adoption", USER, PASSWORD) else { return };
    let koan = Koan::new();
    koan.write("koan.yaml", &stack(Place::Process, server.port(), "another", "Never"));
    let output = koan.run(&["up", "-o", "json", "--timeout", "60s"]).expect_code(6);
    assert!(output.stderr.contains("HostServiceRequired"), "{output:?}");
    assert!(output.stderr.contains("CredentialRejected"), "each candidate is named with its code: {output:?}");
}
