//! One run: a scenario on a simulated machine, with at most one fault, to rest.
//!
//! Over 400 lines: one machine, whose whole life a run is.

use std::collections::{BTreeMap, BTreeSet};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_apiserver::{Memory, Server};
use koan_controller::{Controllers, Hook, RunError};
use koan_core::inventory::WorkloadState;
use koan_crds::v1alpha1::{DevStack, EngineName, ServiceSpec};
use koan_crds::vocabulary::Reason;
use koan_engines::Engine;
use koan_engines::sim::{SimWorkload, SimWorld};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::home::Home;
use crate::invariants::FOREIGN;
use crate::overseer::{Overseer, Seen};
use crate::plan::{Phase, Plan};
use crate::scenario::{Goal, Move, STACK, Scenario};
use crate::seeded::{SimClock, SimHost, SimRandom};
use crate::witness::{Notes, ScriptedProber, WitnessedEngine};

/// Pause between two looks, in virtual time.
const LOOK: Duration = Duration::from_millis(50);
/// Longest virtual time to a goal once the faults stopped (L-2).
const DEADLINE: Duration = Duration::from_secs(60);
/// A run without an effect for this long has come to rest.
const QUIET: Duration = Duration::from_secs(3);
/// Time in which the collector meets what landed late: its longest pause and two sightings.
const HEALED: Duration = Duration::from_secs(400);
/// Rest that is watched: longer than two sightings of the collector and two lists of the engine.
const REST: Duration = Duration::from_secs(65);
/// Reads that the controllers may make at rest per second and object: one reconcile makes fewer than this (L-5).
const READS_PER_SECOND: u64 = 12;
/// Time that each call of the engine takes; the seed picks one.
const PACES: [Duration; 5] =
    [Duration::ZERO, Duration::from_millis(1), Duration::from_millis(7), Duration::from_millis(40), Duration::from_millis(300)];
/// Seed of the server that is the model of those of all runs.
const MODEL_SEED: u64 = u64::MAX;

/// A server that has read the CRDs and compiled their schemas, with its journal: each run starts from a copy.
static MODEL: LazyLock<(Server, Memory)> = LazyLock::new(|| {
    let definitions: Vec<Value> = koan_crds::definitions().unwrap().into_iter().map(|crd| crd.document).collect();
    let journal = Memory::new();
    let server = paused().block_on(async {
        let builder = Server::builder().crds(definitions).journal(journal.clone()).clock(Arc::new(SimClock::new()));
        builder.random(Arc::new(SimRandom::new(MODEL_SEED))).start().await.unwrap()
    });
    (server, journal)
});

/// A runtime with one thread whose time passes only while everything waits.
fn paused() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What came of a run.
#[derive(Default)]
pub(crate) struct Report {
    /// Every effect, in order.
    pub(crate) trace: Vec<String>,
    /// For each effect: it went to an engine.
    pub(crate) engine: Vec<bool>,
    /// The plan's effect came.
    pub(crate) reached: bool,
    /// State at rest, without identities (L-1).
    pub(crate) end: BTreeSet<String>,
    /// How often each object was made and removed (REL-14).
    pub(crate) counts: BTreeMap<String, usize>,
    /// Violations.
    pub(crate) violations: Vec<String>,
}

/// Runs a plan.
pub(crate) fn run(scenario: &Scenario, plan: &Plan, touches: u32) -> Report {
    LazyLock::force(&MODEL);
    paused().block_on(async {
        let mut machine = Machine::start(scenario, plan).await;
        machine.tell(scenario).await;
        let end = machine.end(scenario);
        machine.touch(touches).await;
        machine.report(end)
    })
}

struct Machine {
    server: Server,
    client: Client,
    world: SimWorld,
    home: Home,
    clock: Arc<SimClock>,
    overseer: Arc<Overseer>,
    notes: Arc<Mutex<Notes>>,
    seed: u64,
    namespace: &'static str,
    lives: u64,
    task: JoinHandle<RunError>,
}

