//! One `ServiceSpec` that stands alone.

use koan_crds::v1alpha1::ServiceSpec;
use serde_json::json;

use crate::harness::{Instance, condition, is_ready};

fn web() -> serde_json::Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "container": {"image": "docker.io/library/web:1.0"},
            "health": {"exec": {"command": ["letters", "1"]}},
        },
    })
}

/// L-1, S-5, S-7: a service that is applied gets a workload, is probed and becomes ready; deleted, it leaves nothing.
#[tokio::test(start_paused = true)]
async fn service_is_created_probed_and_deleted() {
    let instance = Instance::start().await;
    instance.apply::<ServiceSpec>(&web()).await;
    let ready = instance.wait::<ServiceSpec>("web", is_ready).await.unwrap();
    let status = ready.status.unwrap();
    assert_eq!(condition(&status.conditions, "Accepted"), ("True".to_owned(), "Valid".to_owned()));
    assert_eq!(instance.running(), ["web"]);

    instance.delete::<ServiceSpec>("web").await;
    instance.wait::<ServiceSpec>("web", |found| found.is_none()).await;
    assert!(instance.world.workloads().is_empty());
    assert!(instance.world.networks().is_empty());
}

/// B-6, L-3, REL-32: a restart of Koan adopts what runs and writes nothing, neither to the API nor to the engine.
#[tokio::test(start_paused = true)]
async fn a_converged_service_is_left_alone_by_a_restart() {
    let mut instance = Instance::start().await;
    instance.apply::<ServiceSpec>(&web()).await;
    instance.wait::<ServiceSpec>("web", is_ready).await;
    instance.settle().await;
    let calls = instance.world.calls().len();
    instance.restart().await;
    let tally = instance.settle().await;
    assert_eq!(tally.api_writes(), 0, "{:#?}", instance.trace.words());
    assert_eq!(tally.events, 0, "{:#?}", instance.trace.words());
    assert_eq!(instance.world.calls().len(), calls);
}
