//! A command beside a running workload that somebody talks to.

use std::pin::Pin;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use koan_exec::{End, ExecError, OnTerminal, Request, Terminal, open as open_child, open_on_terminal};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio_util::io::ReaderStream;

use super::exec::{beside, exit_code, refused};
use super::layout::Places;
use super::options::ProcessOptions;
use super::workloads::Stored;
use crate::contract::{EngineError, Stream};
use crate::interactive::{Chunk, OpenRequest, Opened, Size};

/// Sizes of a terminal that wait to be told.
const SIZES_AHEAD: usize = 4;

/// Starts the command, on a terminal of its own where one is asked for.
pub(crate) fn open(
    stored: &Stored,
    places: &Places,
    options: &ProcessOptions,
    request: &OpenRequest,
) -> Result<Opened, EngineError> {
    let child = beside(stored, places, &request.command)?;
    if request.terminal {
        return on_terminal(stored, options, request, &child);
    }
    let child = open_child(&child).map_err(|error| refused(stored, error))?;
    let input = child.input.filter(|_| request.input).map(|input| Box::pin(input) as Pin<Box<dyn AsyncWrite + Send>>);
    let output = futures::stream::select(parts(child.output, Stream::Stdout), parts(child.errors, Stream::Stderr));
    Ok(Opened { input, output: output.boxed(), sizes: None, exit: exit(stored, child.end) })
}

fn on_terminal(stored: &Stored, options: &ProcessOptions, request: &OpenRequest, child: &Request) -> Result<Opened, EngineError> {
    let OnTerminal { terminal, end } = open_on_terminal(child, &options.terminal).map_err(|error| refused(stored, error))?;
    let input = request.input.then(|| Box::pin(terminal.clone()) as Pin<Box<dyn AsyncWrite + Send>>);
    Ok(Opened {
        input,
        output: parts(Some(terminal.clone()), Stream::Stdout),
        sizes: Some(sizes(terminal)),
        exit: exit(stored, end),
    })
}

/// The exit code of a command, once it ended.
fn exit(stored: &Stored, end: End) -> BoxFuture<'static, Result<i64, EngineError>> {
    let stored = stored.clone();
    Box::pin(async move {
        let ending = end.wait().await.map_err(|error: ExecError| refused(&stored, error))?;
        exit_code(ending).ok_or_else(|| refused(&stored, "its end was not seen"))
    })
}

/// Gives a terminal each size that is sent.
fn sizes(terminal: Terminal) -> mpsc::Sender<Size> {
    let (sender, mut receiver) = mpsc::channel::<Size>(SIZES_AHEAD);
    tokio::spawn(async move {
        while let Some(Size { width, height }) = receiver.recv().await {
            if let Err(error) = terminal.resize(width, height) {
                tracing::debug!("a terminal was not resized: {error}");
            }
        }
    });
    sender
}

/// What comes out of a pipe.
fn parts(pipe: Option<impl AsyncRead + Send + 'static>, stream: Stream) -> BoxStream<'static, Chunk> {
    let Some(pipe) = pipe else { return futures::stream::empty().boxed() };
    let read = ReaderStream::new(Box::pin(pipe)).take_while(|part| std::future::ready(part.is_ok()));
    read.filter_map(move |part| std::future::ready(part.ok().map(|bytes| Chunk { stream, bytes }))).boxed()
}