impl Machine {
    async fn start(scenario: &Scenario, plan: &Plan) -> Self {
        let clock = Arc::new(SimClock::new());
        let (model, journal) = &*MODEL;
        let server = Server::builder()
            .kinds_of(model)
            .journal(journal.copy())
            .clock(Arc::clone(&clock) as Arc<dyn koan_apiserver::Clock>)
            .random(Arc::new(SimRandom::new(plan.seed)))
            .start()
            .await
            .unwrap();
        let client = Client::new(server.service(), "default");
        let world = SimWorld::new(EngineName::Docker);
        world.set_latency(PACES[usize::try_from(plan.seed).unwrap_or_default() % PACES.len()]);
        world.add_foreign_volume(FOREIGN);
        world.add_network(FOREIGN, None);
        let home = Home::new(server.snapshot_reader());
        let notes: Arc<Mutex<Notes>> = Arc::default();
        let overseer = Arc::new(Overseer {
            world: world.clone(),
            home: home.clone(),
            notes: Arc::clone(&notes),
            instance: server.instance().to_owned(),
            volumes_may_go: scenario.volumes_may_go,
            hit: plan.hit,
            seen: Mutex::new(Seen::default()),
        });
        let task = tokio::spawn(async { std::future::pending().await });
        let mut machine = Self {
            server,
            client,
            world,
            home,
            clock,
            overseer,
            notes,
            seed: plan.seed,
            namespace: scenario.namespace,
            lives: 0,
            task,
        };
        if scenario.namespace != "default" {
            let namespaces: Api<Namespace> = Api::all(machine.client.clone());
            let namespace = json!({"metadata": {"name": scenario.namespace}});
            namespaces.create(&PostParams::default(), &serde_json::from_value(namespace).unwrap()).await.unwrap();
        }
        machine.live();
        machine
    }

    /// Starts the controllers: the first time, or anew over the same store and engine.
    fn live(&mut self) {
        self.task.abort();
        self.lives += 1;
        let engine: Arc<dyn Engine> = Arc::new(WitnessedEngine::new(&self.world, &self.notes));
        let prober = ScriptedProber { world: self.world.clone(), notes: Arc::clone(&self.notes) };
        let controllers = Controllers::builder(
            self.client.clone(),
            self.server.instance().into(),
            koan_adapters::catalogue(),
            Arc::new(prober),
        )
        .engines(vec![engine])
        .reader(Arc::new(self.home.clone()))
        .clock(Arc::clone(&self.clock) as Arc<dyn koan_controller::Clock>)
        .random(Arc::new(SimRandom::new(self.seed + self.lives)))
        .host(Arc::new(SimHost { world: self.world.clone(), notes: Arc::clone(&self.notes) }))
        .hook(Arc::clone(&self.overseer) as Arc<dyn Hook>)
        .build();
        self.task = tokio::spawn(async move { controllers.run().await });
    }

    /// Lets the run go on for a while, over a crash too.
    async fn pass(&mut self, time: Duration) {
        let until = Instant::now() + time;
        loop {
            tokio::select! {
                biased;
                ended = &mut self.task => {
                    if !matches!(ended, Ok(RunError::Cut { .. })) {
                        self.overseer.violated(format!("REL-2: the controllers ended: {ended:?}"));
                    }
                    self.live();
                }
                () = tokio::time::sleep_until(until) => return,
            }
        }
    }

    async fn tell(&mut self, scenario: &Scenario) {
        for step in &scenario.moves {
            match step {
                Move::Apply(stack) => {
                    self.stacks().patch(STACK, &PatchParams::apply("koan").force(), &Patch::Apply(stack)).await.unwrap();
                }
                Move::Delete => {
                    self.stacks().delete(STACK, &DeleteParams::default()).await.unwrap();
                }
                Move::Until(goal) => self.reach(*goal).await,
                Move::Wait(time) => self.pass(*time).await,
                Move::Script(image, program) => self.world.script(image, program.clone()),
                Move::EngineRestarts => self.world.engine_restart(),
                Move::EngineDown => self.world.engine_down(),
                Move::EngineUp => self.world.engine_up(),
                Move::HostAppears => {
                    let mut notes = self.notes.lock().unwrap();
                    (notes.host, notes.host_passed) = (true, false);
                }
                Move::HostRefuses => {
                    let mut notes = self.notes.lock().unwrap();
                    (notes.host, notes.host_refuses) = (true, true);
                }
                Move::HostVanishes => self.notes.lock().unwrap().host = false,
                Move::DeleteNamespace => {
                    let namespaces: Api<Namespace> = Api::all(self.client.clone());
                    namespaces.delete(self.namespace, &DeleteParams::default()).await.unwrap();
                }
            }
        }
        self.reach(scenario.goal).await;
        self.settle().await;
        if self.overseer.hit.is_some_and(|(_, _, phase)| phase == Phase::Late) {
            self.pass(HEALED).await;
        }
        // A deed that was under way when the goal was met may have moved it.
        self.reach(scenario.goal).await;
        self.rest().await;
    }

    fn stacks(&self) -> Api<DevStack> {
        Api::namespaced(self.client.clone(), self.namespace)
    }

