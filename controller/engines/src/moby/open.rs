//! `open()`: a command inside a container that somebody talks to.

use std::time::Duration;

use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};
use bollard::query_parameters::ResizeExecOptionsBuilder;
use futures::StreamExt;
use koan_core::step::ObjectRef;
use tokio::sync::{mpsc, oneshot};

use super::engine::Moby;
use super::failure::status_of;
use crate::interactive::{Chunk, OpenRequest, Opened, Size};
use crate::{EngineError, Stream};

/// Sizes of a terminal that wait to be told.
const SIZES_AHEAD: usize = 4;
/// Tries to read the exit code of a command whose output ended.
const EXIT_TRIES: u32 = 50;
/// Pause between two of them.
const EXIT_PAUSE: Duration = Duration::from_millis(100);

impl Moby {
    /// See [`crate::Interactive::open`].
    pub(crate) async fn open_command(&self, object: &ObjectRef, request: &OpenRequest) -> Result<Opened, EngineError> {
        let (id, _) = self.owned_for_read("exec in", object).await?;
        let options = CreateExecOptions {
            attach_stdin: Some(request.input),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            tty: Some(request.terminal),
            cmd: Some(request.command.clone()),
            ..CreateExecOptions::default()
        };
        let docker = self.transport.docker.clone();
        let exec = match docker.create_exec(&id, options).await {
            Ok(exec) => exec.id,
            // 409: the container does not run.
            Err(error) if status_of(&error) == Some(409) => {
                return Err(EngineError::NotFound { engine: self.title(), object: format!("running container {}", object.name) });
            }
            Err(error) => return Err(self.read_error("exec in", &object.name, error)),
        };
        let start = StartExecOptions { detach: false, tty: request.terminal, output_capacity: None };
        let started = docker.start_exec(&exec, Some(start)).await;
        let started = started.map_err(|error| self.read_error("exec in", &object.name, error))?;
        let StartExecResults::Attached { output, input } = started else {
            return Err(self.refused(&object.name, "it was detached"));
        };
        let (ended, end) = oneshot::channel::<()>();
        let engine = (self.title(), object.name.clone());
        Ok(Opened {
            input: request.input.then_some(input),
            output: until_end(output, ended).boxed(),
            sizes: request.terminal.then(|| sizes(docker.clone(), exec.clone())),
            exit: Box::pin(async move {
                // The sender goes with the output, however that ends.
                let _ = end.await;
                exit_code(&docker, &exec, engine).await
            }),
        })
    }

    fn refused(&self, object: &str, why: &str) -> EngineError {
        EngineError::Refused { engine: self.title(), verb: "exec in", object: object.to_owned(), source: why.into() }
    }
}

/// The parts of the output; `ended` is dropped behind the last one.
fn until_end(
    output: std::pin::Pin<Box<dyn futures::Stream<Item = Result<LogOutput, bollard::errors::Error>> + Send>>,
    ended: oneshot::Sender<()>,
) -> impl futures::Stream<Item = Chunk> + Send + 'static {
    futures::stream::unfold((output, ended), |(mut output, ended)| async move {
        loop {
            let (stream, bytes) = match output.next().await? {
                Ok(LogOutput::StdOut { message } | LogOutput::Console { message }) => (Stream::Stdout, message),
                Ok(LogOutput::StdErr { message }) => (Stream::Stderr, message),
                Ok(LogOutput::StdIn { .. }) => continue,
                Err(error) => {
                    tracing::debug!("the output of a command ended early: {error}");
                    return None;
                }
            };
            return Some((Chunk { stream, bytes }, (output, ended)));
        }
    })
}

/// Tells the engine each size that is sent.
fn sizes(docker: Docker, exec: String) -> mpsc::Sender<Size> {
    let (sender, mut receiver) = mpsc::channel::<Size>(SIZES_AHEAD);
    tokio::spawn(async move {
        while let Some(size) = receiver.recv().await {
            let options = ResizeExecOptionsBuilder::default().h(size.height.into()).w(size.width.into()).build();
            if let Err(error) = docker.resize_exec(&exec, options).await {
                tracing::debug!("a terminal was not resized: {error}");
            }
        }
    });
    sender
}

/// The engine may still call a command running whose output just ended.
async fn exit_code(docker: &Docker, exec: &str, (engine, object): (&'static str, String)) -> Result<i64, EngineError> {
    for _ in 0..EXIT_TRIES {
        match docker.inspect_exec(exec).await {
            Ok(found) if found.running == Some(false) => {
                if let Some(code) = found.exit_code {
                    return Ok(code);
                }
            }
            Ok(_) => {}
            Err(error) => {
                return Err(EngineError::Refused { engine, verb: "follow a command in", object, source: Box::new(error) });
            }
        }
        tokio::time::sleep(EXIT_PAUSE).await;
    }
    Err(EngineError::Refused { engine, verb: "follow a command in", object, source: "its end was not told".into() })
}
