//! What happens is told once, as a Kubernetes Event with its number; what begins is told by the log alone.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use koan_core::probe::{Address, CandidateReport, CandidateVerdict, CredentialRef, Probe, ProbeReport, Usable};
use koan_crds::events::Event;
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_engines::sim::{Answer, Program};
use kube::api::ListParams;
use serde_json::{Value, json};

use crate::harness::{Instance, Trace, condition, is_ready};
use crate::lifecycle::{scripted, shop};
use crate::record::Record;

/// Longest wait for an Event, in virtual time.
const DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two looks, in virtual time.
const LOOK: Duration = Duration::from_millis(500);

/// Events of this kind about an object: type and message of each; their number and name agree.
async fn told(instance: &Instance, event: Event, object: &str) -> Vec<(String, String)> {
    let all = instance.api::<k8s_openapi::api::core::v1::Event>().list(&ListParams::default()).await.unwrap();
    let number = event.id().to_string();
    let mut found = Vec::new();
    for one in all {
        let annotated = one.metadata.annotations.unwrap_or_default().get(labels::EVENT_ID) == Some(&number);
        assert_eq!(annotated, one.reason.as_deref() == Some(event.as_str()));
        if annotated && one.involved_object.name.as_deref() == Some(object) {
            found.push((one.type_.unwrap_or_default(), one.message.unwrap_or_default()));
        }
    }
    found
}

/// Waits until it was told, lets everything settle, and holds that it was told once.
async fn once(instance: &Instance, event: Event, object: &str) -> (String, String) {
    let deadline = tokio::time::Instant::now() + DEADLINE;
    while told(instance, event, object).await.is_empty() {
        assert!(tokio::time::Instant::now() < deadline, "{} of {object} was never told", event.as_str());
        tokio::time::sleep(LOOK).await;
    }
    instance.settle().await;
    let all = told(instance, event, object).await;
    assert_eq!(all.len(), 1, "{all:#?}");
    all.into_iter().next().unwrap()
}

/// A stack of these services.
fn stack(services: Value) -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "DevStack",
        "metadata": {"name": "shop", "namespace": "default"}, "spec": {"services": services},
    })
}

/// A container that stands for a server of the host: it publishes the port.
fn server_of_the_host(suspended: bool) -> Value {
    json!({
        "apiVersion": "koan.dev/v1alpha1", "kind": "ServiceSpec",
        "metadata": {"name": "server", "namespace": "default"},
        "spec": {
            "container": {"image": "docker.io/library/server:1.0"}, "suspend": suspended,
            "ports": [{"name": "tcp", "containerPort": 5432, "hostPort": 5432}],
            "health": {"exec": {"command": ["letters", "1"]}},
        },
    })
}

fn reply(verdict: CandidateVerdict) -> impl Fn(&Probe) -> ProbeReport + Send + Sync + 'static {
    move |question| ProbeReport {
        candidates: vec![CandidateReport {
            candidate: question.candidates[0].clone(),
            verdict: verdict.clone(),
            evidence: Vec::new(),
            refused: Vec::new(),
        }],
        fault: None,
    }
}

fn usable() -> CandidateVerdict {
    CandidateVerdict::Usable(Usable {
        credential: CredentialRef::Default(0),
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 5432 },
        tls: None,
        version: None,
        server_id: None,
    })
}

/// An instance with a server on the host that is proven usable.
async fn hosted() -> Instance {
    let instance = scripted().await;
    let answers = Program { answers: vec![(Duration::ZERO, Answer::Ready)], ..Program::default() };
    instance.world.script("docker.io/library/server:1.0", answers);
    instance.apply::<ServiceSpec>(&server_of_the_host(false)).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
    instance.script.reply("postgres", reply(usable()));
    instance
}

/// CLI-36, CLI-32: from plan to ready each step is told once, and neither a restart of Koan nor the deletion tells it anew.
#[tokio::test(start_paused = true)]
async fn a_stack_that_comes_up_is_told_once() {
    let mut instance = scripted().await;
    let mut shop = shop();
    shop["spec"]["services"][0]["ports"] = json!([{"name": "redis", "containerPort": 6379, "publish": true}]);
    instance.apply::<DevStack>(&shop).await;
    instance.ready("shop").await;
    instance.settle().await;
    let before = instance.get::<DevStack>("shop").await.status;
    instance.restart().await;
    instance.settle().await;
    assert_eq!(instance.get::<DevStack>("shop").await.status, before);
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    for (event, words) in [
        (Event::PlanBuildOk, "3 services"),
        (Event::ProviderSelected, "Docker is the first that answers"),
        (Event::PortsAllocated, "cache/redis → 6379"),
        (Event::UpReady, "3/3"),
    ] {
        let (kind, message) = once(&instance, event, "shop").await;
        assert!(kind == "Normal" && message.contains(words), "{}: {message}", event.as_str());
    }
    let message = once(&instance, Event::CredentialGenerated, "shop-cache").await.1;
    assert!(message.contains("shop-cache-credentials"), "{message}");
    for service in ["shop-cache", "shop-api", "shop-page"] {
        once(&instance, Event::ContainerCreated, service).await;
    }
}

