//! What the embedding process runs and shows as Pods: it feeds them in through [`Mirrors`](crate::Mirrors), and answers
//! through [`Workloads`] what only it can: their logs, commands inside them, and a restart.
//!
//! This crate knows no container and no process; it knows the Pods that it was given and asks about them by UID.

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::Stream;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use jiff::Timestamp;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

use crate::status::Class;

/// A Pod as it was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PodKey {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// UID, which stays with one container or process.
    pub uid: String,
}

/// Which lines of a log.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LogRequest {
    /// Go on with new lines.
    pub follow: bool,
    /// Only the last so many lines.
    pub tail: Option<u32>,
    /// Only lines since then.
    pub since: Option<Timestamp>,
    /// The previous run instead of the current one.
    pub previous: bool,
}

/// One line without its line end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// When it was written, where that is known.
    pub at: Option<Timestamp>,
    /// It was written to the error output.
    pub error: bool,
    /// The text.
    pub text: String,
}

/// A command inside a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Something will be written to it.
    pub input: bool,
    /// It runs on a terminal.
    pub terminal: bool,
}

/// Size of a terminal in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TerminalSize {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A part of what a program prints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// Standard output, or the terminal.
    Standard(Bytes),
    /// Standard error.
    Error(Bytes),
}

/// A command that runs. Dropping it gives the command up.
pub struct Running {
    /// Its input, where it was asked for; closing it is the end of the input.
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// What it prints; ends with it.
    pub output: BoxStream<'static, Output>,
    /// Where the size of its terminal goes, if it has one.
    pub sizes: Option<mpsc::Sender<TerminalSize>>,
    /// Its exit code, once the output ended.
    pub exit: BoxFuture<'static, Result<i64, WorkloadError>>,
}

/// The embedding process could not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct WorkloadError {
    /// Who is at fault, and whether to try again.
    pub class: Class,
    /// One sentence for the user.
    pub message: String,
}

/// Lines of a log, oldest first.
pub type LogLines = Pin<Box<dyn Stream<Item = Result<LogLine, WorkloadError>> + Send>>;

/// Bytes both ways.
pub trait Duplex: AsyncRead + AsyncWrite + Send {}

impl<T: AsyncRead + AsyncWrite + Send> Duplex for T {}

/// An open connection to a port of a Pod; dropping it closes it.
pub type Connection = Pin<Box<dyn Duplex>>;

/// What the embedding process answers about the Pods that it shows.
#[async_trait]
pub trait Workloads: Send + Sync + 'static {
    /// Lines of a Pod's log.
    ///
    /// # Errors
    /// It has no such workload, or cannot reach it.
    async fn log(&self, pod: &PodKey, request: &LogRequest) -> Result<LogLines, WorkloadError>;

    /// Starts a command inside a Pod.
    ///
    /// # Errors
    /// As for the log; also where no command can be run there.
    async fn run(&self, pod: &PodKey, command: &Command) -> Result<Running, WorkloadError>;

    /// Opens a connection to a TCP port inside a Pod.
    ///
    /// # Errors
    /// It has no such workload, or nothing there takes the connection; the message says what was dialled.
    async fn connect(&self, pod: &PodKey, port: u16) -> Result<Connection, WorkloadError>;

    /// Notes durably that exactly this Pod is to be replaced; it is replaced later. A repeat changes nothing.
    ///
    /// # Errors
    /// The note could not be written.
    async fn restart(&self, pod: &PodKey, grace: Option<Duration>) -> Result<(), WorkloadError>;
}
