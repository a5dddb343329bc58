//! The engine itself: which room answers which call of the contract.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use koan_core::inventory::{EngineInfo, Inventory};
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::text::Values;
use koan_crds::v1alpha1::EngineName;
use tokio::sync::{Mutex, Semaphore};

use super::failure::{self, words_of};
use super::files::FileTemplates;
use super::image::Images;
use super::inventory::Details;
use super::options::MobyOptions;
use super::session::{HelloError, Session};
use super::transport::Transport;
use super::width::StartWidth;
use crate::{
    DialRequest, Engine, EngineError, ExecReport, ExecRequest, Hints, Interactive, LogOptions, LogStream, OpenRequest, Opened,
    Scope, Tunnel,
};

/// Workloads that are stopped or removed at once (PERF-84).
const REMOVALS_AT_ONCE: usize = 8;
/// How soon a step asks again after the engine was busy with the same object.
pub(crate) const BUSY_DELAY: Duration = Duration::from_millis(250);

/// Docker or Podman behind its socket.
///
/// Guarantees: one pooled client; at most 16 starts and 8 removals at once; each destructive call is preceded by an uncached read
/// that compares id, instance and owner (S-3).
pub struct Moby {
    pub(crate) options: MobyOptions,
    pub(crate) transport: Transport,
    pub(crate) images: Images,
    pub(crate) templates: FileTemplates,
    pub(crate) details: Arc<Details>,
    /// Network ids by name, as this process made or saw them; a hint for `Create`, never for a deletion.
    pub(crate) networks: Mutex<HashMap<String, super::network::KnownNetwork>>,
    pub(crate) starts: StartWidth,
    pub(crate) removals: Semaphore,
    session: Mutex<Option<Arc<Session>>>,
}

impl Moby {
    /// An engine at an endpoint; nothing is connected yet.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] where the client itself cannot be built.
    pub fn new(options: MobyOptions) -> Result<Self, EngineError> {
        let transport = Transport::new(&options.endpoint).map_err(|source| EngineError::Unreachable {
            engine: options.dialect.title,
            endpoint: options.endpoint.to_string(),
            source: Box::new(source),
        })?;
        Ok(Self {
            transport,
            images: Images::default(),
            details: Arc::default(),
            templates: FileTemplates::new(options.secrets_dir.clone()),
            networks: Mutex::default(),
            starts: StartWidth::new(options.cores),
            removals: Semaphore::new(REMOVALS_AT_ONCE),
            session: Mutex::default(),
            options,
        })
    }

