//! Stacks from their first apply to their deletion.

use std::time::Duration;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_engines::Stream;
use koan_engines::sim::Program;
use serde_json::{Value, json};

use crate::harness::{Instance, condition, is_ready};

/// Image of the example's application.
const APP: &str = "docker.io/library/shop:1.0";

/// Three services, two levels: a cache with a generated credential, an application that uses it, a page that uses that.
pub(crate) fn shop() -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": "shop", "namespace": "default"},
        "spec": {"services": [
            {"name": "cache", "adapter": "redis"},
            {"name": "api", "container": {"image": APP}, "health": {"log": {"pattern": "ready"}},
             "env": [{"name": "LEVEL", "value": "info"}, {"name": "REDIS", "valueFrom": {"serviceRef": {"name": "cache", "output": "url"}}}],
             "dependsOn": [{"name": "cache"}]},
            {"name": "page", "container": {"image": APP}, "health": {"log": {"pattern": "ready"}},
             "dependsOn": [{"name": "api"}]},
        ]},
    })
}

/// The image that the catalogue's recipe of an adapter uses.
pub(crate) fn image_of(adapter: &str) -> String {
    use koan_core::recipe::Recipes;
    let image = koan_adapters::catalogue().recipe(adapter).unwrap().image;
    format!("{}/{}:{}", image.registry, image.repository, image.tag)
}

/// An instance in which the shop's programs are scripted.
pub(crate) async fn scripted() -> Instance {
    let instance = Instance::start().await;
    script(&instance);
    instance
}

pub(crate) fn script(instance: &Instance) {
    instance.world.script(&image_of("redis"), Program::boots_in(Duration::from_millis(400)));
    let line = (Duration::from_millis(100), Stream::Stdout, "the shop is ready".to_owned());
    instance.world.script(APP, Program { lines: vec![line], ..Program::default() });
}

fn position(words: &[String], part: &str) -> usize {
    words.iter().position(|word| word.contains(part)).unwrap_or_else(|| panic!("no `{part}` in {words:#?}"))
}

/// S-10, S-9, L-1: services start in the order of their gates, and the generated credential is stored before the volume and the
/// container that depend on it.
#[tokio::test(start_paused = true)]
async fn stack_comes_up_in_the_order_of_its_gates() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    let stack = instance.ready("shop").await;
    assert_eq!(stack.status.as_ref().unwrap().ready.as_deref(), Some("3/3"));
    assert_eq!(instance.running(), ["api", "cache", "page"]);
    let words = instance.trace.words();
    let start = |service: &str| position(&words, &format!("Start default-shop-{service}"));
    assert!(start("cache") < start("api") && start("api") < start("page"), "{words:#?}");
    let secret = position(&words, "create Secret default/shop-cache-credentials");
    assert!(secret < position(&words, "CreateVolume"), "{words:#?}");
    assert!(secret < position(&words, "Create default-shop-cache"), "{words:#?}");
    let promise = position(&words, "status ServiceSpec default/shop-cache");
    assert!(promise < position(&words, "Create default-shop-cache"), "{words:#?}");
}

/// PERF-84: of services that could go on at once, those before whom most lies go first: at the bring-up, and when a gate opens.
#[tokio::test(start_paused = true)]
async fn the_longest_remaining_path_starts_first() {
    let instance = scripted().await;
    let app = |name: &str, waits: &[&str]| {
        let gates: Vec<Value> = waits.iter().map(|name| json!({"name": name})).collect();
        json!({"name": name, "container": {"image": APP}, "health": {"log": {"pattern": "ready"}}, "dependsOn": gates})
    };
    let services =
        [app("alone", &[]), app("base", &[]), app("leaf", &["base"]), app("middle", &["base"]), app("top", &["middle"])];
    let mut stack = shop();
    stack["spec"]["services"] = json!(services);
    instance.apply::<DevStack>(&stack).await;
    instance.ready("shop").await;
    let words = instance.trace.words();
    let applied = ["base", "middle", "alone", "leaf", "top"]
        .map(|name| position(&words, &format!("apply ServiceSpec default/shop-{name}")));
    assert!(applied.is_sorted(), "{words:#?}");
    let started = ["middle", "leaf"].map(|name| position(&words, &format!("Start default-shop-{name}")));
    assert!(started.is_sorted(), "{words:#?}");
}

/// DET-34, CLI-27: variables and launch state are written once all decisions stand; the reference is injected into the consumer.
#[tokio::test(start_paused = true)]
async fn variables_reach_consumers_and_the_env_secret() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let secret: Secret = instance.get("shop-env").await;
    // Nothing of this stack is reached from the host; the server leaves out a map that holds nothing.
    let names: Vec<String> = secret.data.unwrap_or_default().into_keys().collect();
    assert!(names.iter().all(|name| name.starts_with("KOAN_") || name == "REDIS_URL"), "{names:?}");
    let launch: ConfigMap = instance.get("shop-launch").await;
    assert_eq!(launch.data.unwrap()["engine"], "Docker");
    let workloads = instance.world.workloads();
    let api = workloads.values().find(|workload| workload.name.contains("shop-api")).unwrap();
    let url = &api.env["REDIS"];
    assert!(url.starts_with("redis://") && url.contains("@cache:6379"), "{}", url.split('@').next_back().unwrap());
}

