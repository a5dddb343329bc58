//! One instance per test: server, engine and controllers on the test's own runtime; waits have a deadline, never a sleep.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::NamespaceResourceScope;
use koan_adapters::Prober;
use koan_apiserver::Server;
use koan_controller::{Controllers, Effect, Hook, Ruling, RunError, Tally};
use koan_core::identity::InstanceId;
use koan_core::probe::{Access, Check, CheckReport, Probe, ProbeReport};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use koan_engines::Engine;
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::task::JoinHandle;

/// Longest wait of a test.
const DEADLINE: Duration = Duration::from_secs(20);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// Says what it was told about host services, and that every workload of ours passes.
#[derive(Default)]
pub(crate) struct Script;

#[async_trait]
impl Prober for Script {
    async fn probe(&self, _: &Probe, _: &Access) -> ProbeReport {
        ProbeReport::default()
    }

    async fn check(&self, _: &Check) -> CheckReport {
        CheckReport::Passed { version: None, server_id: None }
    }
}

/// Every effect as it was sent.
#[derive(Default)]
pub(crate) struct Trace(Mutex<Vec<Effect>>);

impl Trace {
    /// Effects so far.
    pub(crate) fn effects(&self) -> Vec<Effect> {
        self.0.lock().unwrap().clone()
    }
}

impl Hook for Trace {
    fn before(&self, _: u64, effect: &Effect) -> Ruling {
        self.0.lock().unwrap().push(effect.clone());
        Ruling::Proceed
    }

    fn after(&self, _: u64, _: &Effect, _: bool) {}
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) client: Client,
    server: Server,
    controllers: Arc<Controllers>,
    pub(crate) trace: Arc<Trace>,
    task: JoinHandle<RunError>,
}

impl Instance {
    /// Starts server and controllers over these engines.
    pub(crate) async fn start(engines: Vec<Arc<dyn Engine>>) -> Self {
        let definitions = koan_crds::generated().unwrap().into_iter().map(|crd| crd.document).collect();
        let server = Server::builder().crds(definitions).start().await.unwrap();
        let client = Client::new(server.service(), "default");
        let trace = Arc::new(Trace::default());
        let (controllers, task) = run(&client, &server, engines, &trace);
        Self { client, server, controllers, trace, task }
    }

    /// Ends the controllers and starts them anew over the same store: what a crash and a restart do.
    pub(crate) async fn restart(&mut self, engines: Vec<Arc<dyn Engine>>) {
        self.task.abort();
        let _ = (&mut self.task).await;
        self.trace = Arc::new(Trace::default());
        let (controllers, task) = run(&self.client, &self.server, engines, &self.trace);
        self.controllers = controllers;
        self.task = task;
    }

    /// What went through the gateway.
    pub(crate) fn tally(&self) -> Tally {
        self.controllers.tally()
    }

    /// The instance's id.
    pub(crate) fn id(&self) -> InstanceId {
        self.server.instance().into()
    }

    pub(crate) fn services(&self) -> Api<ServiceSpec> {
        Api::namespaced(self.client.clone(), "default")
    }

    pub(crate) fn stacks(&self) -> Api<DevStack> {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Applies an object as the command line does.
    pub(crate) async fn apply<K>(&self, object: &Value) -> K
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), "default");
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap().to_owned();
        api.patch(&name, &PatchParams::apply("koan").force(), &Patch::Apply(object)).await.unwrap()
    }

    /// Waits until an object meets a condition.
    pub(crate) async fn wait<K>(&self, name: &str, met: impl Fn(Option<&K>) -> bool) -> Option<K>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let api: Api<K> = Api::namespaced(self.client.clone(), "default");
        let deadline = tokio::time::Instant::now() + DEADLINE;
        loop {
            let found = api.get_opt(name).await.unwrap();
            if met(found.as_ref()) {
                return found;
            }
            assert!(tokio::time::Instant::now() < deadline, "{name} did not get there: {found:#?}");
            assert!(!self.task.is_finished(), "the controllers ended");
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until nothing is written for a while, and nothing waits to be done.
    pub(crate) async fn settle(&self) -> Tally {
        let deadline = tokio::time::Instant::now() + DEADLINE;
        let mut before = self.tally();
        let mut quiet = 0;
        while quiet < 20 {
            tokio::time::sleep(LOOK).await;
            let now = self.tally();
            quiet = if now == before && self.controllers.is_idle() { quiet + 1 } else { 0 };
            before = now;
            assert!(tokio::time::Instant::now() < deadline, "it does not settle: {before:#?}");
        }
        before
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn run(
    client: &Client,
    server: &Server,
    engines: Vec<Arc<dyn Engine>>,
    trace: &Arc<Trace>,
) -> (Arc<Controllers>, JoinHandle<RunError>) {
    let recipes = koan_adapters::catalogue();
    let controllers = Controllers::builder(client.clone(), server.instance().into(), recipes, Arc::new(Script))
        .engines(engines)
        .hook(Arc::clone(trace) as Arc<dyn Hook>)
        .build();
    let controllers = Arc::new(controllers);
    let running = Arc::clone(&controllers);
    let task = tokio::spawn(async move { running.run().await });
    (controllers, task)
}

/// Status of a condition: `True`, `False` or `Unknown`, and its reason.
pub(crate) fn condition(
    conditions: &[k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition],
    kind: &str,
) -> (String, String) {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind)
        .map(|condition| (condition.status.clone(), condition.reason.clone()))
        .unwrap_or_default()
}

/// True when the service is ready for its present generation.
pub(crate) fn is_ready(service: Option<&ServiceSpec>) -> bool {
    service.is_some_and(|service| {
        service.status.as_ref().is_some_and(|status| {
            status.observed_generation == service.metadata.generation && condition(&status.conditions, "Ready").0 == "True"
        })
    })
}
