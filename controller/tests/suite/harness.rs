//! One instance per test: server, simulated engine and controllers on one thread with paused time; every run of a test is the
//! same, and a wait of an hour costs nothing.
//!
//! Over 400 lines: the whole bench of the suite, so that a test names situations and nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_adapters::Prober;
use koan_apiserver::{Server, Stored};
use koan_controller::{
    Clock, Controllers, Effect, Hook, Host, Mirror, PlanReport, Random, Resource, Ruling, RunError, Snapshot, StoreReader, Tally,
};
use koan_core::probe::{Access, Address, Check, CheckReport, Probe, ProbeReport};
use koan_core::validate::StackOptions;
use koan_crds::v1alpha1::{DetectionMethod, DevStack, EngineName, Evidence, EvidenceCode, EvidenceStep, ServiceSpec};
use koan_engines::sim::{Answer, SimWorld};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use kube::{Client, Resource as KubeResource, ResourceExt};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Barrier;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longest wait of a test, in virtual time.
const DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two looks, in virtual time.
const LOOK: Duration = Duration::from_millis(20);
/// Looks without a change after which everything has settled: longer than any probe of a ready service.
const QUIET: u32 = 400;

/// Virtual wall-clock time.
#[derive(Clone, Copy)]
pub(crate) struct VirtualClock(Instant);

impl VirtualClock {
    fn read(&self) -> Timestamp {
        let start = Timestamp::from_second(1_767_225_600).unwrap();
        start + SignedDuration::try_from(self.0.elapsed()).unwrap()
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.read()
    }
}

impl koan_apiserver::Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        self.read()
    }
}

/// Seeded randomness.
pub(crate) struct Seeded(Mutex<StdRng>);

impl Seeded {
    fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(StdRng::seed_from_u64(seed))))
    }
}

impl Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().fill_bytes(buffer);
        Ok(())
    }
}

impl koan_apiserver::Random for Seeded {
    fn fill(&self, buffer: &mut [u8]) -> std::io::Result<()> {
        self.0.lock().unwrap().fill_bytes(buffer);
        Ok(())
    }
}

/// A host where some ports are taken, some names are known and nothing is installed.
#[derive(Default)]
pub(crate) struct TestHost {
    taken: Mutex<BTreeSet<u16>>,
    names: Mutex<BTreeMap<String, IpAddr>>,
}

impl TestHost {
    /// Somebody else listens there from now on.
    pub(crate) fn take(&self, port: u16) {
        self.taken.lock().unwrap().insert(port);
    }

    /// A name leads there from now on.
    pub(crate) fn name(&self, name: &str, address: IpAddr) {
        self.names.lock().unwrap().insert(name.to_owned(), address);
    }

    /// Where an address leads.
    fn literal(&self, address: &Address) -> Address {
        match address {
            Address::Tcp { host, port } => {
                let host = self.addresses(host).first().map_or_else(|| host.clone(), ToString::to_string);
                Address::Tcp { host, port: *port }
            }
            Address::Unix { .. } => address.clone(),
        }
    }
}

impl Host for TestHost {
    fn port_is_free(&self, address: SocketAddr) -> bool {
        !self.taken.lock().unwrap().contains(&address.port())
    }

    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        self.names.lock().unwrap().get(name).copied().into_iter().collect()
    }

    fn port_holder(&self, address: SocketAddr) -> Option<String> {
        Some(format!("a test, port {}", address.port()))
    }

    fn program(&self, _: &str, _: &[&str]) -> Option<String> {
        None
    }

    fn gateways(&self) -> Vec<(DetectionMethod, String)> {
        Vec::new()
    }
}

/// How the prober answers questions about host services.
type Reply = Box<dyn Fn(&Probe) -> ProbeReport + Send + Sync>;

/// Checks against the simulated world; host services are scripted by adapter.
pub(crate) struct Script {
    world: SimWorld,
    host: Arc<TestHost>,
    replies: Mutex<BTreeMap<String, Reply>>,
    asked: Mutex<Vec<(Instant, Probe, Access)>>,
    together: Mutex<Option<Arc<Barrier>>>,
}

