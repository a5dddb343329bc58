//! Workloads as the Pods that clients see.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Pod;
use koan_core::desired::{Ownership, object_name};
use koan_core::inventory::{Inventory, WorkloadRecord, WorkloadState};
use koan_crds::v1alpha1::{EngineName, ServiceSpec};
use serde_json::{Value, json};

use super::pod::pods;

fn service(restart: &str, reason: &str) -> ServiceSpec {
    serde_json::from_value(json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "shop-db", "namespace": "default", "uid": "u", "labels": {"koan.dev/stack": "shop"}},
        "spec": {
            "container": {"image": "db:1"}, "restart": restart,
            "env": [{"name": "PASSWORD", "value": "hidden"}],
            "ports": [{"name": "main", "containerPort": 5432}],
        },
        "status": {
            "conditions": [{
                "type": "Ready", "status": "True", "reason": reason, "message": "m", "lastTransitionTime": "2026-01-01T00:00:05Z",
            }],
            "workload": {"engine": "Docker", "id": "abc", "restarts": 2},
        },
    }))
    .unwrap()
}

fn record(service: &ServiceSpec, id: &str, replica: u32) -> WorkloadRecord {
    let owner = Ownership::of_object(service, &"instance".into()).owner;
    serde_json::from_value(json!({
        "id": id, "name": object_name(&owner, replica), "owner": owner, "hash": "", "state": "Running",
        "image": "db:1", "imageDigest": "sha256:1", "platform": null, "startedAt": "2026-01-01T00:00:01.5Z", "finishedAt": null,
        "exitCode": null, "oomKilled": false, "restarts": 0, "cutOff": false,
        "addresses": [{"network": "n", "address": "10.0.0.2", "gateway": null}],
        "ports": [], "pid": null, "volumes": [],
    }))
    .unwrap()
}

fn shown(service: &ServiceSpec, workloads: Vec<WorkloadRecord>) -> Vec<Pod> {
    let inventory =
        Inventory { engine: EngineName::Docker, workloads, networks: Vec::new(), volumes: Vec::new(), ports: Vec::new() };
    pods(service, &"instance".into(), &[Arc::new(inventory)])
}

fn one(service: &ServiceSpec, record: WorkloadRecord) -> Value {
    serde_json::to_value(shown(service, vec![record]).remove(0)).unwrap()
}

/// API-3: a running workload is a ready Pod under its service's name, owned by it, with the engine's id as its UID; values of
/// variables stay hidden.
#[test]
fn a_running_workload_is_a_ready_pod() {
    let service = service("Always", "Ready");
    let pod = one(&service, record(&service, "abc", 0));
    assert_eq!(pod["metadata"]["name"], "shop-db");
    assert_eq!(pod["metadata"]["uid"], "abc");
    assert_eq!(pod["metadata"]["ownerReferences"][0]["uid"], "u");
    assert_eq!(pod["metadata"]["labels"]["koan.dev/stack"], "shop");
    let container = &pod["spec"]["containers"][0];
    assert_eq!(container["env"], json!([{"name": "PASSWORD"}]));
    assert_eq!(container["ports"], json!([{"containerPort": 5432, "name": "main", "protocol": "TCP"}]));
    assert_eq!(pod["status"]["phase"], "Running");
    assert_eq!(pod["status"]["podIP"], "10.0.0.2");
    assert_eq!(pod["status"]["containerStatuses"][0]["restartCount"], 2);
    let ready = pod["status"]["conditions"].as_array().unwrap().iter().find(|condition| condition["type"] == "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["lastTransitionTime"]), (&json!("True"), &json!("2026-01-01T00:00:05Z")));
}

/// API-3: readiness that another workload proved is not this one's; replicas have names of their own; a foreign instance's
/// workload is no Pod of ours.
#[test]
fn pods_are_told_apart() {
    let service = service("Always", "Ready");
    let next = one(&service, record(&service, "def", 0));
    assert_eq!(next["status"]["containerStatuses"][0]["ready"], false);
    let names: Vec<String> = shown(&service, vec![record(&service, "a", 1), record(&service, "b", 0)])
        .into_iter()
        .filter_map(|pod| pod.metadata.name)
        .collect();
    assert_eq!(names, ["shop-db", "shop-db-1"]);
    let mut foreign = record(&service, "abc", 0);
    foreign.owner.instance = "other".into();
    assert_eq!(shown(&service, vec![foreign]), []);
}

/// API-3: how a workload ended is told by phase, reason and code; one that is started again stays Running.
#[test]
fn an_ended_workload_says_how() {
    for (restart, code, oom, phase, reason) in [
        ("Never", Some(0), false, "Succeeded", "Completed"),
        ("Never", Some(3), false, "Failed", "Error"),
        ("Never", None, false, "Failed", "ContainerStatusUnknown"),
        ("Always", Some(137), true, "Running", "OOMKilled"),
    ] {
        let service = service(restart, "Ready");
        let mut ended = record(&service, "abc", 0);
        ended.state = WorkloadState::Exited;
        ended.exit_code = code;
        ended.oom_killed = oom;
        ended.finished_at = Timestamp::from_second(1_767_225_700).ok();
        let pod = one(&service, ended);
        assert_eq!(pod["status"]["phase"], phase, "{restart} {code:?}");
        assert_eq!(pod["status"]["containerStatuses"][0]["state"]["terminated"]["reason"], reason, "{restart} {code:?}");
        assert_eq!(pod["status"]["containerStatuses"][0]["ready"], false);
    }
    let looping = service("Always", "CrashLooping");
    let mut ended = record(&looping, "abc", 0);
    ended.state = WorkloadState::Exited;
    ended.exit_code = Some(1);
    let status = one(&looping, ended)["status"]["containerStatuses"][0].take();
    assert_eq!(status["state"]["waiting"]["reason"], "CrashLoopBackOff");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 1);
}