/// CLI-36, S-9: a credential that was kept with its volume is not told as generated when the stack comes back.
#[tokio::test(start_paused = true)]
async fn a_kept_credential_is_not_told_again() {
    let instance = scripted().await;
    for _ in 0..2 {
        instance.apply::<DevStack>(&shop()).await;
        instance.ready("shop").await;
        instance.delete::<DevStack>("shop").await;
        instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    }
    once(&instance, Event::CredentialGenerated, "shop-cache").await;
}

/// CLI-36: the beginnings of planning, looking, choosing, bringing up and taking down are log records and no Events.
#[tokio::test(start_paused = true)]
async fn beginnings_are_told_by_the_log() {
    let record = Record::begin();
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.settle().await;
    assert!(record.objects(Event::DownStart).is_empty());
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    instance.settle().await;
    for event in [Event::PlanBuildStart, Event::UpStart, Event::DownStart] {
        assert_eq!(record.objects(event), ["default/shop"], "{}", event.as_str());
    }
    assert_eq!(record.objects(Event::DetectStart), ["default/shop-cache"]);
    assert_eq!(record.objects(Event::ProviderSelectStart), ["default/shop-api", "default/shop-cache", "default/shop-page"]);
    let all = instance.api::<k8s_openapi::api::core::v1::Event>().list(&ListParams::default()).await.unwrap();
    assert!(all.iter().all(|event| !event.reason.as_deref().unwrap_or_default().ends_with("Start")));
}

/// CLI-36, B-4: a stack that was taken down says so, and says which volume stays.
#[tokio::test(start_paused = true)]
async fn a_deleted_stack_tells_what_it_left() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    once(&instance, Event::DownOk, "shop").await;
    let volume = instance.world.volumes().into_keys().next().unwrap();
    assert!(once(&instance, Event::VolumeRetained, "shop-cache").await.1.contains(&volume));
    assert!(told(&instance, Event::VolumeDeleted, "shop-cache").await.is_empty());
}

