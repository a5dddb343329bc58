//! Rows of reliability.md that need a whole instance: the way back from a bad change, age, readiness, secrets.

use std::time::Duration;

use base64::Engine as _;
use k8s_openapi::api::core::v1::{ConfigMap, Event, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_engines::Stream;
use koan_engines::sim::{Answer, Program};
use kube::api::{ListParams, PostParams};
use serde_json::{Value, json};

use crate::harness::{Instance, condition, is_ready};
use crate::lifecycle::{image_of, scripted, shop};
use crate::record::Record;

fn stack(name: &str, services: Value) -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": name, "namespace": "default"}, "spec": {"services": services},
    })
}

fn reason(found: Option<&ServiceSpec>, kind: &str) -> String {
    let status = found.and_then(|service| service.status.as_ref());
    status.map(|status| condition(&status.conditions, kind).1).unwrap_or_default()
}

/// P5, S-10, L-4: a service that never gets ready keeps its dependants waiting, and the fix of both rolls out all the same.
#[tokio::test(start_paused = true)]
async fn p5_a_fix_rolls_out_past_an_unhealthy_service() {
    let instance = Instance::start().await;
    let services = |command: &[&str], tag: &str| {
        let health = json!({"exec": {"command": command}});
        let image = |name: &str| format!("docker.io/library/{name}:{tag}");
        json!([
            {"name": "base", "container": {"image": image("base")}, "health": health},
            {"name": "api", "container": {"image": image("api")}, "health": health, "dependsOn": [{"name": "base"}]},
        ])
    };
    instance.apply::<DevStack>(&stack("shop", services(&["no-such-command"], "1"))).await;
    instance
        .wait::<ServiceSpec>("shop-base", |found| {
            reason(found, "Healthy") == "ProbeFailed" || reason(found, "Ready") == "ReadinessTimeout"
        })
        .await;
    assert_eq!(instance.running(), ["base"]);
    instance.apply::<DevStack>(&stack("shop", services(&["letters", "1"], "2"))).await;
    instance.ready("shop").await;
    assert_eq!(instance.running(), ["api", "base"]);
}

/// P20, S-2, REL-30: age removes nothing: a stack of two hours, a second one beside it and a restart; both live with their data.
#[tokio::test(start_paused = true)]
async fn p20_age_removes_nothing() {
    let mut instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    instance.apply::<DevStack>(&stack("other", json!([{"name": "cache", "adapter": "redis"}]))).await;
    instance.ready("other").await;
    instance.settle().await;
    let (workloads, volumes) = (instance.world.workloads(), instance.world.volumes());
    assert_eq!((workloads.len(), volumes.len()), (4, 2));
    instance.restart().await;
    tokio::time::sleep(Duration::from_secs(2 * 3600)).await;
    let kept = instance.world.workloads();
    assert!(kept.keys().eq(workloads.keys()));
    assert!(kept.values().all(|workload| workload.starts == 1));
    assert!(instance.world.volumes().keys().eq(volumes.keys()));
    instance.ready("shop").await;
    instance.ready("other").await;
}

/// P21, B-1, K-8: without a health command the adapter's own probe decides; a server that never answers it is not ready, and the
/// budget ends with the reason whose exit code is 4.
#[tokio::test(start_paused = true)]
async fn p21_nothing_is_ready_by_default() {
    let instance = Instance::start().await;
    instance.world.script(&image_of("redis"), Program::stays(Answer::Silent, Duration::from_millis(100)));
    let cache = json!({"name": "cache", "adapter": "redis", "readinessTimeout": "30s"});
    instance.apply::<DevStack>(&stack("shop", json!([cache]))).await;
    instance
        .wait::<ServiceSpec>("shop-cache", |found| {
            assert!(!is_ready(found), "a silent server is not ready");
            reason(found, "Ready") == "ReadinessTimeout"
        })
        .await;
    assert_eq!(instance.running(), ["cache"], "it runs and is not ready");
    let exit = koan_crds::vocabulary::ExitCode::of(koan_crds::vocabulary::Reason::ReadinessTimeout);
    assert_eq!(exit as u8, 4);
}

/// SEC-11, S-12: no secret value leaves its Secret: not by status, Event, object, log at its finest, or what an engine was asked.
#[tokio::test(start_paused = true)]
async fn sec_11_no_secret_leaves_its_secret() {
    let record = Record::begin();
    let instance = scripted().await;
    let canary = "canary-4711-uYk2pQ7vRm9sT3wZ";
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "default"},
        "stringData": {"password": canary},
    });
    instance.api::<Secret>().create(&PostParams::default(), &serde_json::from_value(secret).unwrap()).await.unwrap();
    let line = (Duration::from_millis(10), Stream::Stderr, format!("cannot reach postgres://shop:{canary}@db/shop"));
    let end = Program::ends(Duration::from_millis(50), 1);
    instance.world.script("docker.io/library/leaky:1.0", Program { lines: vec![line], ..end });
    let mut shop = shop();
    let leaky = json!({
        "name": "leaky", "container": {"image": "docker.io/library/leaky:1.0"}, "health": {"exec": {"command": ["letters", "1"]}},
        "env": [{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "login", "key": "password"}}}],
    });
    shop["spec"]["services"].as_array_mut().unwrap().push(leaky);
    instance.apply::<DevStack>(&shop).await;
    instance.wait::<ServiceSpec>("shop-leaky", |found| reason(found, "Healthy") == "CrashLooping").await;
    instance.wait::<ServiceSpec>("shop-page", is_ready).await;
    let leaky: ServiceSpec = instance.get("shop-leaky").await;
    let shown = serde_json::to_string(&leaky.status).unwrap();
    assert!(shown.contains("cannot reach postgres"), "the log's tail is shown: {shown}");

    let generated = instance.get::<Secret>("shop-cache-credentials").await.data.unwrap()["password"].0.clone();
    let generated = String::from_utf8(generated).unwrap();
    let everything = everything(&instance).await + &record.text() + &instance.trace.words().join("\n");
    assert!(everything.contains("shop-cache-credentials"), "names are shown");
    for value in [canary, generated.as_str()] {
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(value);
        assert!(!everything.contains(value) && !everything.contains(&encoded), "a value was shown");
    }
}

/// Every object but the Secrets, as a client reads it, and the calls of the engine.
async fn everything(instance: &Instance) -> String {
    let every = ListParams::default();
    let objects = json!([
        instance.api::<DevStack>().list(&every).await.unwrap().items,
        instance.api::<ServiceSpec>().list(&every).await.unwrap().items,
        instance.api::<Event>().list(&every).await.unwrap().items,
        instance.api::<ConfigMap>().list(&every).await.unwrap().items,
    ]);
    format!("{objects}{:?}", instance.world.calls())
}
