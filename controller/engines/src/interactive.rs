//! Commands whose input and output stay open: what a person types into, beside the bounded `exec` of probes.

use std::pin::Pin;

use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use koan_core::step::ObjectRef;
use tokio::io::AsyncWrite;
use tokio::sync::mpsc;

use crate::{EngineError, Stream};

/// A command that stays open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenRequest {
    /// Program and arguments.
    pub command: Vec<String>,
    /// Something will be written to it.
    pub input: bool,
    /// It runs on a terminal, which has one output.
    pub terminal: bool,
}

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

/// A part of the output as it came: not a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where it was written to; a terminal is standard output.
    pub stream: Stream,
    /// The bytes.
    pub bytes: Bytes,
}

/// A command that runs. Dropping it gives the command up.
pub struct Opened {
    /// Its input, where it was asked for; shutting it down is the end of the input.
    pub input: Option<Pin<Box<dyn AsyncWrite + Send>>>,
    /// What it prints; ends when nobody can print any more.
    pub output: BoxStream<'static, Chunk>,
    /// Where sizes of its terminal go; `None` where it has none.
    pub sizes: Option<mpsc::Sender<Size>>,
    /// Its exit code.
    pub exit: BoxFuture<'static, Result<i64, EngineError>>,
}

/// Runs commands beside a workload that somebody talks to.
#[async_trait]
pub trait Interactive: Send + Sync {
    /// Starts a command inside a running workload; its arguments are shown to whoever looks at processes, so they hold no secret.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] where the workload does not run, [`EngineError::Unreachable`], or [`EngineError::Refused`]
    /// where the command cannot be started.
    async fn open(&self, object: &ObjectRef, request: &OpenRequest) -> Result<Opened, EngineError>;
}
