//! Response bodies, and reading request bodies within their limit.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::debts::{Debt, STALL_TIME, TAKE_TIME};
use super::media::{Encoding, Transforms, encoding};
use crate::codec::yaml_text;
use crate::server::Permit;
use crate::status::Failure;

/// The largest request body.
pub(crate) const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;

/// What all warnings of an answer may have together, and each of them where they would have more (the reference's figures).
const WARNINGS_LETTERS: usize = 4 * 1024;
const WARNING_LETTERS: usize = 256;

/// What is handed to a connection at a time: so much of an answer may wait there for a client that does not read.
const PIECE_BYTES: usize = 64 * 1024;

/// The body of a response: all at once, or a stream of watch lines.
pub struct Body {
    inner: Inner,
    /// What its client owes while it does not take it.
    debt: Option<Debt>,
    /// The right to the request, until its answer is taken.
    _permit: Option<Permit>,
}

enum Inner {
    /// What is left of it.
    Full(Bytes),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    fn new(inner: Inner) -> Self {
        Self { inner, debt: None, _permit: None }
    }

    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        Self::new(Inner::Full(bytes.into()))
    }

    pub(crate) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self::new(Inner::Stream(Box::pin(stream)))
    }

    /// All of it, where it is there at once.
    pub(super) fn whole(&self) -> Option<Bytes> {
        match &self.inner {
            Inner::Full(bytes) => Some(bytes.clone()),
            Inner::Stream(_) => None,
        }
    }

    /// The same body, which notes with `debt` whether its client takes it, and holds `permit` until it has; a stream, which has a
    /// limit of its own, gives it back.
    pub(crate) fn held(self, debt: Option<Debt>, permit: Option<Permit>) -> Self {
        let permit = permit.filter(|_| matches!(self.inner, Inner::Full(_)));
        let patience = if matches!(self.inner, Inner::Full(_)) { TAKE_TIME } else { STALL_TIME };
        debt.iter().filter(|_| !self.is_end_stream()).for_each(|debt| debt.begin(patience));
        Self { debt, _permit: permit, ..self }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Self { inner, debt, .. } = &mut *self;
        match inner {
            Inner::Full(rest) if rest.is_empty() => Poll::Ready(None),
            Inner::Full(rest) => Poll::Ready(Some(Ok(Frame::data(rest.split_to(rest.len().min(PIECE_BYTES)))))),
            Inner::Stream(stream) => {
                // Who asks for more has taken what was there.
                debt.iter().for_each(Debt::settle);
                let next = std::task::ready!(stream.as_mut().poll_next(context));
                if next.is_some() {
                    debt.iter().for_each(|debt| debt.begin(STALL_TIME));
                }
                Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.inner, Inner::Full(rest) if rest.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.inner {
            Inner::Full(rest) => SizeHint::with_exact(rest.len() as u64),
            Inner::Stream(_) => SizeHint::default(),
        }
    }
}

/// Reads a whole request body, at most [`BODY_LIMIT_BYTES`].
pub(crate) async fn read_limited<B>(body: B) -> Result<Bytes, Failure>
where
    B: HttpBody<Data = Bytes>,
{
    if body.size_hint().lower() > BODY_LIMIT_BYTES as u64 {
        return Err(Failure::too_large(BODY_LIMIT_BYTES));
    }
    let mut body = std::pin::pin!(body);
    let mut first = Bytes::new();
    let mut rest = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| Failure::bad_request("the body of the request ended early"))?;
        let Ok(data) = frame.into_data() else { continue };
        if first.len() + rest.len() + data.len() > BODY_LIMIT_BYTES {
            return Err(Failure::too_large(BODY_LIMIT_BYTES));
        }
        if first.is_empty() {
            first = data;
        } else {
            if rest.is_empty() {
                rest.extend_from_slice(&first);
            }
            rest.extend_from_slice(&data);
        }
    }
    Ok(if rest.is_empty() { first } else { rest.freeze() })
}

/// A response with `bytes` of the media type `media`.
pub(crate) fn respond(code: u16, media: &'static str, bytes: impl Into<Bytes>) -> Response<Body> {
    let mut response = Response::new(Body::full(bytes));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A response whose JSON lines come as they happen.
pub(crate) fn respond_stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut response = json(200, Bytes::new());
    *response.body_mut() = Body::stream(stream);
    response
}

/// A plain-text response whose lines come as they happen.
pub(crate) fn respond_lines(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut response = respond(200, "text/plain", Bytes::new());
    *response.body_mut() = Body::stream(stream);
    response
}

/// A JSON response.
pub(crate) fn json(code: u16, bytes: impl Into<Bytes>) -> Response<Body> {
    respond(code, "application/json", bytes)
}

/// `response` as its client reads it best: a whole JSON answer in YAML where that was asked for.
pub(crate) fn in_encoding(response: Response<Body>, headers: &HeaderMap) -> Response<Body> {
    let is_json = response.headers().get(header::CONTENT_TYPE).is_some_and(|media| media == "application/json");
    // A refusal has no other shape than its own.
    let transforms = if response.status().is_success() { Transforms::All } else { Transforms::None };
    if !is_json || encoding(headers, transforms) == Encoding::Json {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Inner::Full(bytes) = &body.inner else { return Response::from_parts(parts, body) };
    let Ok(value) = serde_json::from_slice(bytes) else { return Response::from_parts(parts, body) };
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/yaml"));
    Response::from_parts(parts, Body { inner: Inner::Full(yaml_text(&value).into()), ..body })
}

/// A plain-text response.
pub(crate) fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    respond(code, "text/plain; charset=utf-8", text.into())
}

impl From<Failure> for Response<Body> {
    fn from(failure: Failure) -> Self {
        let mut response = json(failure.code, failure.to_bytes());
        if matches!(failure.code, 429 | 503 | 504) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        warn(&mut response, failure.warnings);
        response
    }
}

/// Adds one `Warning` header for each text.
pub(crate) fn warn(response: &mut Response<Body>, warnings: Vec<String>) {
    let letters = |text: &str| text.chars().count();
    let cut = warnings.iter().map(|warning| letters(warning)).sum::<usize>() > WARNINGS_LETTERS;
    let mut sent = 0;
    for warning in warnings {
        let warning = if cut { warning.chars().take(WARNING_LETTERS).collect() } else { warning };
        sent += letters(&warning);
        if sent > WARNINGS_LETTERS {
            return;
        }
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}
