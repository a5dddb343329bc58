//! Clients that mean no good, or read nothing, over a pipe instead of a socket and with a clock that waits for nobody.

mod frames;
mod fuzz;

use std::time::Duration;

use futures::future::{Either, select};
use http_body_util::BodyExt as _;
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::ServiceExt as _;

use super::super::debts::{STALL_TIME, Stalling, TAKE_TIME};
use super::{STREAM_LIMIT, speak};
use crate::server::{Server, Service};
use frames::{Frame, Peer, kind};

/// What the pipe holds of either direction.
const PIPE_BYTES: usize = 16 * 1024;
/// An object whose list no pipe holds.
const OBJECT_BYTES: usize = 900_000;
/// Later than everything that is waited for.
const LONG: Duration = Duration::from_secs(60 * 60);
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// One connection, whose server ends with what it returns.
struct Line {
    service: Service,
    client: DuplexStream,
    serving: JoinHandle<()>,
    _stop: watch::Sender<bool>,
}

fn connect(service: &Service) -> Line {
    let (client, server) = tokio::io::duplex(PIPE_BYTES);
    let (stop, stopping) = watch::channel(false);
    let serving = tokio::spawn(speak(TokioIo::new(Stalling::new(server)), service.clone(), stopping));
    Line { service: service.clone(), client, serving, _stop: stop }
}

async fn service() -> (Server, Service) {
    let server = Server::builder().start().await.unwrap();
    let service = server.service();
    (server, service)
}

async fn put(service: &Service, name: &str, bytes: usize) {
    let map =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": name}, "data": {"k": "v".repeat(bytes)}});
    let request = http::Request::post(MAPS).body(http_body_util::Full::new(bytes::Bytes::from(map.to_string()))).unwrap();
    let answer = service.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), 201);
    answer.into_body().collect().await.unwrap();
}

/// Other clients are served as before.
async fn serves_on(service: &Service) {
    put(service, "after-", 1).await;
}

/// A request for a WebSocket.
fn upgrade(path: &str) -> String {
    let wish = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13";
    format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{wish}\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
}

/// How long the server keeps the connection.
async fn lasts(serving: JoinHandle<()>) -> Duration {
    let began = Instant::now();
    tokio::time::timeout(LONG, serving).await.expect("the connection ends").unwrap();
    began.elapsed()
}

/// SEC-16, API-24: a client that asks for a list, or watches, and reads nothing loses its connection, a list after a minute, and with
/// it what it held.
#[tokio::test(start_paused = true)]
async fn sec_16_who_reads_nothing_is_cut() {
    let (_server, service) = service().await;
    put(&service, "large-", OBJECT_BYTES).await;
    for (path, patience) in [(MAPS.to_owned(), TAKE_TIME), (format!("{MAPS}?watch=true"), STALL_TIME)] {
        let mut line = connect(&service);
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        line.client.write_all(request.as_bytes()).await.unwrap();
        let lasted = lasts(line.serving).await;
        assert!(lasted >= patience && lasted < 3 * patience, "{path}: {lasted:?}");
        let mut rest = Vec::new();
        line.client.read_to_end(&mut rest).await.unwrap();
        assert!(rest.starts_with(b"HTTP/1.1 200") && rest.len() < OBJECT_BYTES, "{} bytes", rest.len());
        serves_on(&line.service).await;
    }
}

/// SEC-16, API-8: a watch on which nothing happens owes nothing: it stays, and shows what happens later.
#[tokio::test(start_paused = true)]
async fn sec_16_a_quiet_watch_is_not_cut() {
    let (_server, service) = service().await;
    let mut line = connect(&service);
    let request = format!("GET {MAPS}?watch=true HTTP/1.1\r\nHost: localhost\r\n\r\n");
    line.client.write_all(request.as_bytes()).await.unwrap();
    let mut head = [0; 12];
    line.client.read_exact(&mut head).await.unwrap();
    tokio::time::sleep(2 * STALL_TIME).await;
    put(&service, "late-", 1).await;
    let mut seen = Vec::new();
    while !seen.windows(5).any(|window| window == b"late-") {
        assert!(line.client.read_buf(&mut seen).await.unwrap() > 0, "the watch goes on");
    }
    assert!(!line.serving.is_finished());
}

/// SEC-16: a head that comes letter by letter is not waited for, whoever sends it.
#[tokio::test(start_paused = true)]
async fn sec_16_a_slow_head_is_not_waited_for() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let mut client = line.client;
    let trickle = tokio::spawn(async move {
        for letter in "GET /livez HTTP/1.1\r\nHost: localhost\r\n".bytes().chain(std::iter::repeat(b'x')) {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if client.write_all(&[letter]).await.is_err() {
                return;
            }
        }
    });
    let lasted = lasts(line.serving).await;
    assert!(lasted <= Duration::from_secs(30), "{lasted:?}");
    trickle.await.unwrap();
    serves_on(&line.service).await;
}

/// SEC-16: an HTTP/2 connection on which nobody shows a token ends, however lively it is.
#[tokio::test(start_paused = true)]
async fn sec_16_a_stranger_does_not_stay() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let mut peer = Peer::greet(line.client, &[]).await;
    let lively = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            if peer.send(&Frame::new(kind::PING, 0, 0, &[7; 8])).await.is_err() || peer.drain().await.is_err() {
                return;
            }
        }
    });
    let lasted = lasts(line.serving).await;
    assert!(lasted <= Duration::from_secs(15), "{lasted:?}");
    lively.await.unwrap();
    serves_on(&line.service).await;
}

