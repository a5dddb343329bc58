//! What engines keep to themselves, and what happens to workloads behind Koan's back.

use std::time::Duration;

use koan_core::inventory::WorkloadState;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_engines::sim::{Answer, Program, SimWorld};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::harness::{Instance, condition, is_ready};
use crate::lifecycle::{scripted, shop};

/// An image of nobody in particular.
const IMAGE: &str = "docker.io/library/server:1.0";
/// A lost event is made up for by the next full list, and the start that follows it.
const HEALED: Duration = Duration::from_secs(31);

/// A service that stands alone.
fn server(image: &str, restart: &str) -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "server", "namespace": "default"},
        "spec": {
            "container": {"image": image}, "restart": restart,
            "health": {"exec": {"command": ["letters", "1"]}},
        },
    })
}

async fn serving() -> Instance {
    let instance = scripted().await;
    instance.world.script(IMAGE, Program { answers: vec![(Duration::ZERO, Answer::Ready)], ..Program::default() });
    instance
}

fn reason(found: Option<&ServiceSpec>, kind: &str) -> String {
    let status = found.and_then(|service| service.status.as_ref());
    status.map(|status| condition(&status.conditions, kind).1).unwrap_or_default()
}

/// Name, starts and state of a service's workload.
fn workload(world: &SimWorld, service: &str) -> Option<(String, u32, WorkloadState)> {
    let workloads = world.workloads();
    let found = workloads.values().find(|found| found.owner.as_ref().is_some_and(|owner| owner.service == service))?;
    Some((found.name.clone(), found.starts, found.state))
}

/// L-7, REL-5: a workload that ended while the engine's events got lost runs again within 30 s, by the next full list.
#[tokio::test(start_paused = true)]
async fn a_lost_event_is_healed_by_the_next_list() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.settle().await;
    let (name, starts, _) = workload(&instance.world, "page").unwrap();
    instance.world.lose_events(true);
    assert!(instance.world.kill(&name));
    let killed = Instant::now();
    let again =
        |world: &SimWorld| workload(world, "page").is_some_and(|(_, now, state)| now > starts && state == WorkloadState::Running);
    instance.wait_for("it runs again", again).await;
    assert!(killed.elapsed() <= HEALED, "{:?}", killed.elapsed());
    instance.ready("shop").await;
}

/// K-5, REL-23: a workload that the kernel ended for lack of memory says so, and what to do.
#[tokio::test(start_paused = true)]
async fn an_end_for_lack_of_memory_is_told() {
    let instance = serving().await;
    instance.apply::<ServiceSpec>(&server(IMAGE, "Never")).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
    let (name, _, _) = workload(&instance.world, "server").unwrap();
    assert!(instance.world.oom_kill(&name));
    let told = instance.wait::<ServiceSpec>("server", |found| reason(found, "Healthy") == "OOMKilled").await.unwrap();
    let conditions = told.status.unwrap().conditions;
    assert!(conditions.iter().any(|found| found.type_ == "Healthy" && found.message.contains("resources.memory")));
}

/// ENG-8, K-5: an image that its registry does not know is told as such, and another one heals the service.
#[tokio::test(start_paused = true)]
async fn an_unknown_image_is_told_and_replaced() {
    let instance = serving().await;
    let gone = "docker.io/library/gone:1.0";
    instance.world.forget_image(gone);
    instance.apply::<ServiceSpec>(&server(gone, "Always")).await;
    instance.wait::<ServiceSpec>("server", |found| reason(found, "Healthy") == "ImagePullFailed").await;
    instance.apply::<ServiceSpec>(&server(IMAGE, "Always")).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
}

/// P16, S-1: a path that an image declares as a volume gets a named one with labels, and its data are there again after a deletion.
#[tokio::test(start_paused = true)]
async fn p16_a_declared_volume_is_named_and_kept() {
    let instance = serving().await;
    instance.world.declare_volumes(IMAGE, &["/var/lib/server"]);
    instance.apply::<ServiceSpec>(&server(IMAGE, "Always")).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
    let volumes = instance.world.volumes();
    assert_eq!(volumes.len(), 1);
    assert!(volumes.values().all(|volume| volume.owner.is_some() && volume.path == "/var/lib/server"));
    instance.delete::<ServiceSpec>("server").await;
    instance.wait::<ServiceSpec>("server", |found| found.is_none()).await;
    instance.apply::<ServiceSpec>(&server(IMAGE, "Always")).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
    assert!(instance.world.volumes().keys().eq(volumes.keys()), "the same volume, and no other");
}
