//! Bounded connections: every connect, read and answer has a deadline and a limit, and a fault names what was seen.

use std::any::Any;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use koan_crds::v1alpha1::EvidenceCode;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, timeout_at};

use crate::tls::{self, Verified};

/// Longest connect to a loopback address (DET-12).
pub const CONNECT_LOOPBACK: Duration = Duration::from_millis(250);
/// Longest connect elsewhere (DET-12).
pub(crate) const CONNECT_ELSEWHERE: Duration = Duration::from_millis(500);
/// Longest wait for a greeting (DET-12).
pub const GREETING: Duration = Duration::from_millis(500);
/// Bytes that one connection may send to us (DET-12).
pub const READ_LIMIT: usize = 64 * 1024;
/// Start of an alert of TLS.
const TLS_ALERT: [u8; 5] = [0x15, 3, 1, 0, 2];

/// An address literal or a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// TCP.
    Tcp(SocketAddr),
    /// Unix socket.
    Unix(PathBuf),
}

impl Target {
    /// It never leaves this machine.
    pub(crate) fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// An address that no network routes beyond its own site.
    pub(crate) fn is_private(&self) -> bool {
        match self {
            Self::Tcp(address) => match address.ip().to_canonical() {
                IpAddr::V4(address) => address.is_private() || address.is_link_local(),
                IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
            },
            Self::Unix(_) => true,
        }
    }

    fn connect_limit(&self) -> Duration {
        if self.is_local() { CONNECT_LOOPBACK } else { CONNECT_ELSEWHERE }
    }
}

/// A server as a candidate names it.
pub(crate) struct Peer {
    /// Where it is.
    pub(crate) target: Target,
    /// TLS that it has to prove itself by.
    pub(crate) tls: Option<Verified>,
    parked: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Peer {
    /// A server to which nothing is connected yet.
    pub(crate) fn new(target: Target, tls: Option<Verified>) -> Self {
        Self { target, tls, parked: Mutex::new(None) }
    }

    /// Keeps a connection that greeted for the login that follows.
    pub(crate) fn park(&self, session: impl Any + Send) {
        *self.parked.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(session));
    }

    /// The kept connection, once.
    pub(crate) fn resume<T: Any>(&self) -> Option<T> {
        let parked = self.parked.lock().unwrap_or_else(PoisonError::into_inner).take();
        parked.and_then(|session| session.downcast().ok()).map(|session| *session)
    }

    /// Connects, and finishes the TLS handshake that is demanded before anything else is said.
    pub(crate) async fn open(&self, deadline: Instant) -> Result<Wire, Fault> {
        let plain = connect(&self.target, deadline).await?;
        match &self.tls {
            Some(tls) => tls.handshake(plain, deadline).await,
            None => Ok(plain),
        }
    }
}

/// What went wrong, as evidence; the detail never holds a credential.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Code of the evidence.
    pub(crate) code: EvidenceCode,
    /// Detail of the evidence.
    pub(crate) detail: String,
    /// Something accepted the connection.
    pub(crate) connected: bool,
}

impl Fault {
    /// A fault of something that listens.
    pub(crate) fn new(code: EvidenceCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), connected: true }
    }

    /// Nothing accepted a connection.
    pub(crate) fn absent(code: EvidenceCode, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), connected: false }
    }

    /// Something else answered; its product is named where it is known.
    pub(crate) fn wrong(bytes: &[u8]) -> Self {
        let product = match bytes {
            [b'H', b'T', b'T', b'P', b'/', ..] => "an HTTP server answers",
            [b'S', b'S', b'H', b'-', ..] => "an SSH server answers",
            [b'A', b'M', b'Q', b'P', ..] => "a server of another AMQP answers",
            [0x15, 3, _minor, 0, 2, ..] => "a TLS server answers",
            [b'-', b'E', b'R', b'R', ..] | [b'-', b'N', b'O', b'A', b'U', b'T', b'H', ..] => {
                "a server of the Redis protocol answers"
            }
            [b'I', b'N', b'F', b'O', b' ', b'{', ..] => "a NATS server answers",
            _ => "another protocol answers",
        };
        Self::new(EvidenceCode::WrongProtocol, product)
    }

    /// It accepted and closed.
    pub(crate) fn is_closed(&self) -> bool {
        *self == Self::closed()
    }

    /// It ended the connection as listeners of TLS alone do where the first bytes are no handshake.
    pub(crate) fn hints_tls(&self) -> bool {
        self.is_closed() || *self == Self::wrong(&TLS_ALERT)
    }

    fn closed() -> Self {
        Self::new(EvidenceCode::WrongProtocol, "it closed the connection instead of a greeting")
    }
}