/// PERF-70: the first `up` makes exactly the writes of the formula.
#[tokio::test(start_paused = true)]
async fn first_up_makes_exactly_the_budgeted_writes() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let tally = instance.settle().await;
    let (services, free, levels, volumes, credentials) = (3, 1, 3, 1, 1);
    assert_eq!(tally.api_writes(), 4 * services - free + credentials + levels + 5, "{:#?}", instance.trace.words());
    assert_eq!(tally.api_reads, 0);
    let images = tally.engine.get("EnsureImage").copied().unwrap_or_default();
    assert_eq!(tally.engine_writes() - images, 1 + volumes + 2 * services, "{:#?}", instance.trace.words());
    assert!(tally.events <= 2 * services + 3, "{} events", tally.events);
}

/// PERF-27, PERF-70: one env value of one leaf costs 4 engine writes and 5 API writes; the others are untouched.
#[tokio::test(start_paused = true)]
async fn one_changed_value_replaces_one_container() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let before = instance.settle().await;
    let workloads = instance.world.workloads();
    let mut changed = shop();
    changed["spec"]["services"][2]["env"] = json!([{"name": "LEVEL", "value": "debug"}]);
    instance.apply::<DevStack>(&changed).await;
    instance
        .wait_for("the page is replaced", |world| {
            world.workloads().values().any(|workload| workload.env.get("LEVEL").is_some_and(|level| level == "debug"))
        })
        .await;
    instance.ready("shop").await;
    let tally = instance.settle().await.since(&before);
    let kept = instance.world.workloads().into_keys().filter(|id| workloads.contains_key(id)).count();
    assert_eq!(kept, 2);
    assert_eq!(tally.engine_writes() - tally.engine.get("EnsureImage").copied().unwrap_or_default(), 4, "{tally:#?}");
    assert_eq!(tally.api_writes(), 5, "{:#?}", instance.trace.words());
}

/// B-6, L-3, PERF-70: labels and annotations of others cost no write, nor does an hour at rest, nor the hundredth reconcile. The
/// hour costs the engine its lists and nothing else: probes know their way.
#[tokio::test(start_paused = true)]
async fn the_hundredth_reconcile_writes_nothing() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let before = instance.settle().await;
    let calls = instance.world.calls().len();
    for number in 0..100 {
        let patch = json!({"metadata": {"labels": {"team": format!("t{number}")}}});
        instance.merge::<DevStack>("shop", &patch).await;
        instance.merge::<ServiceSpec>("shop-api", &patch).await;
        instance.merge::<ServiceSpec>("shop-cache", &patch).await;
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
    let reads = instance.world.reads();
    tokio::time::sleep(Duration::from_secs(3600)).await;
    let lists = instance.world.reads() - reads;
    assert!(lists <= 3600 / 30 + 1, "{lists} reads of the engine in an hour at rest");
    let tally = instance.settle().await.since(&before);
    assert_eq!(
        (tally.api_writes(), tally.events),
        (0, 0),
        "{:#?}",
        instance.trace.words().split_off(before.api_writes() as usize)
    );
    assert_eq!(instance.world.calls().len(), calls);
}

/// S-1, S-7, S-2, B-4, CLI-27, PERF-70: a deleted stack goes in reverse order of its gates and leaves its volume, the credential of
/// it and its launch state.
#[tokio::test(start_paused = true)]
async fn deleted_stack_leaves_its_volume_alone() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let before = instance.settle().await;
    let sent = instance.trace.words().len();
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    let tally = instance.settle().await.since(&before);
    assert!(instance.world.workloads().is_empty());
    assert!(instance.world.networks().is_empty());
    assert_eq!(instance.world.volumes().len(), 1);
    assert!(instance.api::<Secret>().get_opt("shop-cache-credentials").await.unwrap().is_some());
    assert!(instance.api::<ConfigMap>().get_opt("shop-launch").await.unwrap().is_some());
    assert!(instance.api::<ServiceSpec>().get_opt("shop-api").await.unwrap().is_none());
    let words = instance.trace.words().split_off(sent);
    let delete = |service: &str| position(&words, &format!("delete ServiceSpec default/shop-{service}"));
    assert!(delete("page") < delete("api") && delete("api") < delete("cache"), "{words:#?}");
    assert_eq!(tally.api_writes(), 2 * 3 + 2, "{words:#?}");
    assert_eq!(tally.engine_writes(), 2 * 3 + 1, "{words:#?}");
}

