//! The smallest engine that keeps the contract: a list in memory.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use koan_core::inventory::{Capabilities, EngineInfo, Inventory, NetworkRecord, VolumeRecord, WorkloadRecord, WorkloadState};
use koan_core::outcome::{Done, Outcome};
use koan_core::probe::Address;
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_core::workload::Run;
use koan_crds::v1alpha1::EngineName;
use koan_engines::{DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hints, LogOptions, LogStream, Scope, Tunnel};

#[derive(Default)]
struct World {
    next: u64,
    calls: Vec<String>,
    workloads: Vec<WorkloadRecord>,
    networks: Vec<NetworkRecord>,
    volumes: Vec<VolumeRecord>,
}

/// An engine in memory; a restart of the controllers finds it as it was.
#[derive(Default)]
pub(crate) struct Trivial(Mutex<World>);

impl Trivial {
    /// Every mutating call so far, as `verb object`.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.0.lock().unwrap().calls.clone()
    }

    /// Workloads as they stand.
    pub(crate) fn workloads(&self) -> Vec<WorkloadRecord> {
        self.0.lock().unwrap().workloads.clone()
    }

    /// Somebody removes a workload by hand.
    pub(crate) fn remove(&self, name: &str) {
        self.0.lock().unwrap().workloads.retain(|record| record.name != name);
    }
}

fn done(id: Option<String>) -> Outcome {
    Outcome::Done(Done { changed: true, id: id.map(|id| id.as_str().into()), ..Done::default() })
}

#[async_trait]
impl Engine for Trivial {
    fn id(&self) -> EngineName {
        EngineName::Docker
    }

    async fn info(&self) -> EngineInfo {
        EngineInfo {
            engine: EngineName::Docker,
            available: true,
            reason: None,
            remedy: None,
            version: Some("1".to_owned()),
            endpoint: Some("memory".to_owned()),
            api_version: None,
            rootless: false,
            capabilities: Capabilities { containers: true, networks: true, exec: true, ..Capabilities::default() },
        }
    }

    async fn inventory(&self, _: &Scope) -> Result<Inventory, EngineError> {
        let world = self.0.lock().unwrap();
        Ok(Inventory {
            engine: EngineName::Docker,
            workloads: world.workloads.clone(),
            networks: world.networks.clone(),
            volumes: world.volumes.clone(),
            ports: Vec::new(),
        })
    }

    fn watch(&self, _: &Scope) -> Hints {
        Box::pin(futures::stream::pending())
    }

    async fn apply(&self, step: &Step, _: &Values) -> Outcome {
        let mut world = self.0.lock().unwrap();
        world.calls.push(format!("{} {}", step.action.verb(), step.object));
        world.next += 1;
        let id = format!("id-{}", world.next);
        let is = |record: &WorkloadRecord, object: &ObjectRef| record.name == object.name;
        match &step.action {
            StepAction::EnsureNetwork(spec) => {
                world.networks.push(NetworkRecord {
                    id: id.as_str().into(),
                    name: spec.name.clone(),
                    owner: spec.owner.clone(),
                    created_at: String::new(),
                    gateway: None,
                    endpoints: None,
                });
                done(Some(id))
            }
            StepAction::EnsureVolume(spec) => {
                world.volumes.push(VolumeRecord {
                    name: spec.name.clone(),
                    owner: spec.owner.clone(),
                    path: spec.path.clone(),
                    created_at: String::new(),
                });
                done(Some(spec.name.clone()))
            }
            StepAction::EnsureImage(_) => done(None),
            StepAction::Create(spec) => {
                let image = match &spec.run {
                    Run::Container(container) => Some(container.image.clone()),
                    Run::Process(_) => None,
                };
                world.workloads.push(WorkloadRecord {
                    id: id.as_str().into(),
                    name: spec.object.clone(),
                    owner: spec.owner.clone(),
                    hash: spec.hash.clone(),
                    state: WorkloadState::Created,
                    image,
                    image_digest: None,
                    platform: None,
                    started_at: None,
                    finished_at: None,
                    exit_code: None,
                    oom_killed: false,
                    restarts: 0,
                    addresses: Vec::new(),
                    ports: Vec::new(),
                    pid: None,
                    volumes: Vec::new(),
                });
                done(Some(id))
            }
            StepAction::Start(object) => {
                let record = world.workloads.iter_mut().find(|record| is(record, object)).unwrap();
                record.state = WorkloadState::Running;
                record.started_at = Some(jiff::Timestamp::now());
                done(Some(record.id.0.clone()))
            }
            StepAction::Stop { object, .. } => {
                let record = world.workloads.iter_mut().find(|record| is(record, object)).unwrap();
                record.state = WorkloadState::Exited;
                done(None)
            }
            StepAction::Remove(object) => {
                world.workloads.retain(|record| !is(record, object));
                done(None)
            }
            StepAction::RemoveNetwork(object) => {
                world.networks.retain(|record| record.name != object.name);
                done(None)
            }
            StepAction::RemoveVolume { object, .. } => {
                world.volumes.retain(|record| record.name != object.name);
                done(None)
            }
        }
    }

    async fn logs(&self, _: &ObjectRef, _: &LogOptions) -> Result<LogStream, EngineError> {
        Ok(Box::pin(futures::stream::empty()))
    }

    async fn exec(&self, _: &ObjectRef, _: &ExecRequest) -> Result<ExecReport, EngineError> {
        Ok(ExecReport { exit_code: Some(0), output: String::new() })
    }

    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        tokio::time::sleep(Duration::ZERO).await;
        let address = Address::Tcp { host: object.name.clone(), port: request.container_port };
        Ok(Tunnel { address, guard: None })
    }
}

/// An engine as the controllers take it.
pub(crate) fn engines(engine: &Arc<Trivial>) -> Vec<Arc<dyn Engine>> {
    vec![Arc::clone(engine) as Arc<dyn Engine>]
}
