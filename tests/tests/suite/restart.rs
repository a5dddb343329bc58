//! An engine that dies and comes back: told, and healed with the same data and credentials.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use koan_tests::{Component, Koan, Kubectl, Output, Place, answers, until};
use serde_json::Value;

fn engines(verb: &str, place: Place) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join("hack/engines");
    let name = if place == Place::Docker { "docker" } else { "podman" };
    Output::of(Command::new(script).args([verb, name])).expect_code(0);
}

fn events(kubectl: &Kubectl<'_>, reason: &str) -> usize {
    let events = kubectl.get(&["events"]);
    events["items"].as_array().into_iter().flatten().filter(|event| event["reason"] == reason).count()
}

fn condition<'a>(object: &'a Value, kind: &str) -> &'a Value {
    let conditions = object["status"]["conditions"].as_array().expect("conditions");
    conditions.iter().find(|condition| condition["type"] == kind).unwrap_or(&Value::Null)
}

fn ready(koan: &Koan) -> Option<()> {
    let status = koan.run(&["status", "-o", "json"]).json();
    (status["ready"] == "2/2").then_some(())
}

fn engine_restarts(place: Place) {
    let (Some(koan), Some(engine)) = (place.home("restart"), place.engine("restart")) else { return };
    let Some(kubectl) = Kubectl::of("restart", Component::NewerKubectl, &koan) else { return };
    koan.write("koan.yaml", &place.stack());
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    let login = kubectl.get(&["secret", "shop-db-credentials"])["data"].clone();
    let id = kubectl.get(&["servicespecs", "shop-db"])["status"]["workload"]["id"].as_str().expect("a workload").to_owned();
    let instance = engine.instance(&id);
    let before = engine.containers(&instance);

    engines("down", place);
    until("the loss is told", || {
        let spec = kubectl.get(&["servicespecs", "shop-db"]);
        let lost = condition(&spec, "EngineSelected")["reason"] == "EngineUnreachable";
        (lost && condition(&spec, "Ready")["status"] == "False").then_some(())
    });
    engines("up", place);
    let back = Instant::now();
    until("the stack is ready again", || ready(&koan));
    println!("REL-26: ready {:?} after the engine was back", back.elapsed());
    let told = kubectl.get(&["events"])["items"].to_string();
    let after = engine.containers(&instance);
    assert_eq!(after.len(), before.len(), "nothing twice, no orphan: {told}");
    // Somebody may take a port while the engine is down; its container is made anew then, and told so.
    if events(&kubectl, "PortRepicked") == 0 {
        assert_eq!(after, before, "started again, not made anew: {told}");
    }
    assert_eq!(kubectl.get(&["secret", "shop-db-credentials"])["data"], login, "no second password");
    assert!(events(&kubectl, "EngineLost") > 0 && events(&kubectl, "EngineBack") > 0);
    answers(&koan.run(&["env", "--format", "json"]).expect_code(0).json());
}

/// REL-5, ENG-7, L-1: a Docker engine that was restarted.
#[test]
fn engine_restart_is_healed_on_docker() {
    engine_restarts(Place::Docker);
}

/// REL-5, ENG-7, L-1: a Podman service that was restarted, its containers stopped.
#[test]
fn engine_restart_is_healed_on_podman() {
    engine_restarts(Place::Podman);
}
