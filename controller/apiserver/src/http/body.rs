//! Response bodies, and reading request bodies within their limit.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures::Stream;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt as _;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use crate::status::Failure;

/// The largest request body.
pub(crate) const BODY_LIMIT_BYTES: usize = 3 * 1024 * 1024;

/// The body of a response: all at once, or a stream of watch lines.
pub struct Body(Inner);

enum Inner {
    Full(Option<Bytes>),
    Stream(Pin<Box<dyn Stream<Item = Bytes> + Send>>),
}

impl Body {
    pub(crate) fn full(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self(Inner::Full((!bytes.is_empty()).then_some(bytes)))
    }

    pub(crate) fn stream(stream: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Inner::Stream(Box::pin(stream)))
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.0 {
            Inner::Full(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Inner::Stream(stream) => stream.as_mut().poll_next(context).map(|item| item.map(|bytes| Ok(Frame::data(bytes)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Inner::Full(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Inner::Full(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
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

/// A plain-text response.
pub(crate) fn text(code: u16, text: impl Into<String>) -> Response<Body> {
    respond(code, "text/plain; charset=utf-8", text.into())
}

impl From<Failure> for Response<Body> {
    fn from(failure: Failure) -> Self {
        let mut response = json(failure.code, failure.to_bytes());
        if matches!(failure.code, 429 | 503) {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}
