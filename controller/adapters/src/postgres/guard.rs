//! A stream that sees how the server wants to authenticate, and ends where that would send a password in a form that the listener's
//! class forbids (DET-20). The client crate answers every method by itself, so the decision is taken below it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Wire;

/// Length of an authentication request up to its method.
const HEAD: usize = 9;
/// No request was seen.
const UNSEEN: u32 = u32::MAX;
/// The server asks for nothing.
const OK: u32 = 0;
/// The password as it is.
const CLEARTEXT: u32 = 3;
/// The password's salted MD5, which whoever reads it can turn back.
const MD5: u32 = 5;

/// The method that a server asked for, readable after the stream has gone.
#[derive(Clone)]
pub(super) struct Method(Arc<AtomicU32>);

impl Method {
    /// The server asked for nothing.
    pub(super) fn trusted(&self) -> bool {
        self.0.load(Ordering::Acquire) == OK
    }

    /// The server asked for the password, or as good as that.
    pub(super) fn wants_plain_text(&self) -> bool {
        matches!(self.0.load(Ordering::Acquire), CLEARTEXT | MD5)
    }

    /// The server asked for anything at all.
    pub(super) fn asked(&self) -> bool {
        !matches!(self.0.load(Ordering::Acquire), UNSEEN | OK)
    }
}

/// The guarded stream.
pub(super) struct Guard {
    wire: Wire,
    head: Vec<u8>,
    method: Method,
    plain_text: bool,
}

impl Guard {
    /// Guards a wire; `plain_text` allows every method.
    pub(super) fn new(wire: Wire, plain_text: bool) -> (Self, Method) {
        let method = Method(Arc::new(AtomicU32::new(UNSEEN)));
        (Self { wire, head: Vec::with_capacity(HEAD), method: method.clone(), plain_text }, method)
    }

    fn see(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.head.len() >= HEAD {
            return Ok(());
        }
        self.head.extend(bytes.iter().take(HEAD - self.head.len()));
        if let [b'R', _, _, _, _, method @ ..] = self.head.as_slice()
            && let Ok(method) = <[u8; 4]>::try_from(method)
        {
            self.method.0.store(u32::from_be_bytes(method), Ordering::Release);
            if self.method.wants_plain_text() && !self.plain_text {
                return Err(io::ErrorKind::PermissionDenied.into());
            }
        }
        Ok(())
    }
}

impl AsyncRead for Guard {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let answer = Pin::new(&mut self.wire).poll_read(context, buffer);
        if let Poll::Ready(Ok(())) = answer {
            let seen = buffer.filled()[before..].to_vec();
            self.see(&seen)?;
        }
        answer
    }
}

impl AsyncWrite for Guard {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.wire).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.wire).poll_shutdown(context)
    }
}