impl Script {
    /// From now on a question is answered once so many of them wait for their answer.
    pub(crate) fn answer_together(&self, count: usize) {
        *self.together.lock().unwrap() = Some(Arc::new(Barrier::new(count)));
    }

    /// When something was asked, what, and with which means.
    pub(crate) fn asked(&self) -> Vec<(Instant, Probe, Access)> {
        self.asked.lock().unwrap().clone()
    }

    /// Answers questions of an adapter.
    pub(crate) fn reply(&self, adapter: &str, reply: impl Fn(&Probe) -> ProbeReport + Send + Sync + 'static) {
        self.replies.lock().unwrap().insert(adapter.to_owned(), Box::new(reply));
    }
}

#[async_trait]
impl Prober for Script {
    async fn probe(&self, question: &Probe, access: &Access) -> ProbeReport {
        self.asked.lock().unwrap().push((Instant::now(), question.clone(), access.clone()));
        let together = self.together.lock().unwrap().clone();
        if let Some(together) = together {
            together.wait().await;
        }
        let replies = self.replies.lock().unwrap();
        replies.get(&question.adapter).map(|reply| reply(question)).unwrap_or_default()
    }

    async fn check(&self, check: &Check) -> CheckReport {
        let evidence = |code| Evidence { step: EvidenceStep::Authorise, code, endpoint: None, detail: None };
        match self.world.answer(&self.host.literal(&check.address)) {
            Answer::Ready => CheckReport::Passed { version: None, server_id: None },
            Answer::Refused => CheckReport::Absent(evidence(EvidenceCode::Refused)),
            Answer::Silent => CheckReport::NotYet(evidence(EvidenceCode::Silent)),
            Answer::NotYet => CheckReport::NotYet(evidence(EvidenceCode::ReadOnly)),
            Answer::Other => CheckReport::NotYet(evidence(EvidenceCode::WrongProtocol)),
        }
    }
}

/// Every effect as it was sent, and where to cut.
#[derive(Default)]
pub(crate) struct Trace {
    effects: Mutex<Vec<Effect>>,
    rulings: Mutex<BTreeMap<u64, Ruling>>,
    bugs: Mutex<BTreeSet<u64>>,
}

impl Trace {
    /// Effects so far, in words.
    pub(crate) fn words(&self) -> Vec<String> {
        self.effects.lock().unwrap().iter().map(ToString::to_string).collect()
    }

    /// The reconcile of the effect of that number meets a bug.
    pub(crate) fn panic_at(&self, number: u64) {
        self.bugs.lock().unwrap().insert(number);
    }

    /// Rules on the effect of that number.
    pub(crate) fn rule(&self, number: u64, ruling: Ruling) {
        self.rulings.lock().unwrap().insert(number, ruling);
    }
}

impl Hook for Trace {
    fn before(&self, number: u64, effect: &Effect) -> Ruling {
        self.effects.lock().unwrap().push(effect.clone());
        let bug = self.bugs.lock().unwrap().contains(&number);
        assert!(!bug, "a bug at effect {number}");
        self.rulings.lock().unwrap().get(&number).copied().unwrap_or(Ruling::Proceed)
    }

    fn after(&self, _: u64, _: &Effect, _: bool) {}
}

struct Store(koan_apiserver::SnapshotReader);

impl Snapshot for Store {
    type Version = Stored;

    fn get(&self, resource: Resource, namespace: &str, name: &str) -> Option<Stored> {
        self.0.get(resource, namespace, name)
    }

    fn list(&self, resource: Resource, namespace: Option<&str>) -> Vec<Stored> {
        self.0.list(resource, namespace).1
    }
}

/// A running instance.
pub(crate) struct Instance {
    pub(crate) client: Client,
    pub(crate) world: SimWorld,
    pub(crate) script: Arc<Script>,
    pub(crate) host: Arc<TestHost>,
    pub(crate) trace: Arc<Trace>,
    server: Server,
    clock: VirtualClock,
    random: Arc<Seeded>,
    controllers: Arc<Controllers>,
    task: JoinHandle<RunError>,
}

