//! The accept loop: TLS, HTTP/1.1 and HTTP/2 on one port, no Nagle, bounded heads, connections and patience.

use std::sync::Arc;
use std::time::Duration;

use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;

use super::debts::{Debts, Stalling};
use crate::server::{Service, stopped};

/// The largest request head.
const HEAD_LIMIT_BYTES: usize = 16 * 1024;
/// How long a head or a TLS handshake may take.
const HEAD_TIME: Duration = Duration::from_secs(10);
/// Connections that may be open at a time: every watch may have its own.
const CONNECTION_LIMIT: usize = 2_048;
/// Requests that one HTTP/2 connection may have open.
const STREAM_LIMIT: u32 = 250;
/// Reset streams that a client may leave behind unread.
const RESET_LIMIT: usize = 20;
/// Pause after a failed accept, so that a lack of descriptors does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Serves `listener` until the server stops.
pub(crate) async fn serve(listener: TcpListener, acceptor: TlsAcceptor, service: Service, mut stopping: watch::Receiver<bool>) {
    let connections = Arc::new(Semaphore::new(CONNECTION_LIMIT));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stopping) => return,
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let (acceptor, service, stopping) = (acceptor.clone(), service.clone(), stopping.clone());
        tokio::spawn(async move {
            let _permit = permit;
            connection(stream, acceptor, service, stopping).await;
        });
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, service: Service, stopping: watch::Receiver<bool>) {
    // A socket that cannot be configured is about to fail anyway.
    let _ = stream.set_nodelay(true);
    let accepted = tokio::time::timeout(HEAD_TIME, acceptor.accept(Stalling::new(stream))).await;
    let Ok(Ok(stream)) = accepted else { return };
    speak(TokioIo::new(stream), service, stopping).await;
}

/// Speaks HTTP over `stream` until either side ends it, or its client owes for too long.
async fn speak<S: Read + Write + Unpin + Send + 'static>(stream: S, service: Service, mut stopping: watch::Receiver<bool>) {
    let debts = Arc::new(Debts::default());
    let service = service.over(Arc::clone(&debts));
    let mut builder = Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_LIMIT_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(u32::try_from(HEAD_LIMIT_BYTES).unwrap_or(u32::MAX))
        .max_concurrent_streams(STREAM_LIMIT)
        .max_pending_accept_reset_streams(RESET_LIMIT);
    let serving = builder.serve_connection_with_upgrades(stream, TowerToHyperService::new(service));
    tokio::pin!(serving);
    tokio::select! {
        // Why a client went away is its own affair.
        _ = serving.as_mut() => {}
        () = debts.overdue() => {}
        () = stopped(&mut stopping) => {
            serving.as_mut().graceful_shutdown();
            let _ = tokio::time::timeout(HEAD_TIME, serving).await;
        }
    }
}

#[cfg(test)]
mod tests;
