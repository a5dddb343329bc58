//! WebSocket upgrades: what a client offers, the answer that accepts it, and the hand-over of the connection.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Utf8Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};

use super::Body;
use crate::status::Failure;

/// The largest message that a client may send.
const MESSAGE_LIMIT_BYTES: usize = 3 * 1024 * 1024;
/// How long the connection may take to change over.
const UPGRADE_TIME: Duration = Duration::from_secs(10);
/// What a key is joined with before it is hashed (RFC 6455, section 1.3).
const MAGIC: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// A subprotocol that carries a token, for browsers, which cannot set the header.
pub(crate) const BEARER: &str = "base64url.bearer.authorization.k8s.io.";

/// An open WebSocket.
pub(crate) type Socket = WebSocketStream<TokioIo<Upgraded>>;

type Serve = Box<dyn FnOnce(Socket) -> BoxFuture<'static, ()> + Send>;

/// What is done with the connection once the answer is sent.
#[derive(Clone)]
struct Handoff(Arc<Mutex<Option<Serve>>>);

/// What a client asks a connection to become.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wish {
    /// To stay as it is.
    Nothing,
    /// A WebSocket.
    WebSocket(Offer),
    /// Something else, by its name.
    Other(String),
}

/// An offered WebSocket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Offer {
    key: String,
    protocols: Vec<String>,
}

/// The subprotocols that a request offers, in its order.
pub(crate) fn protocols(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| !name.is_empty())
}

/// Whether the request asks for a WebSocket.
pub(crate) fn is_websocket(headers: &HeaderMap) -> bool {
    upgrade(headers).is_some_and(|name| name.eq_ignore_ascii_case("websocket"))
}

fn upgrade(headers: &HeaderMap) -> Option<&str> {
    let asks = headers.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let asks = asks.flat_map(|value| value.split(',')).any(|word| word.trim().eq_ignore_ascii_case("upgrade"));
    headers.get(header::UPGRADE).filter(|_| asks)?.to_str().ok()
}

/// Reads what the client asks for.
///
/// # Errors
/// 400: a WebSocket of another version or without a key.
pub(crate) fn wish(headers: &HeaderMap) -> Result<Wish, Failure> {
    let Some(name) = upgrade(headers) else { return Ok(Wish::Nothing) };
    if !is_websocket(headers) {
        return Ok(Wish::Other(name.to_owned()));
    }
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok()).unwrap_or_default();
    let key = text(header::SEC_WEBSOCKET_KEY).to_owned();
    if text(header::SEC_WEBSOCKET_VERSION) != "13" || key.is_empty() {
        return Err(Failure::bad_request("a WebSocket of version 13 with a Sec-WebSocket-Key is served"));
    }
    let protocols = protocols(headers).filter(|name| !name.starts_with(BEARER)).map(str::to_owned).collect();
    Ok(Wish::WebSocket(Offer { key, protocols }))
}

impl Offer {
    /// The first offered subprotocol that is served; `Ok(None)` where none was offered.
    ///
    /// # Errors
    /// 400: only others were offered.
    pub(crate) fn choose(&self, served: &[&'static str]) -> Result<Option<&'static str>, Failure> {
        let chosen = self.protocols.iter().find_map(|offered| served.iter().find(|name| *name == offered).copied());
        if chosen.is_none() && !self.protocols.is_empty() {
            let message = format!("subprotocols served here: {}; offered: {}", served.join(", "), self.protocols.join(", "));
            return Err(Failure::bad_request(message));
        }
        Ok(chosen)
    }

    /// The answer that accepts it; `serve` gets the socket, and owns it until it ends.
    pub(crate) fn accept(
        &self,
        protocol: Option<&'static str>,
        serve: impl FnOnce(Socket) -> BoxFuture<'static, ()> + Send + 'static,
    ) -> Response<Body> {
        let digest = ring::digest::digest(
            &ring::digest::SHA1_FOR_LEGACY_USE_ONLY,
            [self.key.as_bytes(), MAGIC.as_bytes()].concat().as_slice(),
        );
        let mut response = Response::new(Body::full(Vec::new()));
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        if let Ok(accept) = HeaderValue::from_str(&STANDARD.encode(digest.as_ref())) {
            headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        }
        if let Some(protocol) = protocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(protocol));
        }
        let serve: Serve = Box::new(serve);
        response.extensions_mut().insert(Handoff(Arc::new(Mutex::new(Some(serve)))));
        response
    }
}

/// The close of a stream that came to its end; clients take one without a code for a broken connection.
pub(crate) fn farewell() -> CloseFrame {
    CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() }
}

/// Passes the connection of an accepted upgrade on; other answers stay as they are.
pub(crate) fn hand_over(mut response: Response<Body>, upgrade: Option<OnUpgrade>) -> Response<Body> {
    let Some(Handoff(serve)) = response.extensions_mut().remove::<Handoff>() else { return response };
    let serve = serve.lock().unwrap_or_else(PoisonError::into_inner).take();
    let (Some(serve), Some(upgrade)) = (serve, upgrade) else {
        return Failure::bad_request("this connection cannot be upgraded").into();
    };
    tokio::spawn(async move {
        let Ok(Ok(upgraded)) = tokio::time::timeout(UPGRADE_TIME, upgrade).await else { return };
        let config =
            WebSocketConfig::default().max_message_size(Some(MESSAGE_LIMIT_BYTES)).max_frame_size(Some(MESSAGE_LIMIT_BYTES));
        serve(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await).await;
    });
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
    }

    /// API-19: the key of RFC 6455 gets its answer, the first served subprotocol of the client's order is chosen, and a token
    /// among them is never echoed.
    #[test]
    fn an_offer_is_accepted_by_the_book() {
        let asked = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
            ("sec-websocket-protocol", "base64url.bearer.authorization.k8s.io.dG9rZW4, b, a"),
        ]);
        let Wish::WebSocket(offer) = wish(&asked).unwrap() else { panic!("no offer") };
        let protocol = offer.choose(&["a", "b"]).unwrap();
        assert_eq!(protocol, Some("b"));
        let response = offer.accept(protocol, |_| Box::pin(async {}));
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(response.headers()["sec-websocket-protocol"], "b");
        assert!(offer.choose(&["c"]).is_err());
    }

    /// API-19: an old version is refused, SPDY is told by its name, and without the Connection header nothing is asked.
    #[test]
    fn other_wishes_are_told_apart() {
        let spdy = headers(&[("connection", "Upgrade"), ("upgrade", "SPDY/3.1")]);
        assert_eq!(wish(&spdy).unwrap(), Wish::Other("SPDY/3.1".to_owned()));
        assert_eq!(wish(&headers(&[("upgrade", "websocket")])).unwrap(), Wish::Nothing);
        let old = headers(&[("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-version", "8")]);
        assert_eq!(wish(&old).unwrap_err().code(), 400);
    }
}
