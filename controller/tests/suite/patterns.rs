//! Bug patterns of others, each a scenario that must hold here (reliability.md section 5), and drift.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::Secret;
use koan_controller::Ruling;
use koan_core::validate::StackOptions;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use serde_json::json;

use crate::harness::{Instance, Trace, condition, is_ready};
use crate::lifecycle::{script, scripted, shop};

async fn up(instance: &Instance) {
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.settle().await;
}

/// P1, S-2: `down` and `up` at once: the new stack gets workloads of its own, the old volume and its credential live on.
#[tokio::test(start_paused = true)]
async fn p1_down_then_up_at_once() {
    let instance = scripted().await;
    up(&instance).await;
    let credential = instance.get::<Secret>("shop-cache-credentials").await.data;
    let old: Vec<_> = instance.world.workloads().into_keys().collect();
    let volumes: Vec<_> = instance.world.volumes().into_keys().collect();
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    up(&instance).await;
    let new = instance.world.workloads();
    assert!(old.iter().all(|id| !new.contains_key(id)));
    assert_eq!(instance.running(), ["api", "cache", "page"]);
    assert_eq!(instance.world.volumes().into_keys().collect::<Vec<_>>(), volumes);
    assert_eq!(instance.get::<Secret>("shop-cache-credentials").await.data, credential);
}

/// P2, S-4, S-9, L-1: a crash before any effect of the first `up`, which is after the one before it, is made good by a restart: one
/// workload per service, one volume, one credential.
#[tokio::test(start_paused = true)]
async fn p2_crash_at_every_effect_of_the_first_up() {
    for effect in 0.. {
        let trace = Arc::new(Trace::default());
        trace.rule(effect, Ruling::CutBefore);
        let mut instance = Instance::start_with(trace, effect).await;
        script(&instance);
        instance.apply::<DevStack>(&shop()).await;
        let cut = tokio::time::timeout(Duration::from_secs(20), instance.cut()).await;
        if cut.is_err() {
            assert!(effect > 20, "the run made {effect} effects only");
            break;
        }
        let secret = instance.api::<Secret>().get_opt("shop-cache-credentials").await.unwrap().map(|secret| secret.data);
        instance.restart().await;
        instance.ready("shop").await;
        assert_eq!(instance.running(), ["api", "cache", "page"], "effect {effect}");
        assert_eq!(instance.world.workloads().len(), 3, "effect {effect}");
        assert_eq!(instance.world.volumes().len(), 1, "effect {effect}");
        assert_eq!(instance.world.networks().len(), 1, "effect {effect}");
        if let Some(secret) = secret {
            assert_eq!(instance.get::<Secret>("shop-cache-credentials").await.data, secret, "effect {effect}");
        }
    }
}

/// P9: an object of the same name and another UID never takes over what belonged to the first one.
#[tokio::test(start_paused = true)]
async fn p9_same_name_with_a_new_uid() {
    let instance = Instance::start().await;
    let web = json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"container": {"image": "web:1.0"}, "health": {"exec": {"command": ["letters", "1"]}}},
    });
    let first: ServiceSpec = instance.apply(&web).await;
    instance.wait::<ServiceSpec>("web", is_ready).await;
    instance.delete::<ServiceSpec>("web").await;
    instance.wait::<ServiceSpec>("web", |found| found.is_none()).await;
    let second: ServiceSpec = instance.apply(&web).await;
    instance.wait::<ServiceSpec>("web", is_ready).await;
    assert_ne!(first.metadata.uid, second.metadata.uid);
    let owners: Vec<_> =
        instance.world.workloads().into_values().filter_map(|workload| workload.owner).map(|owner| Some(owner.uid.0)).collect();
    assert_eq!(owners, [second.metadata.uid]);
}

/// P17, DET-6, B-8: an adapter that panics under `Never` is an error that the user sees, and its siblings go on.
#[tokio::test(start_paused = true)]
async fn p17_hidden_failure_of_an_adapter() {
    let instance = scripted().await;
    instance.script.reply("postgres", |_| panic!("a bug of the adapter"));
    let mut shop = shop();
    let db = json!({"name": "db", "adapter": "postgres", "provisioning": {"mode": "Never"}});
    shop["spec"]["services"].as_array_mut().unwrap().push(db);
    instance.apply::<DevStack>(&shop).await;
    let refused = |found: Option<&ServiceSpec>| {
        found.and_then(|service| service.status.as_ref()).is_some_and(|status| {
            condition(&status.conditions, "Provisioned") == ("False".to_owned(), "HostServiceRequired".to_owned())
        })
    };
    let db = instance.wait::<ServiceSpec>("shop-db", refused).await.unwrap();
    assert!(!db.status.unwrap().decision.unwrap().evidence.is_empty());
    instance.wait::<ServiceSpec>("shop-page", is_ready).await;
    assert!(instance.runs());
}

/// P22: an owned ServiceSpec that is deleted, and a container that is removed by hand, are made anew within 30 s.
#[tokio::test(start_paused = true)]
async fn p22_drift_is_repaired() {
    let instance = scripted().await;
    up(&instance).await;
    let name = instance.world.workloads().values().find(|workload| workload.name.contains("shop-page")).unwrap().name.clone();
    assert!(instance.world.remove(&name));
    let since = tokio::time::Instant::now();
    instance.wait_for("the container is back", |world| world.workloads().values().any(|workload| workload.name == name)).await;
    assert!(since.elapsed() <= Duration::from_secs(31));
    instance.ready("shop").await;

    let old = instance.get::<ServiceSpec>("shop-page").await.metadata.uid;
    instance.delete::<ServiceSpec>("shop-page").await;
    instance
        .wait::<ServiceSpec>("shop-page", |found| is_ready(found) && found.is_some_and(|found| found.metadata.uid != old))
        .await;
    assert_eq!(instance.running(), ["api", "cache", "page"]);
}

/// P23: a plan of a new stack shows every step and makes no effect.
#[tokio::test(start_paused = true)]
async fn p23_plan_makes_no_effect() {
    let instance = scripted().await;
    let stack: DevStack = serde_json::from_value(shop()).unwrap();
    let report = instance.plan(&stack, &StackOptions::default()).await;
    let verbs: Vec<&str> = report.plan.steps.iter().map(|step| step.action.verb()).collect();
    assert_eq!(verbs.iter().filter(|verb| **verb == "Start").count(), 3, "{verbs:?}");
    assert_eq!(verbs.iter().filter(|verb| **verb == "CreateVolume").count(), 1, "{verbs:?}");
    assert!(instance.trace.words().is_empty());
    assert!(instance.world.calls().is_empty());
}

/// L-6, P8: with the engine gone a deletion says what is in its way, and ends once the engine is back.
#[tokio::test(start_paused = true)]
async fn p8_deletion_waits_for_the_engine_and_ends() {
    let instance = scripted().await;
    up(&instance).await;
    instance.world.engine_down();
    instance.delete::<DevStack>("shop").await;
    let blocked = |found: Option<&ServiceSpec>| {
        found.and_then(|service| service.status.as_ref()).is_some_and(|status| {
            condition(&status.conditions, "CleanupBlocked") == ("True".to_owned(), "EngineUnreachable".to_owned())
        })
    };
    instance.wait::<ServiceSpec>("shop-page", blocked).await;
    instance.world.engine_up();
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    assert!(instance.world.workloads().is_empty());
}