    /// The engine's name for people.
    pub(crate) fn title(&self) -> &'static str {
        self.options.dialect.title
    }

    /// What the engine said of itself; asked again each time.
    pub(crate) async fn hello(&self) -> Result<Arc<Session>, HelloError> {
        let answer = self.transport.docker.version().await.map_err(HelloError::Silent)?;
        let session = Arc::new(Session::judge(answer, self.options.dialect)?);
        self.transport.version.set(session.api);
        *self.session.lock().await = Some(Arc::clone(&session));
        Ok(session)
    }

    /// What the engine said of itself, asked once.
    pub(crate) async fn session(&self) -> Result<Arc<Session>, HelloError> {
        let known = self.session.lock().await.clone();
        match known {
            Some(session) => Ok(session),
            None => self.hello().await,
        }
    }

    /// The session, or the failure of a step without one.
    pub(crate) async fn session_or_failure(&self) -> Result<Arc<Session>, Failure> {
        self.session().await.map_err(|error| match error {
            HelloError::Silent(source) => failure::failure(self.title(), "reach", "its API", &source),
            HelloError::TooOld { .. } => crate::refusals::invalid(
                koan_crds::vocabulary::Reason::EngineUnreachable,
                format!("{} cannot be used: {error}", self.title()),
                "update the engine",
            ),
        })
    }

    /// Forgets the session after the engine was lost: it may come back as another version.
    pub(crate) async fn lost(&self) {
        *self.session.lock().await = None;
    }

    /// The error of a read.
    pub(crate) fn read_error(&self, verb: &'static str, object: &str, error: bollard::errors::Error) -> EngineError {
        match failure::status_of(&error) {
            None => EngineError::Unreachable {
                engine: self.title(),
                endpoint: self.options.endpoint.to_string(),
                source: Box::new(error),
            },
            Some(404) => EngineError::NotFound { engine: self.title(), object: object.to_owned() },
            Some(_) => {
                EngineError::Refused { engine: self.title(), verb, object: object.to_owned(), source: words_of(&error).into() }
            }
        }
    }

    /// The failure of a verb of a step.
    pub(crate) fn failed(&self, verb: &str, object: &str, error: &bollard::errors::Error) -> Failure {
        failure::failure(self.title(), verb, object, error)
    }

    /// The session as a read needs it.
    pub(crate) async fn session_or_error(&self) -> Result<Arc<Session>, EngineError> {
        self.session().await.map_err(|error| EngineError::Unreachable {
            engine: self.title(),
            endpoint: self.options.endpoint.to_string(),
            source: Box::new(error),
        })
    }

    async fn run(&self, step: &Step, values: &Values) -> Result<Outcome, Failure> {
        let session = self.session_or_failure().await?;
        match &step.action {
            StepAction::EnsureNetwork(spec) => self.ensure_network(spec).await,
            StepAction::EnsureVolume(spec) => self.ensure_volume(spec).await,
            StepAction::EnsureImage(spec) => self.ensure_image(spec, &session).await,
            StepAction::Create(spec) => self.create(spec, values, &session).await,
            StepAction::Start(object) => self.start(object, values, &session).await,
            StepAction::Stop { object, grace } => self.stop(object, *grace).await,
            StepAction::Remove(object) => self.remove(object).await,
            StepAction::RemoveNetwork(object) => self.remove_network(object, session.dialect).await,
            StepAction::RemoveVolume { object, created_at } => self.remove_volume(object, created_at).await,
        }
    }
}

/// A step that found everything as it should be.
pub(crate) fn unchanged(id: Option<String>) -> Outcome {
    Outcome::Done(Done { changed: false, id: id.map(koan_core::identity::ObjectId), ..Done::default() })
}

/// A step that changed something.
pub(crate) fn changed(id: Option<String>) -> Outcome {
    Outcome::Done(Done { changed: true, id: id.map(koan_core::identity::ObjectId), ..Done::default() })
}

/// The engine is busy with that object.
pub(crate) fn busy(what: String) -> Outcome {
    Outcome::Waiting { what, delay: BUSY_DELAY }
}

#[async_trait]
impl Interactive for Moby {
    async fn open(&self, object: &ObjectRef, request: &OpenRequest) -> Result<Opened, EngineError> {
        self.open_command(object, request).await
    }
}

#[async_trait]
impl Engine for Moby {
    fn id(&self) -> EngineName {
        self.options.dialect.engine
    }

    async fn info(&self) -> EngineInfo {
        self.describe().await
    }

    async fn inventory(&self, scope: &Scope) -> Result<Inventory, EngineError> {
        let result = self.list_everything(scope).await;
        if matches!(result, Err(EngineError::Unreachable { .. })) {
            self.lost().await;
        }
        result
    }

    fn watch(&self, scope: &Scope) -> Hints {
        self.hints(scope)
    }

    async fn apply(&self, step: &Step, values: &Values) -> Outcome {
        let outcome = self.run(step, values).await.unwrap_or_else(Outcome::Failed);
        if matches!(&outcome, Outcome::Failed(failure) if failure.reason == koan_crds::vocabulary::Reason::EngineUnreachable) {
            self.lost().await;
        }
        match &step.action {
            StepAction::Create(spec) => {
                let texts = spec.env.iter().map(|entry| &entry.value).chain(spec.files.iter().map(|file| &file.content));
                failure::masked(outcome, texts, values)
            }
            StepAction::EnsureNetwork(_)
            | StepAction::EnsureVolume(_)
            | StepAction::EnsureImage(_)
            | StepAction::Start(_)
            | StepAction::Stop { .. }
            | StepAction::Remove(_)
            | StepAction::RemoveNetwork(_)
            | StepAction::RemoveVolume { .. } => outcome,
        }
    }

    async fn logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError> {
        self.read_logs(object, options).await
    }

    async fn exec(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError> {
        self.run_command(object, request).await
    }

    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError> {
        self.address_of(object, request).await
    }
}