impl Instance {
    /// Starts an instance with seed 0.
    pub(crate) async fn start() -> Self {
        Self::start_with(Arc::new(Trace::default()), 0).await
    }

    /// Starts an instance with a trace that may rule on its effects.
    pub(crate) async fn start_with(trace: Arc<Trace>, seed: u64) -> Self {
        let definitions = koan_crds::definitions().unwrap().into_iter().map(|crd| crd.document).collect();
        let clock = VirtualClock(Instant::now());
        let random = Seeded::new(seed);
        let server = Server::builder()
            .crds(definitions)
            .clock(Arc::new(clock))
            .random(Arc::clone(&random) as Arc<dyn koan_apiserver::Random>)
            .start()
            .await
            .unwrap();
        let client = Client::new(server.service(), "default");
        let world = SimWorld::new(EngineName::Docker);
        let host = Arc::new(TestHost::default());
        let script = Script {
            world: world.clone(),
            host: Arc::clone(&host),
            replies: Mutex::default(),
            asked: Mutex::default(),
            together: Mutex::default(),
        };
        let script = Arc::new(script);
        let parts =
            Parts { client: &client, server: &server, world: &world, script: &script, host: &host, clock, random: &random };
        let (controllers, task) = run(&parts, &trace);
        Self { client, world, script, host, trace, server, clock, random, controllers, task }
    }

    /// Ends the controllers and starts them anew over the same store and engine: what a crash and a restart do.
    pub(crate) async fn restart(&mut self) {
        self.task.abort();
        if !self.task.is_finished() {
            let _ = (&mut self.task).await;
        }
        self.trace = Arc::new(Trace::default());
        let parts = Parts {
            client: &self.client,
            server: &self.server,
            world: &self.world,
            script: &self.script,
            host: &self.host,
            clock: self.clock,
            random: &self.random,
        };
        (self.controllers, self.task) = run(&parts, &self.trace);
    }

    /// What went through the gateway since the controllers started.
    pub(crate) fn tally(&self) -> Tally {
        self.controllers.tally()
    }

