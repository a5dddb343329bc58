//! One `ServiceSpec` that stands alone.

use std::sync::Arc;

use koan_core::inventory::WorkloadState;
use koan_crds::v1alpha1::ServiceSpec;
use kube::api::DeleteParams;
use serde_json::json;

use crate::harness::{Instance, condition, is_ready};
use crate::trivial::{Trivial, engines};

fn web() -> serde_json::Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {
            "container": {"image": "docker.io/library/web:1.0"},
            "health": {"exec": {"command": ["true"]}},
        },
    })
}

/// L-1, S-5: a service that is applied gets a workload, is probed and becomes ready; deleted, it leaves nothing.
#[tokio::test]
async fn service_is_created_probed_and_deleted() {
    let engine = Arc::new(Trivial::default());
    let instance = Instance::start(engines(&engine)).await;
    instance.apply::<ServiceSpec>(&web()).await;
    let ready = instance.wait::<ServiceSpec>("web", is_ready).await.unwrap();
    let status = ready.status.unwrap();
    assert_eq!(condition(&status.conditions, "Accepted"), ("True".to_owned(), "Valid".to_owned()));
    assert_eq!(engine.workloads().len(), 1);
    assert_eq!(engine.workloads()[0].state, WorkloadState::Running);

    instance.services().delete("web", &DeleteParams::default()).await.unwrap();
    instance.wait::<ServiceSpec>("web", |found| found.is_none()).await;
    assert!(engine.workloads().is_empty());
}

/// B-6, L-3: at rest nothing is written, neither to the API nor to the engine.
#[tokio::test]
async fn a_converged_service_is_left_alone() {
    let engine = Arc::new(Trivial::default());
    let mut instance = Instance::start(engines(&engine)).await;
    instance.apply::<ServiceSpec>(&web()).await;
    instance.wait::<ServiceSpec>("web", is_ready).await;
    instance.settle().await;
    let before = instance.services().get("web").await.unwrap();
    let calls = engine.calls();
    instance.restart(engines(&engine)).await;
    let tally = instance.settle().await;
    let after = instance.services().get("web").await.unwrap();
    assert_eq!(after.status, before.status);
    assert_eq!(tally.api_writes(), 0, "{:#?}", instance.trace.effects());
    assert_eq!(tally.events, 0, "{tally:?}");
    assert_eq!(engine.calls(), calls);
}
