//! One record for each request and answer over HTTP, of engines and of API servers alike (CLI-3, ENG-5): method, address, status,
//! duration, and the bodies without their secrets. Headers are never told: logins travel in them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use bytes::{Buf, Bytes};
use http::{Method, StatusCode};
use hyper::body::{Body, Frame, SizeHint};
use koan_core::redact::{self, BODY_READ_MAX};
use koan_core::secret::Secret;

/// Target of the records about requests.
pub const WIRE: &str = "koan::wire";

/// Queries and ends of paths whose answer is one document after the other, each told when it came.
const STREAMS: [&str; 4] = ["watch=true", "watch=1", "/events", "/images/create"];

/// Told of each value of a Secret that a body held: its key, and the text that stood there.
pub type Learn = fn(&str, &Secret<String>);

/// A request with its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    method: Method,
    uri: Arc<str>,
    learn: Learn,
    begun: Instant,
}

/// True where bodies are told; otherwise nothing has to be kept of them.
pub fn tells_bodies() -> bool {
    tracing::enabled!(target: WIRE, tracing::Level::TRACE)
}

impl Exchange {
    /// Tells a request before it is sent.
    pub fn begin(method: &Method, uri: &str, learn: Learn) -> Self {
        tracing::trace!(target: WIRE, %method, uri, "request");
        Self { method: method.clone(), uri: uri.into(), learn, begun: Instant::now() }
    }

    /// Tells the head of the answer, or why there is none.
    pub fn answered<E: std::fmt::Display>(&self, status: Result<StatusCode, &E>) {
        let (method, uri, milliseconds) = (&self.method, &*self.uri, self.begun.elapsed().as_millis());
        match status {
            Ok(status) => tracing::debug!(target: WIRE, %method, uri, status = status.as_u16(), milliseconds, "answer"),
            Err(error) => tracing::debug!(target: WIRE, %method, uri, milliseconds, "no answer: {error}"),
        }
    }

    /// Tells a body that is there as a whole.
    pub fn tell(&self, part: &'static str, bytes: &[u8], length: u64) {
        let shown = redact::body(bytes, length, &self.uri);
        shown.secrets.iter().for_each(|(key, value)| (self.learn)(key, value));
        if !shown.text.is_empty() {
            tracing::trace!(target: WIRE, method = %self.method, uri = &*self.uri, body = %shown.text, "{part}");
        }
    }

    /// The body of the request, told once it was sent.
    pub fn request<B>(&self, body: B) -> ToldBody<B> {
        ToldBody::new(body, tells_bodies().then(|| Telling::new(self.clone(), "request body", false)))
    }

    /// The body of the answer, told once it was read; a stream of documents one by one.
    pub fn answer<B>(&self, body: B) -> ToldBody<B> {
        let path = self.uri.split('?').next().unwrap_or_default();
        let streams =
            STREAMS.iter().any(|mark| if mark.starts_with('/') { path.ends_with(mark) } else { self.uri.contains(mark) });
        ToldBody::new(body, tells_bodies().then(|| Telling::new(self.clone(), "answer body", streams)))
    }
}

/// A body that is told while it passes; without a listener it only passes.
#[derive(Debug)]
pub struct ToldBody<B> {
    inner: Pin<Box<B>>,
    telling: Option<Telling>,
}

impl<B> ToldBody<B> {
    fn new(inner: B, telling: Option<Telling>) -> Self {
        Self { inner: Box::pin(inner), telling }
    }
}

impl<B: Body<Data = Bytes>> Body for ToldBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = ready!(self.inner.as_mut().poll_frame(context));
        match (&frame, &mut self.telling) {
            (Some(Ok(frame)), Some(telling)) => frame.data_ref().into_iter().for_each(|data| telling.take(data)),
            (None, telling) => *telling = None,
            (Some(_), _) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// What was kept of a body; what is left is told when it goes.
#[derive(Debug)]
struct Telling {
    exchange: Exchange,
    part: &'static str,
    streams: bool,
    kept: Vec<u8>,
    length: u64,
}

impl Telling {
    fn new(exchange: Exchange, part: &'static str, streams: bool) -> Self {
        Self { exchange, part, streams, kept: Vec::new(), length: 0 }
    }

    fn take(&mut self, data: &Bytes) {
        let mut rest = data.clone();
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n').filter(|_| self.streams) {
            self.keep(&rest.split_to(end));
            rest.advance(1);
            self.flush();
        }
        self.keep(&rest);
    }

    fn keep(&mut self, data: &[u8]) {
        let room = BODY_READ_MAX.saturating_sub(self.kept.len()).min(data.len());
        self.kept.extend_from_slice(&data[..room]);
        self.length += u64::try_from(data.len()).unwrap_or(u64::MAX);
    }

    fn flush(&mut self) {
        self.exchange.tell(self.part, &self.kept, self.length);
        self.kept.clear();
        self.length = 0;
    }
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.flush();
    }
}