    pub(crate) fn api<K>(&self) -> Api<K>
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        Api::namespaced(self.client.clone(), "default")
    }

    /// Applies an object as the command line does.
    pub(crate) async fn apply<K>(&self, object: &Value) -> K
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap().to_owned();
        self.api().patch(&name, &PatchParams::apply("koan").force(), &Patch::Apply(object)).await.unwrap()
    }

    /// Merges a patch into an object, as a user of kubectl does.
    pub(crate) async fn merge<K>(&self, name: &str, patch: &Value) -> K
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api().patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.unwrap()
    }

    /// Deletes an object.
    pub(crate) async fn delete<K>(&self, name: &str)
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api::<K>().delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// The object, which is there.
    pub(crate) async fn get<K>(&self, name: &str) -> K
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        self.api().get(name).await.unwrap()
    }

    /// Waits until an object meets a condition.
    pub(crate) async fn wait<K>(&self, name: &str, met: impl Fn(Option<&K>) -> bool) -> Option<K>
    where
        K: KubeResource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + DeserializeOwned,
    {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let found = self.api().get_opt(name).await.unwrap();
            if met(found.as_ref()) {
                return found;
            }
            assert!(Instant::now() < deadline, "{name} did not get there:\n{}\n{:#?}", self.picture().await, self.trace.words());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Every object with its conditions that are not true, for messages of failed tests.
    async fn picture(&self) -> String {
        let mut text = String::new();
        let mut line = |kind: &str, name: &str, conditions: &[Condition]| {
            text.push_str(&format!("{kind} {name}\n"));
            for condition in conditions.iter().filter(|condition| condition.status != "True") {
                text.push_str(&format!("  {} {}: {}\n", condition.type_, condition.reason, condition.message));
            }
        };
        for stack in self.api::<DevStack>().list(&ListParams::default()).await.unwrap() {
            line("DevStack", &stack.name_any(), &stack.status.map(|status| status.conditions).unwrap_or_default());
        }
        for service in self.api::<ServiceSpec>().list(&ListParams::default()).await.unwrap() {
            line("ServiceSpec", &service.name_any(), &service.status.map(|status| status.conditions).unwrap_or_default());
        }
        text
    }

    /// Waits until the world meets a condition.
    pub(crate) async fn wait_for(&self, what: &str, met: impl Fn(&SimWorld) -> bool) {
        let deadline = Instant::now() + DEADLINE;
        while !met(&self.world) {
            assert!(Instant::now() < deadline, "not met: {what}\n{:#?}", self.trace.words());
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Waits until the stack is ready.
    pub(crate) async fn ready(&self, stack: &str) -> DevStack {
        self.wait::<DevStack>(stack, is_ready_stack).await.unwrap()
    }

    /// Waits until nothing is written for a while.
    pub(crate) async fn settle(&self) -> Tally {
        let deadline = Instant::now() + DEADLINE;
        let mut before = self.tally();
        let mut quiet = 0;
        while quiet < QUIET {
            tokio::time::sleep(LOOK).await;
            let now = self.tally();
            quiet = if now == before { quiet + 1 } else { 0 };
            before = now;
            assert!(Instant::now() < deadline, "it does not settle: {:#?}", self.trace.words());
        }
        before
    }

    /// Waits until the run was cut.
    pub(crate) async fn cut(&mut self) -> bool {
        matches!((&mut self.task).await, Ok(RunError::Cut { .. }))
    }

    /// What would happen to a stack.
    pub(crate) async fn plan(&self, stack: &DevStack, options: &StackOptions) -> PlanReport {
        self.controllers.plan_stack(stack, options).await.unwrap()
    }

    /// The workloads as Pods.
    pub(crate) fn mirror(&self) -> Mirror {
        self.controllers.mirror()
    }

    /// True while the controllers run.
    pub(crate) fn runs(&self) -> bool {
        !self.task.is_finished()
    }

    /// Names of the workloads that run, sorted.
    pub(crate) fn running(&self) -> Vec<String> {
        let workloads = self.world.workloads();
        let running = workloads.values().filter(|workload| workload.state == koan_core::inventory::WorkloadState::Running);
        let mut names: Vec<String> = running.filter_map(|workload| workload.owner.clone()).map(|owner| owner.service).collect();
        names.sort();
        names
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        self.task.abort();
    }
}

struct Parts<'a> {
    client: &'a Client,
    server: &'a Server,
    world: &'a SimWorld,
    script: &'a Arc<Script>,
    host: &'a Arc<TestHost>,
    clock: VirtualClock,
    random: &'a Arc<Seeded>,
}

fn run(parts: &Parts<'_>, trace: &Arc<Trace>) -> (Arc<Controllers>, JoinHandle<RunError>) {
    let prober = Arc::clone(parts.script) as Arc<dyn Prober>;
    let controllers =
        Controllers::builder(parts.client.clone(), parts.server.instance().into(), koan_adapters::catalogue(), prober)
            .engines(vec![Arc::new(parts.world.engine())])
            .reader(Arc::new(StoreReader::new(Store(parts.server.snapshot_reader()))))
            .clock(Arc::new(parts.clock))
            .random(Arc::clone(parts.random) as Arc<dyn Random>)
            .host(Arc::clone(parts.host) as Arc<dyn Host>)
            .hook(Arc::clone(trace) as Arc<dyn Hook>)
            .build();
    let controllers = Arc::new(controllers);
    let running = Arc::clone(&controllers);
    let task = tokio::spawn(async move { running.run().await });
    (controllers, task)
}

/// Status of a condition: `True`, `False` or `Unknown`, and its reason.
pub(crate) fn condition(conditions: &[Condition], kind: &str) -> (String, String) {
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

/// True when the stack is ready for its present generation.
pub(crate) fn is_ready_stack(stack: Option<&DevStack>) -> bool {
    stack.is_some_and(|stack| {
        stack.status.as_ref().is_some_and(|status| {
            status.observed_generation == stack.metadata.generation && condition(&status.conditions, "Ready").0 == "True"
        })
    })
}
