//! Ports that this host says are free and an engine refuses all the same.

use std::time::Duration;

use koan_crds::v1alpha1::{DevStack, PortSource, ServiceSpec};
use koan_engines::sim::Program;
use serde_json::{Value, json};

use crate::harness::{Instance, condition};
use crate::lifecycle::{image_of, scripted};

fn cache(ports: Value, conflicts: &str, annotation: Option<&str>) -> Value {
    let annotations = annotation.map(|text| json!({"koan.dev/ports": text})).unwrap_or(json!({}));
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": "shop", "namespace": "default", "annotations": annotations},
        "spec": {
            "ports": {"conflicts": conflicts},
            "services": [{"name": "cache", "adapter": "redis", "ports": ports}],
        },
    })
}

fn published() -> Value {
    json!([{"name": "redis", "containerPort": 6379, "publish": true}])
}

/// An instance whose engine refuses these ports.
async fn refusing(ports: std::ops::RangeInclusive<u16>) -> Instance {
    let instance = scripted().await;
    ports.for_each(|port| instance.world.take_port(port, "a container of somebody else"));
    instance
}

async fn allocated(instance: &Instance, reason: &'static str) -> (String, String) {
    let is = move |found: Option<&ServiceSpec>| {
        let conditions =
            found.and_then(|found| found.status.as_ref()).map(|status| status.conditions.clone()).unwrap_or_default();
        conditions.iter().any(|condition| condition.type_ == "PortsAllocated" && condition.reason == reason)
    };
    let found = instance.wait::<ServiceSpec>("shop-cache", is).await.unwrap();
    let conditions = found.status.unwrap().conditions;
    let message = conditions.iter().find(|found| found.type_ == "PortsAllocated").unwrap().message.clone();
    (condition(&conditions, "PortsAllocated").0, message)
}

/// CLI-31: a port that the engine refuses is picked again, three times at most; the third choice that is free is published.
#[tokio::test(start_paused = true)]
async fn a_refused_port_is_picked_again() {
    let instance = refusing(6379..=6381).await;
    instance.apply::<DevStack>(&cache(published(), "Repick", None)).await;
    instance.ready("shop").await;
    let status = instance.get::<ServiceSpec>("shop-cache").await.status.unwrap();
    assert_eq!((status.ports[0].host, status.ports[0].source), (6382, PortSource::Repicked));
}

/// CLI-31: the fourth refusal in turn is `Exhausted` and names what was refused; nobody goes on trying at full speed, and once the
/// ports are free again the service comes up by itself.
#[tokio::test(start_paused = true)]
async fn the_fourth_refusal_ends_the_search() {
    let instance = refusing(6379..=6400).await;
    instance.apply::<DevStack>(&cache(published(), "Repick", None)).await;
    let (status, message) = allocated(&instance, "Exhausted").await;
    assert_eq!(status, "False");
    assert!(message.contains("6379, 6380, 6381, 6382") && message.contains("--port"), "{message}");
    (6379..=6400).for_each(|port| instance.world.free_port(port));
    instance.ready("shop").await;
}

/// CLI-31, CLI-32: a port of a flag, and any port under `Fail`, is refused once and for all: nothing else is tried.
#[tokio::test(start_paused = true)]
async fn a_fixed_port_is_not_picked_again() {
    let flagged = json!([{"name": "redis", "containerPort": 6379, "hostPort": 6379, "publish": true}]);
    for (ports, conflicts, flag) in [(flagged, "Repick", Some("cache.redis=6379")), (published(), "Fail", None)] {
        let instance = refusing(6379..=6379).await;
        instance.apply::<DevStack>(&cache(ports, conflicts, flag)).await;
        let (status, message) = allocated(&instance, "Conflict").await;
        assert_eq!(status, "False");
        assert!(message.contains("6379"), "{message}");
        instance.settle().await;
        let kept = instance.get::<ServiceSpec>("shop-cache").await.status.unwrap();
        assert!(kept.ports.iter().all(|port| port.host == 6379), "{:?}", kept.ports);
    }
}

/// DET-25, DET-30 (decision 0022): a product that sends its clients on advertises the port at which it is published, also where that had
/// to be another one, and to containers of the stack its own name with the port that they dial.
#[tokio::test(start_paused = true)]
async fn what_is_advertised_follows_the_published_port() {
    let instance = scripted().await;
    instance.world.script(&image_of("kafka"), Program::boots_in(Duration::from_millis(400)));
    instance.host.take(9092);
    instance
        .apply::<DevStack>(&json!({
            "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack", "metadata": {"name": "shop", "namespace": "default"},
            "spec": {"services": [{"name": "log", "adapter": "kafka"}]},
        }))
        .await;
    instance.ready("shop").await;
    let status = instance.get::<ServiceSpec>("shop-log").await.status.unwrap();
    let port = status.ports[0].host;
    assert!(port != 9092 && status.ports.len() == 1, "{:?}", status.ports);
    let endpoints = status.endpoints.unwrap();
    assert_eq!(endpoints.host, Some(format!("kafka://127.0.0.1:{port}")));
    assert_eq!(endpoints.stack.as_deref(), Some("kafka://log:9094"));
    let advertised =
        instance.world.with_workloads(|workloads| workloads.values().next().unwrap().env["KAFKA_ADVERTISED_LISTENERS"].clone());
    assert_eq!(advertised, format!("HOST://127.0.0.1:{port},STACK://log:9094,SELF://127.0.0.1:9095"));
}
