//! A command beside a running workload that somebody talks to.

use std::pin::Pin;

use futures::StreamExt;
use futures::stream::BoxStream;
use koan_exec::{ExecError, open as open_child};
use tokio::io::AsyncRead;
use tokio_util::io::ReaderStream;

use super::exec::{beside, exit_code, refused};
use super::layout::Places;
use super::workloads::Stored;
use crate::contract::{EngineError, Stream};
use crate::interactive::{Chunk, OpenRequest, Opened};

/// Starts the command. Programs of the host get no terminal: there is nothing that would own it.
pub(crate) fn open(stored: &Stored, places: &Places, request: &OpenRequest) -> Result<Opened, EngineError> {
    if request.terminal {
        return Err(refused(stored, "programs of the host get no terminal; leave the terminal out (kubectl exec without -t)"));
    }
    let child = open_child(&beside(stored, places, &request.command)?).map_err(|error| refused(stored, error))?;
    let input = child.input.filter(|_| request.input).map(|input| Box::pin(input) as Pin<Box<dyn tokio::io::AsyncWrite + Send>>);
    let output = futures::stream::select(parts(child.output, Stream::Stdout), parts(child.errors, Stream::Stderr));
    let (end, stored) = (child.end, stored.clone());
    Ok(Opened {
        input,
        output: output.boxed(),
        sizes: None,
        exit: Box::pin(async move {
            let ending = end.wait().await.map_err(|error: ExecError| refused(&stored, error))?;
            exit_code(ending).ok_or_else(|| refused(&stored, "its end was not seen"))
        }),
    })
}

/// What comes out of a pipe.
fn parts(pipe: Option<impl AsyncRead + Send + 'static>, stream: Stream) -> BoxStream<'static, Chunk> {
    let Some(pipe) = pipe else { return futures::stream::empty().boxed() };
    let read = ReaderStream::new(Box::pin(pipe)).take_while(|part| std::future::ready(part.is_ok()));
    read.filter_map(move |part| std::future::ready(part.ok().map(|bytes| Chunk { stream, bytes }))).boxed()
}
