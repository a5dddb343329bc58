//! The engine: each step of a plan and each question, handed to the file that answers it.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use koan_core::inventory::{Capabilities, EngineInfo, EngineMachine, Inventory};
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::probe::{Address, Vantage};
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_crds::v1alpha1::EngineName;

use super::error::ProcessError;
use super::inventory::{LOOPBACK, inventory};
use super::layout::Layout;
use super::options::ProcessOptions;
use super::start::start;
use super::stop::stop;
use super::{exec, logs, open, volumes, watch, workloads};
use crate::contract::{DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hints, LogOptions, LogStream, Scope, Tunnel};
use crate::interactive::{Interactive, OpenRequest, Opened};

/// Name of this engine in messages.
pub(crate) const NAME: &str = "process";

/// Runs programs of the host under supervisors (ENG-10, ENG-17).
#[derive(Clone, Debug)]
pub struct ProcessEngine {
    inner: Arc<Inner>,
}

/// Settings and paths.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: ProcessOptions,
    pub(crate) layout: Layout,
}

impl ProcessEngine {
    /// The engine of one instance. Nothing is touched before the first step.
    pub fn new(options: ProcessOptions) -> Self {
        let layout = Layout::new(&options);
        Self { inner: Arc::new(Inner { options, layout }) }
    }

    async fn step(&self, action: &StepAction, values: &Values) -> Result<Outcome, ProcessError> {
        let layout = &self.inner.layout;
        match action {
            // A program of the host uses the host's network, and there is nothing to pull.
            StepAction::EnsureNetwork(_) | StepAction::RemoveNetwork(_) | StepAction::EnsureImage(_) => {
                Ok(Outcome::Done(Done::default()))
            }
            StepAction::EnsureVolume(spec) => volumes::ensure(layout, spec).map(Outcome::Done),
            StepAction::Create(spec) => workloads::create(layout, spec, values).map(Outcome::Done),
            StepAction::Start(object) => start(&self.inner, object, values).await,
            StepAction::Stop { object, grace } => stop(&self.inner, object, *grace).await.map(Outcome::Done),
            StepAction::Remove(object) => workloads::remove(layout, object).map(Outcome::Done),
            StepAction::RemoveVolume { object, created_at } => {
                let (layout, object, created_at) = (layout.clone(), object.clone(), created_at.clone());
                // A data folder may hold very many files.
                let removed = tokio::task::spawn_blocking(move || volumes::remove(&layout, &object, &created_at)).await;
                removed
                    .unwrap_or_else(|error| Err(ProcessError::io("remove", Path::new("the volume"), error.into())))
                    .map(Outcome::Done)
            }
        }
    }
}

#[async_trait]
impl Interactive for ProcessEngine {
    async fn open(&self, object: &ObjectRef, request: &OpenRequest) -> Result<Opened, EngineError> {
        let (stored, places) = found(&self.inner, object)?;
        open::open(&stored, &places, &self.inner.options, request)
    }
}

#[async_trait]
impl Engine for ProcessEngine {
    fn id(&self) -> EngineName {
        EngineName::Process
    }

    async fn info(&self) -> EngineInfo {
        let available = Path::new("/proc/self/stat").exists();
        EngineInfo {
            engine: EngineName::Process,
            available,
            reason: (!available).then(|| "programs of the host are recognised through /proc, which is not there".to_owned()),
            remedy: (!available).then(|| "run koan on Linux with /proc mounted".to_owned()),
            version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            endpoint: Some(self.inner.options.state_dir.display().to_string()),
            api_version: None,
            rootless: !rustix::process::geteuid().is_root(),
            capabilities: Capabilities { processes: true, exec: true, ..Capabilities::default() },
            machine: EngineMachine::default(),
        }
    }

    async fn inventory(&self, scope: &Scope) -> Result<Inventory, EngineError> {
        inventory(&self.inner, scope).map_err(|error| unreachable(&self.inner, error))
    }

    fn watch(&self, scope: &Scope) -> Hints {
        watch::watch(&self.inner, scope)
    }

    async fn apply(&self, step: &Step, values: &Values) -> Outcome {
        self.step(&step.action, values).await.unwrap_or_else(|error| Outcome::Failed(Failure::from(error)))
    }

    async fn logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError> {
        let (_stored, places) = found(&self.inner, object)?;
        Ok(logs::logs(places, options.clone()))
    }

    async fn exec(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError> {
        let (stored, places) = found(&self.inner, object)?;
        exec::exec(&stored, &places, request).await
    }

    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        let scope = Scope { instance: object.owner.instance.clone() };
        let held = self.inventory(&scope).await?;
        let absent = || EngineError::NotFound {
            engine: NAME,
            object: format!("running {} with port {} for {:?}", object.name, request.container_port, request.vantage),
        };
        let workload =
            held.workloads.iter().find(|workload| workload.name == object.name && workload.owner.uid == object.owner.uid);
        let port = workload.and_then(|workload| workload.ports.iter().find(|port| port.container == request.container_port));
        match request.vantage {
            Vantage::Host => {
                let port = port.ok_or_else(absent)?;
                Ok(Tunnel { address: Address::Tcp { host: LOOPBACK.to_string(), port: port.host }, guard: None })
            }
            Vantage::Stack | Vantage::Cluster => Err(absent()),
        }
    }
}

/// The stored workload of a question.
fn found(inner: &Inner, object: &ObjectRef) -> Result<(workloads::Stored, super::layout::Places), EngineError> {
    match workloads::find(&inner.layout, object) {
        Ok(Some(found)) => Ok(found),
        Ok(None) | Err(ProcessError::Foreign { .. } | ProcessError::Conflict { .. } | ProcessError::Name { .. }) => {
            Err(EngineError::NotFound { engine: NAME, object: object.name.clone() })
        }
        Err(error) => Err(unreachable(inner, error)),
    }
}

fn unreachable(inner: &Inner, error: ProcessError) -> EngineError {
    EngineError::Unreachable { engine: NAME, endpoint: inner.options.state_dir.display().to_string(), source: Box::new(error) }
}
