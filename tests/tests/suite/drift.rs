//! What others do to a running stack is repaired; what nobody changed is not written.

use koan_tests::{Component, Engine, Koan, Kubectl, Place, answers, until};
use serde_json::{Value, json};

fn up(koan: &Koan) {
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
}

fn workload(kubectl: &Kubectl<'_>, service: &str) -> Option<String> {
    let specs = kubectl.get(&["servicespecs"]);
    let found = specs["items"].as_array()?.iter().find(|item| {
        item["metadata"]["labels"]["koan.dev/service"] == service || item["metadata"]["name"] == format!("shop-{service}")
    })?;
    let ready = found["status"]["conditions"].as_array()?.iter().any(|c| c["type"] == "Ready" && c["status"] == "True");
    ready.then(|| found["status"]["workload"]["id"].as_str().map(str::to_owned))?
}

fn repaired(kubectl: &Kubectl<'_>) -> usize {
    let events = kubectl.get(&["events"]);
    events["items"].as_array().into_iter().flatten().filter(|event| event["reason"] == "DriftRepaired").count()
}

/// Resource versions of every object of Koan's, and of what it writes beside them.
fn versions(kubectl: &Kubectl<'_>) -> Vec<(String, String)> {
    let list = kubectl.get(&["devstacks,servicespecs,secrets,configmaps,events"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let items = list["items"].as_array().expect("items");
    items
        .iter()
        .map(|item| (format!("{}/{}", item["kind"], item["metadata"]["name"]), text(&item["metadata"]["resourceVersion"])))
        .collect()
}

fn drift(place: Place) {
    let (Some(koan), Some(engine)) = (place.home("drift"), place.engine("drift")) else { return };
    let Some(kubectl) = Kubectl::of("drift", Component::NewerKubectl, &koan) else { return };
    koan.write("koan.yaml", &place.stack());
    up(&koan);
    let settled = versions(&kubectl);
    up(&koan);
    assert_eq!(versions(&kubectl), settled, "a converged stack is not written");

    let lost = workload(&kubectl, "cache").expect("a cache");
    let kept = workload(&kubectl, "db").expect("a database");
    let instance = engine.instance(&lost);
    engine.call("DELETE", &format!("/containers/{lost}?force=true"), None);
    until("the cache runs again", || workload(&kubectl, "cache").filter(|id| *id != lost));
    assert_eq!(workload(&kubectl, "db"), Some(kept), "the database is left alone");
    until("the repair is told", || (repaired(&kubectl) > 0).then_some(()));
    answers(&koan.run(&["env", "--format", "json"]).expect_code(0).json());

    let told = repaired(&kubectl);
    remove_network(&engine, &instance);
    until("the network is there again", || (engine.networks(&instance).len() == 1).then_some(()));
    until("both are ready in it", || {
        let ids = [workload(&kubectl, "cache")?, workload(&kubectl, "db")?];
        ids.iter().all(|id| attached(&engine, &instance, id)).then_some(())
    });
    until("the repair is told", || (repaired(&kubectl) > told).then_some(()));
    answers(&koan.run(&["env", "--format", "json"]).expect_code(0).json());
    koan.run(&["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
    assert_eq!(engine.networks(&instance), Vec::<String>::new());
}

/// As `docker network rm` after `docker network disconnect --force`: nobody can remove a network in use otherwise. Koan may put
/// a container back into it in between, so it is tried until it went once.
fn remove_network(engine: &Engine, instance: &str) {
    let network = engine.networks(instance).pop().expect("a network");
    until("the network is removed", || {
        for container in engine.containers(instance) {
            let body = json!({"Container": container, "Force": true});
            // One that is not in it, or no longer there, is what we want.
            let _ = engine.try_call("POST", &format!("/networks/{network}/disconnect"), Some(&body));
        }
        engine.try_call("DELETE", &format!("/networks/{network}"), None).ok()
    });
}

fn attached(engine: &Engine, instance: &str, container: &str) -> bool {
    let Some(network) = engine.networks(instance).pop() else { return false };
    // Listed rather than inspected: it may be replaced between two looks.
    let list = engine.call("GET", "/containers/json", None);
    let found = list.as_array().into_iter().flatten().find(|item| item["Id"] == container).cloned();
    let ends = found.map(|item| item["NetworkSettings"]["Networks"].clone()).unwrap_or_default();
    // Docker names the network of an endpoint by its id, Podman by its name.
    ends.as_object().into_iter().flatten().any(|(name, end)| *name == network || end["NetworkID"] == network)
}

/// REL-5, PERF-70: a removed container and network come back with the event, and a converged stack is not written, on Docker.
#[test]
fn drift_is_repaired_on_docker() {
    drift(Place::Docker);
}

/// REL-5, PERF-70: the same on Podman.
#[test]
fn drift_is_repaired_on_podman() {
    drift(Place::Podman);
}
