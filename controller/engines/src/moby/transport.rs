//! One pooled client per engine (PERF-87); every request carries the negotiated API version in its path.
//!
//! `bollard`'s own socket client keeps no connection and names no version, hence this transport below it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bollard::errors::Error;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use futures::Stream;
use http::Uri;
use http_body_util::{Either, Full, StreamBody};
use hyper::Response;
use hyper::body::{Bytes, Frame, Incoming};
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::Connected;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::io::DuplexStream;
use tokio_util::either::Either as EitherStream;

use super::options::Endpoint;
use super::pane;
use super::width::START_WIDTH_MAX;
use crate::exchange;

/// Idle connections that are kept: every start, the events and one log (PERF-87).
const IDLE_CONNECTIONS: usize = START_WIDTH_MAX + 2;
/// How long an idle connection is kept.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Seconds until an ordinary call must have answered; longer ones say so.
const CALL_SECONDS: u64 = 120;

type FrameStream = Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::io::Error>> + Send>>;
type Body = Either<Full<Bytes>, StreamBody<FrameStream>>;

/// An API version; `0` means that none was negotiated.
#[derive(Debug, Default)]
pub(crate) struct NegotiatedVersion(AtomicU64);

impl NegotiatedVersion {
    /// Remembers a version.
    pub(crate) fn set(&self, (major, minor): (u64, u64)) {
        self.0.store(major << 32 | minor, Ordering::Relaxed);
    }

    fn prefix(&self) -> Option<String> {
        match self.0.load(Ordering::Relaxed) {
            0 => None,
            packed => Some(format!("/v{}.{}", packed >> 32, packed & u64::from(u32::MAX))),
        }
    }
}

/// The clients over one pool.
#[derive(Clone)]
pub(crate) struct Transport {
    /// The typed client.
    pub(crate) docker: Docker,
    /// Version that later requests name.
    pub(crate) version: Arc<NegotiatedVersion>,
    client: Client<Socket, Body>,
}

impl Transport {
    /// A transport for an endpoint; nothing is connected yet.
    pub(crate) fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        let client: Client<Socket, Body> = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_TIMEOUT)
            .pool_max_idle_per_host(IDLE_CONNECTIONS)
            .build(Socket(endpoint.clone()));
        let version = Arc::new(NegotiatedVersion::default());
        let (pooled, negotiated) = (client.clone(), Arc::clone(&version));
        let send = move |request: BollardRequest| {
            let client = pooled.clone();
            let request = with_version(request, negotiated.prefix());
            async move { client.request(request?).await.map_err(Error::from) }
        };
        let docker = Docker::connect_with_custom_transport(send, Some("http://localhost"), CALL_SECONDS, API_DEFAULT_VERSION)?;
        Ok(Self { docker, version, client })
    }

    /// The typed client with another deadline for the head of the answer.
    pub(crate) fn with_deadline(&self, deadline: Duration) -> Docker {
        self.docker.clone().with_timeout(deadline)
    }

    /// A GET whose answer is read by the caller, for streams that must be known to be open before anything is read.
    pub(crate) async fn get(&self, path_and_query: &str) -> Result<Response<Incoming>, Error> {
        let request = BollardRequest::new(bollard::body_full(Bytes::new()));
        let (mut parts, body) = request.into_parts();
        parts.uri = format!("http://localhost{path_and_query}").parse().map_err(|err| Error::InvalidURIError { err })?;
        let request = with_version(BollardRequest::from_parts(parts, body), self.version.prefix())?;
        self.client.request(request).await.map_err(Error::from)
    }
}

fn with_version(request: BollardRequest, prefix: Option<String>) -> Result<BollardRequest, Error> {
    let Some(prefix) = prefix else { return Ok(request) };
    let (mut parts, body) = request.into_parts();
    let mut uri = parts.uri.into_parts();
    let path = uri.path_and_query.as_ref().map_or("/", |path| path.as_str());
    uri.path_and_query = Some(format!("{prefix}{path}").parse().map_err(|err| Error::InvalidURIError { err })?);
    parts.uri = Uri::from_parts(uri).map_err(|err| Error::InvalidURIPartsError { err })?;
    Ok(BollardRequest::from_parts(parts, body))
}

/// Connects to the engine's socket or pipe.
#[derive(Clone)]
struct Socket(Endpoint);

#[cfg(unix)]
type SocketStream = tokio::net::UnixStream;
#[cfg(windows)]
type SocketStream = tokio::net::windows::named_pipe::NamedPipeClient;

impl tower::Service<Uri> for Socket {
    type Response = Connection;
    type Error = std::io::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _uri: Uri) -> Self::Future {
        let endpoint = self.0.clone();
        Box::pin(async move {
            let socket = connect(&endpoint).await?;
            let stream = if exchange::tells_bodies() {
                EitherStream::Right(pane::before(socket, endpoint.to_string()))
            } else {
                EitherStream::Left(socket)
            };
            Ok(Connection(TokioIo::new(stream)))
        })
    }
}

/// A connection to the engine, or to the pane before it.
struct Connection(TokioIo<EitherStream<SocketStream, DuplexStream>>);

impl hyper_util::client::legacy::connect::Connection for Connection {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl hyper::rt::Read for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: ReadBufCursor<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl hyper::rt::Write for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }
}

#[cfg(unix)]
async fn connect(endpoint: &Endpoint) -> std::io::Result<SocketStream> {
    match endpoint {
        Endpoint::Unix(path) => tokio::net::UnixStream::connect(path).await,
        Endpoint::Pipe(_) => Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "pipes exist on Windows only")),
    }
}

#[cfg(windows)]
async fn connect(endpoint: &Endpoint) -> std::io::Result<SocketStream> {
    match endpoint {
        Endpoint::Pipe(name) => tokio::net::windows::named_pipe::ClientOptions::new().open(name.replace('/', "\\")),
        Endpoint::Unix(_) => Err(std::io::Error::new(std::io::ErrorKind::Unsupported, "Unix sockets are not used on Windows")),
    }
}
