//! The `Engine` trait: whole objects in, whole objects out (ENG-1).

use std::any::Any;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures::Stream as FuturesStream;
use jiff::Timestamp;
use koan_core::identity::{InstanceId, ObjectId};
use koan_core::inventory::{EngineInfo, Inventory};
use koan_core::outcome::Outcome;
use koan_core::probe::{Address, Vantage};
use koan_core::step::{ObjectRef, Step};
use koan_core::text::Values;
use koan_crds::v1alpha1::{EngineName, FailureClass};
use koan_crds::vocabulary::Reason;

use crate::interactive::Interactive;

/// Runs steps and reports what is there.
///
/// Guarantees: `apply` is idempotent and touches only objects whose instance and owner labels match the step's owner, read
/// uncached (S-3); nothing but `apply` changes anything (REL-1); each call is bounded by the engine's own named time-outs.
#[async_trait]
pub trait Engine: Interactive {
    /// Which engine this is.
    fn id(&self) -> EngineName;

    /// What the engine says of itself, within 2 s; never an error.
    async fn info(&self) -> EngineInfo;

    /// Everything with the scope's instance label, and every published port. One full, uncached list.
    ///
    /// # Errors
    /// [`EngineError::Unreachable`] where the engine does not answer.
    async fn inventory(&self, scope: &Scope) -> Result<Inventory, EngineError>;

    /// Hints that something changed; ends when the connection ends, and the caller subscribes again (REL-5).
    fn watch(&self, scope: &Scope) -> Hints;

    /// Runs one step of a plan that was shown.
    async fn apply(&self, step: &Step, values: &Values) -> Outcome;

    /// Lines of one workload, oldest first.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where there is no such workload.
    async fn logs(&self, object: &ObjectRef, options: &LogOptions) -> Result<LogStream, EngineError>;

    /// Runs a command inside a workload; bounded in time and output.
    ///
    /// # Errors
    /// [`EngineError::NotFound`], [`EngineError::Unreachable`], or [`EngineError::Refused`] where the engine cannot exec.
    async fn exec(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError>;

    /// Where a client has to connect to in order to reach a port of a workload from a vantage.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where the workload does not run or the port cannot be reached from there.
    async fn dial(&self, object: &ObjectRef, request: &DialRequest) -> Result<Tunnel, EngineError>;
}

/// What an inventory covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The Koan instance.
    pub instance: InstanceId,
}

/// A hint; it says where to look, never what is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Something happened to this object.
    Object(ObjectId),
    /// This object was made or started. Whoever did it has the reply, so nobody else need hurry (PERF-80).
    Made(ObjectId),
    /// The stream was just (re)established or lost events: list everything.
    Relist,
}

/// Stream of hints.
pub type Hints = Pin<Box<dyn FuturesStream<Item = Hint> + Send>>;

/// Which lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogOptions {
    /// Go on with new lines.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Only lines since then.
    pub since: Option<Timestamp>,
    /// The previous run instead of the current one.
    pub previous: bool,
}

/// Output stream of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// Not a line of the program: a gap that is named (ENG-9).
    Gap,
}

/// One line without its line end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written.
    pub at: Option<Timestamp>,
    /// Where it was written to.
    pub stream: Stream,
    /// The text; at most 16 KiB, longer lines are cut and say so.
    pub text: String,
}

/// Stream of lines.
pub type LogStream = Pin<Box<dyn FuturesStream<Item = Result<LogLine, EngineError>> + Send>>;

/// A command inside a workload; its arguments never hold a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Deadline.
    pub timeout: Duration,
    /// Most bytes of output that are kept.
    pub output_limit: usize,
}

/// Result of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecReport {
    /// Exit code; `None` where the deadline ended it.
    pub exit_code: Option<i64>,
    /// Output and error output, cut at the limit.
    pub output: String,
}

/// What to dial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DialRequest {
    /// Port inside the workload.
    pub container_port: u16,
    /// From where.
    pub vantage: Vantage,
}

/// An address with a guard that keeps a forward open while it lives.
pub struct Tunnel {
    /// Where to connect to.
    pub address: Address,
    /// Keeps the forward open; `None` where none is needed.
    pub guard: Option<Box<dyn Any + Send + Sync>>,
}

/// Failure of a read or an exec.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine does not answer.
    #[error("{engine} does not answer at {endpoint}")]
    Unreachable {
        /// The engine.
        engine: &'static str,
        /// Its address.
        endpoint: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no such object.
    #[error("{engine} has no {object}")]
    NotFound {
        /// The engine.
        engine: &'static str,
        /// The object.
        object: String,
    },
    /// The engine refused.
    #[error("{engine} refused to {verb} {object}")]
    Refused {
        /// The engine.
        engine: &'static str,
        /// What was asked.
        verb: &'static str,
        /// The object.
        object: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EngineError {
    /// Class of the failure; decides requeue and event.
    pub fn class(&self) -> FailureClass {
        match self {
            Self::Unreachable { .. } | Self::NotFound { .. } => FailureClass::Transient,
            Self::Refused { .. } => FailureClass::Denied,
        }
    }

    /// Reason for a condition.
    pub fn reason(&self) -> Reason {
        match self {
            Self::Unreachable { .. } => Reason::EngineUnreachable,
            Self::NotFound { .. } | Self::Refused { .. } => Reason::ProvisionFailed,
        }
    }
}