/// Bytes in both directions.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Duplex for T {}

/// A connection that delivers at most [`READ_LIMIT`] bytes and remembers how many it did.
pub(crate) struct Wire {
    inner: Box<dyn Duplex>,
    read: usize,
}

impl Wire {
    /// Counts anew from an inner stream, such as TLS over a wire.
    pub(crate) fn over(inner: impl Duplex + 'static) -> Self {
        Self { inner: Box::new(inner), read: 0 }
    }

    /// Sends everything.
    pub(crate) async fn send(&mut self, bytes: &[u8], deadline: Instant) -> Result<(), Fault> {
        match timeout_at(deadline, self.inner.write_all(bytes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Fault::closed()),
            Err(_) => Err(Fault::new(EvidenceCode::Timeout, "it takes no bytes")),
        }
    }

    /// Appends at least one byte to `buffer`.
    pub(crate) async fn more(&mut self, buffer: &mut Vec<u8>, limit: usize, deadline: Instant) -> Result<(), Fault> {
        let mut chunk = [0_u8; 4096];
        let room = limit.saturating_sub(buffer.len()).min(chunk.len());
        if room == 0 {
            return Err(Fault::new(EvidenceCode::WrongProtocol, "it sends without end"));
        }
        match timeout_at(deadline, self.read(&mut chunk[..room])).await {
            Ok(Ok(0)) => Err(Fault::closed()),
            Ok(Ok(count)) => {
                buffer.extend_from_slice(&chunk[..count]);
                Ok(())
            }
            Ok(Err(error)) if error.kind() == io::ErrorKind::FileTooLarge => {
                Err(Fault::new(EvidenceCode::WrongProtocol, "it sends without end"))
            }
            Ok(Err(error)) => Err(tls::of_stream(&error).unwrap_or_else(Fault::closed)),
            Err(_) if buffer.is_empty() && self.read == 0 => Err(Fault::new(EvidenceCode::Silent, "it accepts and says nothing")),
            Err(_) => Err(Fault::new(EvidenceCode::Timeout, "its answer does not end in time")),
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.read >= READ_LIMIT {
            return Poll::Ready(Err(io::ErrorKind::FileTooLarge.into()));
        }
        let before = buffer.filled().len();
        let answer = Pin::new(&mut self.inner).poll_read(context, buffer);
        self.read += buffer.filled().len() - before;
        answer
    }
}

impl AsyncWrite for Wire {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

/// Connects, within the limit of the target's class and the deadline. No proxy, no redirect (DET-10).
pub(crate) async fn connect(target: &Target, deadline: Instant) -> Result<Wire, Fault> {
    let limit = deadline.min(Instant::now() + target.connect_limit());
    let connecting = async {
        match target {
            Target::Tcp(address) => TcpStream::connect(address).await.map(Wire::over),
            Target::Unix(path) => UnixStream::connect(path).await.map(Wire::over),
        }
    };
    match timeout_at(limit, connecting).await {
        Ok(Ok(wire)) => Ok(wire),
        Ok(Err(error)) => match error.kind() {
            io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
                Err(Fault::absent(EvidenceCode::Refused, "nothing listens there"))
            }
            kind => Err(Fault::absent(EvidenceCode::Unreachable, kind.to_string())),
        },
        Err(_) => Err(Fault::absent(EvidenceCode::Timeout, "no connection in time")),
    }
}
