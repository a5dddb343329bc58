//! The main job on real servers: a stack comes up, answers, is healed, and goes.

use koan_tests::{Place, answers};
use serde_json::Value;

/// Longest `koan up` of a test.
const UP: &str = "120s";

fn service<'a>(status: &'a Value, name: &str) -> &'a Value {
    let services = status["services"].as_array().expect("services");
    services.iter().find(|service| service["name"] == name).unwrap_or_else(|| panic!("no {name} in {status}"))
}

fn up_status_down(place: Place) {
    let Some(koan) = place.home("shop") else { return };
    koan.write("koan.yaml", &place.stack());
    let status = koan.run(&["up", "-o", "json", "--timeout", UP]).expect_code(0).json();
    assert_eq!(status["ready"], "2/2", "{status}");
    for name in ["db", "cache"] {
        assert_eq!(service(&status, name)["decision"]["action"], "ProvisionContainer");
        assert_eq!(service(&status, name)["decision"]["reason"], "AlwaysMode");
    }
    let environment = koan.run(&["env", "--format", "json"]).expect_code(0).json();
    answers(&environment);
    let again = koan.run(&["up", "-o", "json", "--timeout", UP]).expect_code(0);
    assert!(again.stderr.contains("unchanged"), "{}", again.stderr);
    koan.run(&["down", "--timeout", UP]).expect_code(0);
    assert_eq!(koan.run(&["list", "-o", "json"]).expect_code(0).json()["items"], serde_json::json!([]));
}

/// ENG-17, CLI-15, DET-34: without a container engine the stack comes up as processes, and the injected URLs work.
#[test]
fn a_stack_comes_up_as_processes() {
    up_status_down(Place::Process);
}

/// ENG-5, ENG-6, DET-34: the same on a real Docker engine.
#[test]
fn a_stack_comes_up_on_docker() {
    up_status_down(Place::Docker);
}

/// ENG-5, ENG-6, DET-34: the same on a real Podman service.
#[test]
fn a_stack_comes_up_on_podman() {
    up_status_down(Place::Podman);
}