/// SEC-16: an HTTP/2 client that opens no window for the answers it asked for loses its connection, pings or not.
#[tokio::test(start_paused = true)]
async fn sec_16_a_shut_window_is_cut() {
    let (_server, service) = service().await;
    put(&service, "large-", OBJECT_BYTES).await;
    let watch = format!("{MAPS}?watch=true");
    for (window, path, patience) in [(0, MAPS, TAKE_TIME), (1_000, MAPS, TAKE_TIME), (0, watch.as_str(), STALL_TIME)] {
        let line = connect(&service);
        let mut peer = Peer::greet(line.client, &[(frames::INITIAL_WINDOW_SIZE, window)]).await;
        peer.get(1, path).await.unwrap();
        let lively = tokio::spawn(async move {
            while peer.send(&Frame::new(kind::PING, 0, 0, &[7; 8])).await.is_ok() && peer.drain().await.is_ok() {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        });
        let lasted = lasts(line.serving).await;
        assert!(lasted >= patience && lasted < 3 * patience, "{path} in {window}: {lasted:?}");
        lively.await.unwrap();
        serves_on(&line.service).await;
    }
}

/// SEC-16 (CVE-2023-44487): streams that are opened and reset in one breath end the connection, and cost nobody else anything.
#[tokio::test(start_paused = true)]
async fn sec_16_a_rapid_reset_ends_the_connection() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let peer = Peer::greet(line.client, &[]).await;
    let mut burst = Vec::new();
    for number in 0..1_000_u32 {
        burst.extend(frames::get(1 + 2 * number, "/version").bytes());
        burst.extend(Frame::new(kind::RST_STREAM, 0, 1 + 2 * number, &8_u32.to_be_bytes()).bytes());
    }
    let sending = tokio::spawn(async move { peer.burst(&burst).await });
    lasts(line.serving).await;
    let answered = sending.await.unwrap();
    assert!(answered.contains(&frames::ENHANCE_YOUR_CALM), "GOAWAY codes {answered:?}");
    serves_on(&line.service).await;
}

/// SEC-16: a head that goes on in frame after frame ends the connection, instead of filling memory (CERT/CC VU#421644).
#[tokio::test(start_paused = true)]
async fn sec_16_a_flood_of_continuations_ends_the_connection() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let peer = Peer::greet(line.client, &[]).await;
    let mut burst = Frame::new(kind::HEADERS, 0, 1, &frames::head("/version")).bytes();
    let more = frames::header("x-long", &"y".repeat(8_000));
    for _ in 0..2_000 {
        burst.extend(Frame::new(kind::CONTINUATION, 0, 1, &more).bytes());
    }
    let sending = tokio::spawn(async move { peer.burst(&burst).await });
    let lasted = lasts(line.serving).await;
    assert!(lasted <= Duration::from_secs(15), "{lasted:?}");
    sending.await.unwrap();
    serves_on(&line.service).await;
}

/// SEC-16: a head over 16 KiB is answered with 431 over HTTP/2 as well.
#[tokio::test(start_paused = true)]
async fn sec_16_a_long_head_is_431() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let mut peer = Peer::greet(line.client, &[]).await;
    let mut head = frames::head("/version");
    head.extend(frames::header("x-long", &"y".repeat(10_000)));
    peer.send(&Frame::new(kind::HEADERS, frames::END_STREAM, 1, &head)).await.unwrap();
    let more = frames::header("x-longer", &"y".repeat(8_000));
    peer.send(&Frame::new(kind::CONTINUATION, frames::END_HEADERS, 1, &more)).await.unwrap();
    let answer = peer.until(kind::HEADERS).await;
    assert!(answer.windows(4).any(|window| window == frames::STATUS_431), "{answer:?}");
    serves_on(&line.service).await;
}

/// SEC-16: more streams than a connection may have are refused one by one, and those that it has go on.
#[tokio::test(start_paused = true)]
async fn sec_16_surplus_streams_are_refused() {
    let (_server, service) = service().await;
    let line = connect(&service);
    let mut peer = Peer::greet(line.client, &[]).await;
    let path = format!("{MAPS}?watch=true");
    let reading = async {
        for number in 0..=STREAM_LIMIT {
            peer.get(1 + 2 * number, &path).await.unwrap();
            peer.drain().await.unwrap();
        }
        peer.until(kind::RST_STREAM).await
    };
    let reset = match select(Box::pin(reading), line.serving).await {
        Either::Left((reset, _)) => reset,
        Either::Right(_) => panic!("the connection ended"),
    };
    assert_eq!(reset, 7_u32.to_be_bytes(), "REFUSED_STREAM");
    serves_on(&line.service).await;
}

/// SEC-4, SEC-16: a client that floods its WebSocket and reads no answer loses it; one whose message is larger than what is taken
/// loses it at once.
#[tokio::test(start_paused = true)]
async fn sec_16_a_websocket_flood_is_cut() {
    /// A masked ping of the largest size, the mask zero.
    const PING: [u8; 6] = [0x89, 0x80 | 125, 0, 0, 0, 0];
    /// A masked binary message that announces 4 MiB.
    const LARGE: [u8; 14] = [0x82, 0x80 | 127, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0];
    let (_server, service) = service().await;
    let ping = [&PING[..], &[7; 125]].concat();
    for (frame, bound) in [(ping, 3 * STALL_TIME), (LARGE.to_vec(), STALL_TIME)] {
        let mut line = connect(&service);
        line.client.write_all(upgrade(&format!("{MAPS}?watch=true")).as_bytes()).await.unwrap();
        let began = Instant::now();
        let flood = async {
            while line.client.write_all(&frame).await.is_ok() {
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(LONG, flood).await.expect("the flood ends");
        assert!(began.elapsed() < bound, "{:?}", began.elapsed());
        serves_on(&line.service).await;
    }
}