    async fn reach(&mut self, goal: Goal) {
        let (mut deadline, mut lives) = (Instant::now() + DEADLINE, self.lives);
        let mut revision = u64::MAX;
        loop {
            if self.lives != lives {
                // The time runs from the end of the faults (L-2).
                (deadline, lives) = (Instant::now() + DEADLINE, self.lives);
            }
            // Nothing but the store and the world decides whether a goal is met.
            if (self.home.revision() != revision || matches!(goal, Goal::Workloads(_))) && self.is_met(goal) {
                return;
            }
            revision = self.home.revision();
            if Instant::now() >= deadline {
                let state = self.conditions().join(", ");
                self.overseer.violated(format!("L-2: not {goal:?} within {DEADLINE:?}: {state}"));
                return;
            }
            self.pass(LOOK).await;
        }
    }

    fn is_met(&self, goal: Goal) -> bool {
        let stack = self.home.every_stack().into_iter().next();
        let status = stack.as_ref().and_then(|stack| stack.status.clone()).unwrap_or_default();
        let current = stack.as_ref().is_some_and(|stack| stack.metadata.generation == status.observed_generation);
        let says = |kind: &str, value: &str| status.conditions.iter().any(|found| found.type_ == kind && found.status == value);
        match goal {
            Goal::Ready => self.is_met(Goal::ReadyWith(5)),
            Goal::ReadyWith(workloads) => {
                let ready = |service: &ServiceSpec| {
                    let status = service.status.clone().unwrap_or_default();
                    let ready = status.conditions.iter().any(|found| found.type_ == "Ready" && found.status == "True");
                    ready && status.observed_generation == service.metadata.generation
                };
                let running = |found: &&SimWorkload| found.state == WorkloadState::Running;
                let runs = self.world.with_workloads(|workloads| workloads.values().filter(running).count());
                current
                    && says("Ready", "True")
                    && runs == workloads
                    && self.home.every_service().iter().all(|service| ready(service))
            }
            Goal::Gone => stack.is_none() && self.home.every_service().is_empty(),
            Goal::Workloads(count) => self.world.with_workloads(BTreeMap::len) >= count,
            Goal::Blocked => {
                let blocked = |service: &ServiceSpec| {
                    let status = service.status.clone().unwrap_or_default();
                    let says = |found: &Condition| {
                        found.type_ == "CleanupBlocked" && found.status == "True" && found.reason == "EngineUnreachable"
                    };
                    status.conditions.iter().any(says)
                };
                let going = |service: &ServiceSpec| service.metadata.deletion_timestamp.is_some();
                let services = self.home.every_service();
                services.iter().any(|service| going(service))
                    && services.iter().filter(|service| going(service)).all(|service| blocked(service))
            }
            Goal::Refused => current && says("Accepted", "False"),
            Goal::Suspended => {
                let stopped = |found: &SimWorkload| found.state == WorkloadState::Exited;
                let because = |found: &Condition| found.type_ == "Ready" && found.reason == Reason::Suspended.as_str();
                current
                    && status.conditions.iter().any(because)
                    && self.world.with_workloads(|workloads| workloads.values().all(stopped))
            }
            Goal::Says(reason) => {
                let because = |found: &Condition| found.reason == reason.as_str();
                let service =
                    |object: &ServiceSpec| object.status.as_ref().is_some_and(|status| status.conditions.iter().any(because));
                current && says("Ready", "False") && self.home.every_service().iter().any(|object| service(object))
            }
        }
    }

    /// Waits until nothing is sent any more.
    async fn settle(&mut self) {
        let deadline = Instant::now() + DEADLINE;
        let mut since = (Instant::now(), self.overseer.effects());
        while since.0.elapsed() < QUIET {
            self.pass(LOOK * 4).await;
            if self.overseer.effects() != since.1 {
                since = (Instant::now(), self.overseer.effects());
            }
            if Instant::now() >= deadline {
                self.overseer.violated(format!("L-1: it does not come to rest within {DEADLINE:?}"));
                return;
            }
        }
    }

    /// L-3, L-5: at rest nothing is written, and little is looked at.
    async fn rest(&mut self) {
        let (effects, revision, reads) = (self.overseer.effects(), self.home.revision(), self.home.reads());
        self.pass(REST).await;
        if self.overseer.effects() != effects || self.home.revision() != revision {
            let trace = self.overseer.seen.lock().unwrap().trace[usize::try_from(effects).unwrap()..].join(", ");
            self.overseer.violated(format!("L-3: at rest, and yet: {trace} (revision {revision} to {})", self.home.revision()));
        }
        let objects = u64::try_from(self.home.every_service().len() + 1).unwrap();
        let reads = self.home.reads() - reads;
        if reads > objects * REST.as_secs() * READS_PER_SECOND {
            self.overseer.violated(format!("L-5: {reads} reads of {objects} objects in {REST:?} at rest"));
        }
        self.overseer.rest();
    }

