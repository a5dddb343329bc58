//! A pane of glass before an engine's socket: every request and answer passes unchanged, and is told (ENG-5).
//!
//! It stands there only while bodies are told: the typed client takes no body but that of a connection of its own, so the pane is
//! the other end of one.

use std::pin::pin;
use std::sync::Arc;

use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper::upgrade::{OnUpgrade, on};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, copy_bidirectional, duplex};
use tokio::sync::Mutex;

use crate::exchange::{Exchange, ToldBody};

/// Bytes between the client and the pane.
const PANE_BYTES: usize = 64 * 1024;

type Sender = Arc<Mutex<SendRequest<ToldBody<Incoming>>>>;

/// The client's end of a connection to `socket`, whose address is `endpoint`; it ends with either side.
pub(super) fn before<S>(socket: S, endpoint: String) -> DuplexStream
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (client, pane) = duplex(PANE_BYTES);
    tokio::spawn(async move {
        if let Err(error) = pass(pane, socket, endpoint).await {
            tracing::debug!(%error, "a connection to the engine ended");
        }
    });
    client
}

async fn pass<S>(pane: DuplexStream, socket: S, endpoint: String) -> hyper::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = handshake(TokioIo::new(socket)).await?;
    let (sender, endpoint): (Sender, Arc<str>) = (Arc::new(Mutex::new(sender)), endpoint.into());
    let service = service_fn(move |request| forward(request, Arc::clone(&sender), Arc::clone(&endpoint)));
    let served = Builder::new().serve_connection(TokioIo::new(pane), service).with_upgrades();
    let mut served = pin!(served);
    tokio::select! {
        ended = &mut served => ended,
        ended = connection.with_upgrades() => {
            // The engine's side is over: what was answered still passes.
            served.as_mut().graceful_shutdown();
            served.await.and(ended)
        }
    }
}

async fn forward(request: Request<Incoming>, sender: Sender, endpoint: Arc<str>) -> hyper::Result<Response<ToldBody<Incoming>>> {
    let mut request = request;
    let theirs = on(&mut request);
    let exchange = Exchange::begin(request.method(), &format!("{endpoint}{}", request.uri()), |_key, _value| {});
    let mut sender = sender.lock().await;
    let answer = match sender.ready().await {
        Ok(()) => sender.send_request(request.map(|body| exchange.request(body))).await,
        Err(error) => Err(error),
    };
    drop(sender);
    exchange.answered(answer.as_ref().map(Response::status));
    let mut answer = answer?;
    if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
        tokio::spawn(join(theirs, on(&mut answer)));
    }
    Ok(answer.map(|body| exchange.answer(body)))
}

/// Joins two connections that speak something else than HTTP from now on; such a stream is not told.
async fn join(client: OnUpgrade, engine: OnUpgrade) {
    let (Ok(client), Ok(engine)) = (client.await, engine.await) else { return };
    // Either side may go at any time: the other one sees it.
    let _ = copy_bidirectional(&mut TokioIo::new(client), &mut TokioIo::new(engine)).await;
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use http_body_util::{BodyExt, Empty};
    use hyper_util::rt::TokioIo;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    /// Answers `/upgrade` by repeating what comes on the connection, in capitals, until it ends; everything else by closing.
    async fn engine(socket: DuplexStream) {
        let service = service_fn(|mut request: Request<Incoming>| async move {
            let answer = Response::builder().header("connection", "upgrade").header("upgrade", "tcp");
            if request.uri().path() == "/upgrade" {
                let upgraded = on(&mut request);
                tokio::spawn(async move {
                    let mut stream = TokioIo::new(upgraded.await.unwrap());
                    let mut buffer = [0; 16];
                    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
                        stream.write_all(&buffer[..count].to_ascii_uppercase()).await.unwrap();
                    }
                });
                return answer.status(StatusCode::SWITCHING_PROTOCOLS).body(Empty::<Bytes>::new());
            }
            Response::builder().header("connection", "close").body(Empty::new())
        });
        Builder::new().serve_connection(TokioIo::new(socket), service).with_upgrades().await.unwrap();
    }

    async fn client(path: &str) -> (Response<Incoming>, SendRequest<Empty<Bytes>>) {
        let (ours, theirs) = duplex(PANE_BYTES);
        tokio::spawn(engine(theirs));
        let (mut sender, connection) = handshake(TokioIo::new(before(ours, "unix:///engine.sock".to_owned()))).await.unwrap();
        tokio::spawn(connection.with_upgrades());
        let request = Request::get(path).header("connection", "upgrade").header("upgrade", "tcp").body(Empty::new()).unwrap();
        (sender.send_request(request).await.unwrap(), sender)
    }

    /// ENG-5, ENG-9: a connection that changes its protocol (`exec`) works through the pane, in both directions, to its end.
    #[tokio::test]
    async fn a_connection_that_changes_its_protocol_passes() {
        let (mut answer, _sender) = client("/upgrade").await;
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        let mut stream = TokioIo::new(on(&mut answer).await.unwrap());
        stream.write_all(b"hello").await.unwrap();
        let mut buffer = [0; 5];
        stream.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"HELLO");
        stream.shutdown().await.unwrap();
        assert_eq!(stream.read(&mut buffer).await.unwrap(), 0, "the end passes, too");
    }

    /// ENG-5: a connection that the engine closes is closed for the client, so that its pool does not use it again.
    #[tokio::test]
    async fn a_connection_that_the_engine_closes_ends() {
        let (answer, mut sender) = client("/other").await;
        assert_eq!(answer.into_body().collect().await.unwrap().to_bytes().len(), 0);
        assert!(sender.ready().await.is_err());
    }
}