/// S-2, S-1, S-3, CLI-27: `volumeReclaim: Delete` and the wish of `down --volumes` take the volume, its credential and the launch
/// state too; a ConfigMap of that name which is not the stack's stays.
#[tokio::test(start_paused = true)]
async fn reclaimed_volumes_go_with_their_stack() {
    let by_spec = json!({"spec": {"volumeReclaim": "Delete"}});
    let by_wish = json!({"metadata": {"annotations": {"koan.dev/delete-volumes": "true"}}});
    let foreign = json!({"metadata": {"labels": {"koan.dev/instance": "another"}}});
    for (wish, launch, stays) in [(&by_spec, None, false), (&by_wish, None, false), (&by_wish, Some(&foreign), true)] {
        let instance = scripted().await;
        instance.apply::<DevStack>(&shop()).await;
        instance.ready("shop").await;
        instance.settle().await;
        if let Some(patch) = launch {
            instance.merge::<ConfigMap>("shop-launch", patch).await;
        }
        instance.merge::<DevStack>("shop", wish).await;
        instance.settle().await;
        instance.delete::<DevStack>("shop").await;
        instance.wait::<DevStack>("shop", |found| found.is_none()).await;
        instance.settle().await;
        assert!(instance.world.volumes().is_empty());
        assert!(instance.api::<Secret>().get_opt("shop-cache-credentials").await.unwrap().is_none());
        assert_eq!(instance.api::<ConfigMap>().get_opt("shop-launch").await.unwrap().is_some(), stays, "{wish}");
    }
}

/// Suspended workloads stop and keep data and allocations; resumed they are the same.
#[tokio::test(start_paused = true)]
async fn suspended_stack_stops_and_resumes() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.settle().await;
    let before: Vec<_> = instance.world.workloads().into_keys().collect();
    instance.merge::<DevStack>("shop", &json!({"spec": {"suspend": true}})).await;
    instance
        .wait_for("all are stopped", |world| {
            world.workloads().values().all(|workload| workload.state == koan_core::inventory::WorkloadState::Exited)
        })
        .await;
    let stack = instance
        .wait::<DevStack>("shop", |found| {
            found
                .and_then(|stack| stack.status.as_ref())
                .is_some_and(|status| condition(&status.conditions, "Ready").1 == "Suspended")
        })
        .await
        .unwrap();
    assert_eq!(condition(&stack.status.unwrap().conditions, "Ready").0, "False");
    instance.settle().await;
    instance.merge::<DevStack>("shop", &json!({"spec": {"suspend": false}})).await;
    instance.ready("shop").await;
    let after: Vec<_> = instance.world.workloads().into_keys().collect();
    assert_eq!(before, after);
    assert!(is_ready(Some(&instance.get::<ServiceSpec>("shop-cache").await)));
}

/// API-3: a restart that was noted outlives a crash and replaces exactly the named workload: its ports stay, no crash is counted,
/// the others are left alone, and a repeat writes nothing.
#[tokio::test(start_paused = true)]
async fn a_restart_replaces_exactly_one_workload() {
    let mut instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    let workload = async |name: &str| instance.get::<ServiceSpec>(name).await.status.unwrap().workload.unwrap().id.unwrap();
    let (cache, api) = (workload("shop-cache").await, workload("shop-api").await);
    let ports = instance.get::<ServiceSpec>("shop-cache").await.status.unwrap().ports;
    let pods = instance.mirror().pods().await.unwrap();
    let uids: Vec<&str> = pods.iter().filter_map(|pod| pod.metadata.uid.as_deref()).collect();
    assert!(uids.contains(&cache.as_str()) && uids.len() == 3, "{uids:?}");

    let noted = |instance: &Instance| instance.trace.words().iter().filter(|word| word.starts_with("patch ServiceSpec")).count();
    let before = noted(&instance);
    let grace = Some(Duration::from_secs(3));
    instance.mirror().restart("default", &cache, grace).await.unwrap();
    instance.mirror().restart("default", &cache, grace).await.unwrap();
    assert_eq!(noted(&instance), before + 1, "a repeat writes nothing");
    instance.restart().await;
    let replaced = |service: Option<&ServiceSpec>| {
        let status = service.and_then(|service| service.status.as_ref());
        let id = status.and_then(|status| status.workload.as_ref()).and_then(|workload| workload.id.as_ref());
        id.is_some_and(|id| *id != cache) && is_ready(service)
    };
    let status = instance.wait::<ServiceSpec>("shop-cache", replaced).await.unwrap().status.unwrap();
    assert_eq!(status.ports, ports);
    assert_eq!(status.workload.as_ref().unwrap().restarts, Some(0), "no crash is counted");
    assert_eq!(instance.get::<ServiceSpec>("shop-api").await.status.unwrap().workload.unwrap().id, Some(api));
    assert!(instance.mirror().restart("default", &cache, None).await.is_err(), "it is gone");
}