    /// L-3: so many changes of no meaning to every object lead to no write.
    async fn touch(&mut self, times: u32) {
        let effects = self.overseer.effects();
        let before = self.home.every_service();
        let services: Api<ServiceSpec> = Api::namespaced(self.client.clone(), "default");
        for time in 0..times {
            let patch = Patch::Merge(json!({"metadata": {"annotations": {"example.com/touched": time.to_string()}}}));
            self.stacks().patch(STACK, &PatchParams::default(), &patch).await.unwrap();
            for service in self.home.every_service() {
                services.patch(&service.name_any(), &PatchParams::default(), &patch).await.unwrap();
            }
            self.pass(LOOK).await;
        }
        if self.overseer.effects() != effects {
            let trace = self.overseer.seen.lock().unwrap().trace[usize::try_from(effects).unwrap()..].join(", ");
            self.overseer.violated(format!("L-3: after {times} changes of no meaning: {trace}"));
            for (before, after) in
                before.iter().zip(self.home.every_service()).filter(|(before, after)| before.status != after.status)
            {
                let text = |service: &ServiceSpec| serde_json::to_string(&service.status).unwrap();
                self.overseer.violated(format!("L-3: {} to {}", text(before), text(&after)));
            }
        }
    }

    fn conditions(&self) -> Vec<String> {
        let services = self
            .home
            .every_service()
            .into_iter()
            .map(|object| (object.name_any(), object.status.clone().unwrap_or_default().conditions));
        let stacks = self
            .home
            .every_stack()
            .into_iter()
            .map(|object| (object.name_any(), object.status.clone().unwrap_or_default().conditions));
        let text = |(name, conditions): (String, Vec<_>)| {
            conditions
                .into_iter()
                .map(|found: Condition| format!("{name} {}={}/{}", found.type_, found.status, found.reason))
                .collect::<Vec<_>>()
        };
        services.chain(stacks).flat_map(text).collect()
    }

    /// State at rest, without identities and times.
    fn end(&self, scenario: &Scenario) -> BTreeSet<String> {
        let mut end: BTreeSet<String> = self.conditions().into_iter().collect();
        for workload in self.world.workloads().values() {
            let ports: Vec<_> = workload.spec.ports.iter().map(|port| (port.container, port.host)).collect();
            let owner = workload.owner.as_ref().map(|owner| owner.service.clone());
            end.insert(format!("workload {owner:?} {:?} {:?} {ports:?}", workload.state, workload.spec.run));
        }
        let networks = self.world.networks();
        end.extend(networks.values().map(|network| format!("network {}", stem(&network.name))));
        end.insert(format!("{} networks", networks.len()));
        if scenario.racy {
            return end;
        }
        end.extend(self.world.volumes().iter().map(|(name, volume)| format!("volume {name} {}", volume.path)));
        for service in self.home.every_service() {
            let status = service.status.clone().unwrap_or_default();
            let decision = status.decision.map(|decision| (decision.action, decision.reason));
            end.insert(format!("ServiceSpec {} {decision:?} {:?} {:?}", service.name_any(), status.ports, status.outputs));
        }
        for secret in self.home.every_secret() {
            let keys: Vec<_> = secret.data.clone().unwrap_or_default().into_keys().collect();
            end.insert(format!("Secret {} {keys:?}", secret.name_any()));
        }
        end.extend(self.home.every_config_map().iter().map(|map| format!("ConfigMap {} {:?}", map.name_any(), map.data)));
        end
    }

    fn report(&self, end: BTreeSet<String>) -> Report {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for ((verb, object), count) in self.world.counts() {
            if !["EnsureImage", "Start", "Stop"].contains(&verb) {
                *counts.entry(format!("{verb} {}", stem(&object))).or_default() += count;
            }
        }
        let mut seen = self.overseer.seen.lock().unwrap();
        let seen = std::mem::take(&mut *seen);
        counts.extend(seen.births.into_iter().map(|(name, uids)| (name, uids.len())));
        let mut violations = seen.violations;
        violations.extend(end.iter().filter(|line| line.ends_with("/Panic")).map(|line| format!("REL-2: {line}")));
        Report { trace: seen.trace, engine: seen.engine, reached: seen.reached, end, counts, violations }
    }
}

/// The readable part of an engine's name.
fn stem(name: &str) -> &str {
    name.rsplit_once('-').map_or(name, |(stem, _)| stem)
}

/// REL-12: a run's clock stands still while anything works, and an hour passes in the two polls of its sleep.
#[test]
fn virtual_time_takes_no_time() {
    /// Looks at the clock; a real one moves between some of them.
    const LOOKS: usize = 1_000;
    paused().block_on(async {
        let begun = Instant::now();
        assert!((0..LOOKS).all(|_| Instant::now() == begun));
        let mut hour = pin!(sleep(Duration::from_secs(3600)));
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            hour.as_mut().poll(context)
        })
        .await;
        assert_eq!((polls, begun.elapsed()), (2, Duration::from_secs(3600)));
    });
}