/// CLI-36, S-2: a volume that goes with its stack is named.
#[tokio::test(start_paused = true)]
async fn a_deleted_volume_is_told() {
    let instance = scripted().await;
    let mut shop = shop();
    shop["spec"]["volumeReclaim"] = json!("Delete");
    instance.apply::<DevStack>(&shop).await;
    instance.ready("shop").await;
    let volume = instance.world.volumes().into_keys().next().unwrap();
    instance.delete::<DevStack>("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    assert!(once(&instance, Event::VolumeDeleted, "shop-cache").await.1.contains(&volume));
    assert!(told(&instance, Event::VolumeRetained, "shop-cache").await.is_empty());
}

/// CLI-36: a stack that cannot be planned, and one that is planned with a warning.
#[tokio::test(start_paused = true)]
async fn a_bad_plan_is_told() {
    let instance = scripted().await;
    let lonely = json!({"name": "api", "container": {"image": "a:1"}, "dependsOn": [{"name": "nobody"}]});
    instance.apply::<DevStack>(&stack(json!([lonely]))).await;
    let (kind, message) = once(&instance, Event::PlanBuildError, "shop").await;
    assert_eq!(kind, "Warning");
    assert!(message.contains("nobody"), "{message}");
    let open = json!({"name": "cache", "adapter": "redis", "credentials": {"literals": {"password": "in the clear"}}});
    instance.apply::<DevStack>(&stack(json!([open]))).await;
    let (kind, message) = once(&instance, Event::PlanBuildWarn, "shop").await;
    assert_eq!(kind, "Warning");
    assert!(!message.contains("in the clear"), "{message}");
}

/// CLI-36, ENG-3: without any engine the stack says so.
#[tokio::test(start_paused = true)]
async fn a_missing_engine_is_told() {
    let instance = scripted().await;
    instance.world.engine_down();
    instance.apply::<DevStack>(&shop()).await;
    assert_eq!(once(&instance, Event::ProviderUnavailable, "shop").await.0, "Warning");
}

/// CLI-36, REL-5: an engine that is lost and comes back is told, each once.
#[tokio::test(start_paused = true)]
async fn a_lost_engine_and_its_return_are_told() {
    let instance = scripted().await;
    instance.apply::<DevStack>(&shop()).await;
    instance.ready("shop").await;
    instance.settle().await;
    instance.world.engine_down();
    assert_eq!(once(&instance, Event::EngineLost, "shop-cache").await.0, "Warning");
    assert!(told(&instance, Event::EngineBack, "shop-cache").await.is_empty());
    instance.world.engine_up();
    assert_eq!(once(&instance, Event::EngineBack, "shop-cache").await.0, "Normal");
    once(&instance, Event::EngineLost, "shop-cache").await;
}

/// CLI-36, DET-28, DET-29: a host service is used, lost and back, each told once; meanwhile the stack holds to it.
#[tokio::test(start_paused = true)]
async fn a_host_service_is_used_lost_and_back() {
    let instance = hosted().await;
    instance.apply::<DevStack>(&stack(json!([{"name": "db", "adapter": "postgres"}]))).await;
    instance.ready("shop").await;
    let message = once(&instance, Event::HostServiceUsed, "shop-db").await.1;
    assert!(message.contains("db") && message.contains("127.0.0.1:5432"), "{message}");
    instance.apply::<ServiceSpec>(&server_of_the_host(true)).await;
    let (kind, message) = once(&instance, Event::HostServiceLost, "shop-db").await;
    assert!(kind == "Warning" && message.contains("db"), "{kind} {message}");
    let held = instance.get::<ServiceSpec>("shop-db").await.status.unwrap();
    assert_eq!(condition(&held.conditions, "Provisioned"), ("False".to_owned(), "HostLost".to_owned()));
    assert_eq!(instance.running(), Vec::<String>::new());
    instance.apply::<ServiceSpec>(&server_of_the_host(false)).await;
    let message = once(&instance, Event::HostServiceBack, "shop-db").await.1;
    assert!(message.contains("127.0.0.1:5432"), "{message}");
    instance.ready("shop").await;
    once(&instance, Event::HostServiceUsed, "shop-db").await;
    once(&instance, Event::HostServiceLost, "shop-db").await;
}

/// CLI-36, DET-2: a host service that is not usable, and another product on the port.
#[tokio::test(start_paused = true)]
async fn an_unusable_host_service_is_told() {
    for (verdict, event) in
        [(CandidateVerdict::Rejected, Event::HostServiceRejected), (CandidateVerdict::Impostor, Event::HostServiceImpostor)]
    {
        let instance = scripted().await;
        instance.script.reply("redis", reply(verdict));
        instance.apply::<DevStack>(&stack(json!([{"name": "cache", "adapter": "redis"}]))).await;
        instance.ready("shop").await;
        assert_eq!(once(&instance, event, "shop-cache").await.0, "Warning");
    }
}

/// CLI-36, DET-31: the relay through which containers reach a service of the host's loopback.
#[tokio::test(start_paused = true)]
async fn an_opened_relay_is_told() {
    let instance = hosted().await;
    instance.world.set_gateway(IpAddr::V4(Ipv4Addr::LOCALHOST));
    instance.apply::<DevStack>(&stack(json!([{"name": "db", "adapter": "postgres"}, consumer()]))).await;
    instance.ready("shop").await;
    once(&instance, Event::RelayOpened, "shop-db").await;
}

/// A container that needs the address of `db`.
fn consumer() -> Value {
    json!({
        "name": "api", "container": {"image": "docker.io/library/shop:1.0"}, "dependsOn": [{"name": "db"}],
        "health": {"log": {"pattern": "ready"}},
        "env": [{"name": "DB", "valueFrom": {"serviceRef": {"name": "db", "output": "url"}}}],
    })
}

/// DET-31: what somebody else runs on this host's loopback is reached through a relay, by whatever name it is called; a name that
/// leads elsewhere gets none.
#[tokio::test(start_paused = true)]
async fn any_name_of_loopback_is_reached_through_a_relay() {
    for (name, relayed) in [("127.0.0.1", true), ("localhost", true), ("db.test", true), ("far.test", false)] {
        let instance = hosted().await;
        instance.world.set_gateway(IpAddr::V4(Ipv4Addr::LOCALHOST));
        instance.host.name("db.test", IpAddr::V4(Ipv4Addr::new(127, 0, 0, 1)));
        instance.host.name("far.test", IpAddr::V4(Ipv4Addr::new(192, 0, 2, 7)));
        let external = json!({"name": "db", "adapter": "postgres", "external": {"url": format!("postgres://{name}:5432/shop")}});
        instance.apply::<DevStack>(&stack(json!([external, consumer()]))).await;
        if !relayed {
            instance.wait::<ServiceSpec>("shop-db", |found| found.is_some_and(|found| found.status.is_some())).await;
            instance.settle().await;
            assert!(told(&instance, Event::RelayOpened, "shop-db").await.is_empty());
            continue;
        }
        instance.ready("shop").await;
        let endpoints = instance.get::<ServiceSpec>("shop-db").await.status.unwrap().endpoints.unwrap();
        assert_eq!(endpoints.host, Some(format!("postgres://{name}:5432/shop")));
        let inside = endpoints.stack.unwrap();
        assert!(inside.starts_with("postgres://127.0.0.1:") && !inside.contains(":5432"), "{name}: {inside}");
        once(&instance, Event::RelayOpened, "shop-db").await;
    }
}

/// CLI-36: a port that moved is told, as a warning where the policy says so.
#[tokio::test(start_paused = true)]
async fn a_moved_port_is_told() {
    for (conflicts, kind) in [("Repick", "Normal"), ("Warn", "Warning")] {
        let instance = scripted().await;
        instance.host.take(6379);
        let mut shop = stack(json!([{"name": "cache", "adapter": "redis"}]));
        shop["spec"]["ports"] = json!({"conflicts": conflicts});
        instance.apply::<DevStack>(&shop).await;
        instance.ready("shop").await;
        let (told, message) = once(&instance, Event::PortRepicked, "shop-cache").await;
        assert_eq!(told, kind);
        assert!(message.contains("6380") && message.contains("a test, port 6379"), "{message}");
    }
}

/// CLI-36, REL-30, L-6: a blocked deletion lists the exact ids and the way to force it; what a forced deletion left behind is collected after two sightings, and told.
#[tokio::test(start_paused = true)]
async fn a_collected_orphan_is_told() {
    let instance = scripted().await;
    let mut web = server_of_the_host(false);
    web["metadata"]["name"] = json!("web");
    instance.apply::<ServiceSpec>(&web).await;
    instance.wait::<ServiceSpec>("web", is_ready).await;
    instance.settle().await;
    instance.world.engine_down();
    instance.delete::<ServiceSpec>("web").await;
    let blocked = |found: Option<&ServiceSpec>| {
        let status = found.and_then(|service| service.status.as_ref());
        status.is_some_and(|status| condition(&status.conditions, "CleanupBlocked").0 == "True")
    };
    instance.wait::<ServiceSpec>("web", blocked).await;
    let message = once(&instance, Event::CleanupBlocked, "web").await.1;
    let (workloads, networks) = (instance.world.workloads(), instance.world.networks());
    for id in workloads.keys().chain(networks.keys()) {
        assert!(message.contains(&id.0), "{} is named: {message}", id.0);
    }
    assert!(message.contains("koan.dev/cleanup"), "{message}");
    instance.merge::<ServiceSpec>("web", &json!({"metadata": {"finalizers": null}})).await;
    instance.wait::<ServiceSpec>("web", |found| found.is_none()).await;
    instance.world.engine_up();
    assert_eq!(instance.world.workloads().len(), 1);
    // Longer than the collector's pause and the two sightings.
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert!(instance.world.workloads().is_empty());
    let collected = told(&instance, Event::OrphanCollected, "web").await;
    assert!(!collected.is_empty());
}

/// CLI-36: the life of a stack ends once.
#[tokio::test(start_paused = true)]
async fn an_expired_stack_is_told() {
    let instance = scripted().await;
    let mut shop = shop();
    shop["spec"]["ttl"] = json!("1m");
    instance.apply::<DevStack>(&shop).await;
    instance.ready("shop").await;
    instance.wait::<DevStack>("shop", |found| found.is_none()).await;
    assert_eq!(once(&instance, Event::StackExpired, "shop").await.1, "The stack reached the end of its time to live");
    assert!(instance.world.workloads().is_empty());
}

/// CLI-36, REL-2: a reconcile that meets a bug is told on its object, and made again.
#[tokio::test(start_paused = true)]
async fn a_panic_is_told() {
    let trace = Arc::new(Trace::default());
    trace.panic_at(2);
    let instance = Instance::start_with(trace, 0).await;
    let answers = Program { answers: vec![(Duration::ZERO, Answer::Ready)], ..Program::default() };
    instance.world.script("docker.io/library/server:1.0", answers);
    instance.apply::<ServiceSpec>(&server_of_the_host(false)).await;
    instance.wait::<ServiceSpec>("server", is_ready).await;
    assert_eq!(once(&instance, Event::ReconcilePanic, "server").await.0, "Warning");
    assert!(instance.runs());
}
