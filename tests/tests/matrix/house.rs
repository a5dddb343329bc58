//! Server, controllers and a simulated engine in one process; what they find on the host is real.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use k8s_openapi::api::core::v1::Secret;
use koan_adapters::{LiveProber, Prober, catalogue};
use koan_apiserver::Server;
use koan_controller::{Controllers, RunError};
use koan_core::probe::{Access, Check, CheckReport, Probe, ProbeReport};
use koan_crds::v1alpha1::{DevStack, EngineName, Evidence, EvidenceCode, EvidenceStep, ServiceSpec};
use koan_crds::vocabulary::{ExitCode, Reason};
use koan_engines::sim::{Answer, SimWorld};
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::discovery::ApiResource;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// Longest wait for a decision and what follows from it.
const DEADLINE: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);
/// Looks without work after which the controllers have seen everything.
const QUIET: u32 = 50;

/// Asks the host itself; what a simulated workload publishes is asked of the simulation.
struct Eyes {
    live: LiveProber,
    world: SimWorld,
}

#[async_trait]
impl Prober for Eyes {
    async fn probe(&self, question: &Probe, access: &Access) -> ProbeReport {
        self.live.probe(question, access).await
    }

    async fn check(&self, check: &Check) -> CheckReport {
        let evidence = |code| Evidence { step: EvidenceStep::Authorise, code, endpoint: None, detail: None };
        match self.world.answer(&check.address) {
            Answer::Ready => CheckReport::Passed { version: None, server_id: None },
            Answer::Refused => self.live.check(check).await,
            Answer::Silent => CheckReport::NotYet(evidence(EvidenceCode::Silent)),
            Answer::NotYet => CheckReport::NotYet(evidence(EvidenceCode::ReadOnly)),
            Answer::Other => CheckReport::NotYet(evidence(EvidenceCode::WrongProtocol)),
        }
    }
}

/// A running instance; it ends with the value.
pub(crate) struct House {
    /// What the engine runs.
    pub(crate) world: SimWorld,
    client: Client,
    server: Server,
    controllers: Arc<Controllers>,
    task: JoinHandle<RunError>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl House {
    /// An instance without any object.
    pub(crate) async fn open() -> Self {
        let definitions = koan_crds::definitions().unwrap().into_iter().map(|crd| crd.document).collect();
        let server = Server::builder().crds(definitions).start().await.unwrap();
        let client = Client::new(server.service(), "default");
        let world = SimWorld::new(EngineName::Docker);
        let (controllers, task) = run(&client, &server, &world);
        Self { world, client, server, controllers, task }
    }

    /// Ends the controllers and starts them anew over the same store and engine.
    pub(crate) async fn restart(&mut self) {
        self.task.abort();
        let _ended = (&mut self.task).await;
        (self.controllers, self.task) = run(&self.client, &self.server, &self.world);
        let deadline = Instant::now() + DEADLINE;
        let mut quiet = 0;
        while quiet < QUIET {
            assert!(Instant::now() < deadline, "the controllers have no rest");
            quiet = if self.controllers.is_idle() { quiet + 1 } else { 0 };
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Applies an object as the command line does.
    pub(crate) async fn apply(&self, kind: &ApiResource, object: &Value) {
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), "default", kind);
        let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap();
        api.patch(name, &PatchParams::apply("koan").force(), &Patch::Apply(object)).await.unwrap();
    }

    /// The only service of the stack `shop`, once it is ready, not wanted or not to be had; with the exit code of `koan up`.
    pub(crate) async fn outcome(&self) -> (ServiceSpec, ExitCode) {
        let services: Api<ServiceSpec> = Api::namespaced(self.client.clone(), "default");
        let stacks: Api<DevStack> = Api::namespaced(self.client.clone(), "default");
        let deadline = Instant::now() + DEADLINE;
        loop {
            let service = services.get_opt("shop-db").await.unwrap();
            let stack = stacks.get("shop").await.unwrap();
            let ready = stack.status.iter().flat_map(|status| &status.conditions).any(|condition| {
                condition.type_ == "Ready"
                    && condition.status == "True"
                    && condition.observed_generation == stack.metadata.generation
            });
            match service.as_ref().and_then(|service| Some((service.clone(), required(service)?))) {
                Some(found) => return found,
                None if ready => return (service.expect("a service of a ready stack"), ExitCode::Ok),
                None => {}
            }
            assert!(Instant::now() < deadline, "no outcome: {:#?}", service.and_then(|service| service.status));
            tokio::time::sleep(LOOK).await;
        }
    }

    /// The injected variables.
    pub(crate) async fn env(&self) -> BTreeMap<String, String> {
        let secrets: Api<Secret> = Api::namespaced(self.client.clone(), "default");
        let secret = secrets.get_opt("shop-env").await.unwrap();
        let data = secret.and_then(|secret| secret.data).unwrap_or_default();
        data.into_iter().map(|(name, value)| (name, String::from_utf8(value.0).unwrap())).collect()
    }
}

/// The exit code where a host service is required and there is none.
fn required(service: &ServiceSpec) -> Option<ExitCode> {
    let status = service.status.as_ref().filter(|status| status.observed_generation == service.metadata.generation)?;
    let provisioned =
        status.conditions.iter().find(|condition| condition.type_ == "Provisioned" && condition.status == "False")?;
    let reason = Reason::parse(&provisioned.reason)?;
    (reason == Reason::HostServiceRequired).then(|| ExitCode::of(reason))
}

fn run(client: &Client, server: &Server, world: &SimWorld) -> (Arc<Controllers>, JoinHandle<RunError>) {
    let prober = Arc::new(Eyes { live: LiveProber::new(), world: world.clone() });
    let controllers = Controllers::builder(client.clone(), server.instance().into(), catalogue(), prober)
        .engines(vec![Arc::new(world.engine())])
        .build();
    let controllers = Arc::new(controllers);
    let running = Arc::clone(&controllers);
    (controllers, tokio::spawn(async move { running.run().await }))
}
