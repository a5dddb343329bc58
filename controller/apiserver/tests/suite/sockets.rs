//! WebSockets over the real socket: watches, tokens of browsers, forwarded ports, and what a viewer is told.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use koan_apiserver::{Listening, Server};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::pods::{PODS, REFUSED, a_pod, shown};
use super::support::*;
use super::wire::{connect, home, listening};

/// How long a message may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// The subprotocol that carries a token.
const BEARER: &str = "base64url.bearer.authorization.k8s.io.";

type Socket = WebSocketStream<TlsStream<tokio::net::TcpStream>>;

/// A server that listens, and the tokens of its run.
struct Bench {
    home: tempfile::TempDir,
    run: Listening,
    server: Server,
}

/// What a server answered to an upgrade: its head, and the socket behind it.
struct Upgrade {
    head: String,
    socket: Socket,
}

impl Bench {
    async fn new() -> Self {
        let (server, _) = shown(&[a_pod("a", "1", "Running")]).await;
        let home = home();
        let run = listening(&server, &home).await;
        Self { home, run, server }
    }

    fn token(&self, file: &str) -> String {
        std::fs::read_to_string(self.home.path().join(file)).unwrap()
    }

    fn bearer(&self) -> String {
        format!("Authorization: Bearer {}\r\n", self.token("token"))
    }

    /// Sends a request of our own and reads the head of the answer, and no byte more.
    async fn ask(&self, line: &str, headers: &str) -> (String, TlsStream<tokio::net::TcpStream>) {
        let mut stream = connect(&self.run).await;
        let request = format!("{line} HTTP/1.1\r\nHost: {}\r\n{headers}\r\n", self.run.address());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(tokio::time::timeout(PATIENCE, stream.read_u8()).await.unwrap().unwrap());
        }
        (String::from_utf8(head).unwrap(), stream)
    }

    async fn upgrade(&self, path: &str, protocols: &str, more: &str) -> Upgrade {
        let offered = if protocols.is_empty() { String::new() } else { format!("Sec-WebSocket-Protocol: {protocols}\r\n") };
        let headers = format!(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: \
             dGhlIHNhbXBsZSBub25jZQ==\r\n{offered}{more}"
        );
        let (head, stream) = self.ask(&format!("GET {path}"), &headers).await;
        Upgrade { head, socket: WebSocketStream::from_raw_socket(stream, Role::Client, None).await }
    }

    /// The socket of an upgrade that must be accepted, with the owner's token.
    async fn open(&self, path: &str, protocols: &str) -> Socket {
        let Upgrade { head, socket } = self.upgrade(path, protocols, &self.bearer()).await;
        assert!(head.starts_with("HTTP/1.1 101"), "{head}");
        socket
    }

    /// Code and message of a refusal.
    async fn refusal(&self, line: &str, headers: &str) -> (u16, String) {
        let (head, mut stream) = self.ask(line, &format!("{headers}Connection: close\r\n")).await;
        let mut body = Vec::new();
        let _ = stream.read_to_end(&mut body).await;
        let text = String::from_utf8_lossy(&body).into_owned();
        let status: Value = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {head}{text}"));
        (head[9..12].parse().unwrap(), status["message"].as_str().unwrap_or_default().to_owned())
    }
}

async fn next(socket: &mut Socket) -> Option<Message> {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("a message in time").and_then(Result::ok)
}

fn binary(bytes: &[u8]) -> Message {
    Message::Binary(Bytes::copy_from_slice(bytes))
}

/// API-19, API-8: a watch over a real WebSocket gives one event a message, as text, as bytes and as base64 under the subprotocol
/// that was chosen; it ends with the server's close.
#[tokio::test]
async fn watches_speak_all_three_forms() {
    let bench = Bench::new().await;
    let made = post(&bench.server, MAPS, &json!({"metadata": {"name": "first"}})).await;
    assert_eq!(made.code, 201);
    let path = format!("{MAPS}?watch=true&timeoutSeconds=3600");
    let read = |message: Message, base64: bool| -> Value {
        let text = match message {
            Message::Binary(bytes) => bytes.to_vec(),
            Message::Text(text) if base64 => STANDARD.decode(text.as_str()).unwrap(),
            Message::Text(text) => text.as_bytes().to_vec(),
            other => panic!("{other:?}"),
        };
        serde_json::from_slice(&text).unwrap()
    };
    let mut sockets = Vec::new();
    for (protocols, chosen) in [("", ""), ("binary.k8s.io", "binary.k8s.io"), ("x, base64.binary.k8s.io", "base64.binary.k8s.io")]
    {
        let Upgrade { head, socket } = bench.upgrade(&path, protocols, &bench.bearer()).await;
        let answered = head.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: ")).unwrap_or_default();
        assert_eq!(answered, chosen, "{head}");
        sockets.push((chosen, socket));
    }
    for (name, wanted) in [("first", 0), ("second", 1)] {
        if wanted > 0 {
            assert_eq!(post(&bench.server, MAPS, &json!({"metadata": {"name": name}})).await.code, 201);
        }
        for (chosen, socket) in &mut sockets {
            let message = next(socket).await.unwrap();
            assert_eq!(message.is_binary(), *chosen == "binary.k8s.io", "{chosen}");
            let event = read(message, chosen.starts_with("base64"));
            assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(name)), "{chosen}");
        }
    }
    bench.server.shutdown();
    for (chosen, socket) in &mut sockets {
        assert!(matches!(next(socket).await, Some(Message::Close(_)) | None), "{chosen}");
    }
}

/// SEC-4, API-30: a browser's token comes as a subprotocol beside a real one and is never echoed; a wrong one, one alone and
/// several are 401; in a URL it means nothing; it opens nothing that is no WebSocket, and no foreign page gets that far.
#[tokio::test]
async fn sec_4_a_browsers_token_is_a_subprotocol() {
    let bench = Bench::new().await;
    let path = format!("{MAPS}?watch=true");
    let carried = |token: &str| format!("{BEARER}{}", URL_SAFE_NO_PAD.encode(token));
    let good = carried(&bench.token("token"));
    let offered = format!("{good}, base64.binary.k8s.io");
    let accepted = bench.upgrade(&path, &offered, "").await.head;
    assert!(accepted.starts_with("HTTP/1.1 101"), "{accepted}");
    assert!(accepted.contains("base64.binary.k8s.io") && !accepted.contains("bearer"), "{accepted}");
    for wrong in [
        format!("{}, binary.k8s.io", carried("wrong")),
        format!("{BEARER}!!!, binary.k8s.io"),
        good.clone(),
        format!("{good}, {good}, binary.k8s.io"),
    ] {
        let head = bench.upgrade(&path, &wrong, "").await.head;
        assert!(head.starts_with("HTTP/1.1 401"), "{wrong}: {head}");
    }
    let token = bench.token("token");
    for name in ["token", "access_token", "authorization"] {
        let head = bench.upgrade(&format!("{path}&{name}={token}"), "binary.k8s.io", "").await.head;
        assert!(head.starts_with("HTTP/1.1 403"), "{name}: {head}");
    }
    let plain = bench.refusal(&format!("GET {MAPS}"), &format!("Sec-WebSocket-Protocol: {offered}\r\n")).await;
    assert_eq!(plain.0, 403, "{plain:?}");
    let own = format!("Origin: https://{}\r\n", bench.run.address());
    assert!(bench.upgrade(&path, &offered, &own).await.head.starts_with("HTTP/1.1 101"));
    for origin in ["https://evil.example", "null", "http://localhost", "https://127.0.0.1"] {
        let head = bench.upgrade(&path, &offered, &format!("Origin: {origin}\r\n")).await.head;
        assert!(head.starts_with("HTTP/1.1 403"), "{origin}: {head}");
    }
}

/// API-31: a viewer's refusals read like those of the reference's RBAC, by verb, resource, group and namespace; so does that of
/// somebody without a token.
#[tokio::test]
async fn refusals_name_what_was_asked() {
    let bench = Bench::new().await;
    let viewer = format!("Authorization: Bearer {}\r\n", bench.token("viewer-token"));
    let inside = "in API group \"\" in the namespace \"default\"";
    let cases = [
        ("GET /api/v1/namespaces/default/secrets", "secrets is forbidden", format!("list resource \"secrets\" {inside}")),
        ("GET /api/v1/namespaces/default/secrets/x", "secrets \"x\" is forbidden", format!("get resource \"secrets\" {inside}")),
        (
            "GET /api/v1/secrets?watch=1",
            "secrets is forbidden",
            "watch resource \"secrets\" in API group \"\" at the cluster scope".to_owned(),
        ),
        ("DELETE /api/v1/namespaces/default/pods/a", "pods \"a\" is forbidden", format!("delete resource \"pods\" {inside}")),
        (
            "POST /api/v1/namespaces/default/configmaps",
            "configmaps is forbidden",
            format!("create resource \"configmaps\" {inside}"),
        ),
        (
            "GET /api/v1/namespaces/default/pods/a/exec?command=x",
            "pods \"a\" is forbidden",
            format!("get resource \"pods/exec\" {inside}"),
        ),
        (
            "POST /api/v1/namespaces/default/pods/a/portforward",
            "pods \"a\" is forbidden",
            format!("create resource \"pods/portforward\" {inside}"),
        ),
        (
            "DELETE /apis/test.koan.dev/v1/namespaces/default/boxes",
            "boxes.test.koan.dev is forbidden",
            "deletecollection resource \"boxes\" in API group \"test.koan.dev\" in the namespace \"default\"".to_owned(),
        ),
        (
            "DELETE /api/v1/namespaces/default",
            "namespaces \"default\" is forbidden",
            format!("delete resource \"namespaces\" {inside}"),
        ),
        (
            "PATCH /apis/apiextensions.k8s.io/v1/customresourcedefinitions/x",
            "customresourcedefinitions.apiextensions.k8s.io \"x\" is forbidden",
            "patch resource \"customresourcedefinitions\" in API group \"apiextensions.k8s.io\" at the cluster scope".to_owned(),
        ),
    ];
    for (line, subject, what) in &cases {
        let expected = (403, format!("{subject}: User \"koan:viewer\" cannot {what}"));
        assert_eq!(bench.refusal(line, &viewer).await, expected, "{line}");
        let nobody = (403, format!("{subject}: User \"system:anonymous\" cannot {what}"));
        assert_eq!(bench.refusal(line, "").await, nobody, "{line}");
    }
    let path = (403, "forbidden: User \"koan:viewer\" cannot post path \"/version\"".to_owned());
    assert_eq!(bench.refusal("POST /version", &viewer).await, path);
}

/// API-3, API-19 (decision 0010): who attaches with an input sees what the Pod prints; the first byte that is typed ends the session
/// with the reason, and an input that ends without one does not.
#[tokio::test]
async fn what_is_typed_into_an_attached_pod_is_refused() {
    let bench = Bench::new().await;
    let path = format!("{PODS}/a/attach?stdin=true&stdout=true&stderr=true");
    let status = async |socket: &mut Socket| loop {
        match next(socket).await.expect("a status") {
            Message::Binary(bytes) if bytes[0] == 3 => return serde_json::from_slice::<Value>(&bytes[1..]).unwrap(),
            Message::Binary(bytes) => assert!(bytes[0] == 1 || bytes[0] == 2, "{bytes:?}"),
            other => panic!("{other:?}"),
        }
    };
    let mut typing = bench.open(&path, "v5.channel.k8s.io").await;
    typing.send(binary(b"\0typed")).await.unwrap();
    let refused = status(&mut typing).await;
    assert_eq!((&refused["reason"], &refused["code"]), (&json!("BadRequest"), &json!(400)));
    let message = refused["message"].as_str().unwrap();
    assert!(message.starts_with("pod a takes no input") && message.contains("kubectl exec -it"), "{message}");
    assert!(matches!(next(&mut typing).await, Some(Message::Close(_))));

    let mut silent = bench.open(&path, "v5.channel.k8s.io").await;
    silent.send(binary(b"\xff\0")).await.unwrap();
    bench.server.mirrors().show_pods(Vec::new()).await.unwrap();
    assert_eq!(status(&mut silent).await["status"], "Success");
}

/// API-3, API-19 (decision 0013): plain channels forward several ports over one WebSocket, each begun with its number; a port that
/// takes no connection says why on its own error channel, and the socket is closed behind the last one.
#[tokio::test]
async fn ports_are_forwarded_over_plain_channels() {
    let bench = Bench::new().await;
    let path = format!("{PODS}/a/portforward?ports=80,{REFUSED}&ports=81");
    let mut socket = bench.open(&path, "v4.channel.k8s.io").await;
    socket.send(binary(b"\x00ping")).await.unwrap();
    let mut channels: [Vec<u8>; 6] = Default::default();
    let full =
        |channels: &[Vec<u8>; 6]| channels[0].ends_with(b"ping") && channels[3].ends_with(b"refused") && channels[4].len() >= 7;
    while !full(&channels) {
        let Some(Message::Binary(bytes)) = next(&mut socket).await else { panic!("{channels:?}") };
        channels[usize::from(bytes[0])].extend_from_slice(&bytes[1..]);
    }
    let text = format!("error forwarding port {REFUSED} to pod a, uid 1: dial tcp 127.0.0.1:9: connect: connection refused");
    let begun = |port: u16, rest: &str| [&port.to_le_bytes(), rest.as_bytes()].concat();
    assert_eq!(channels[0], begun(80, "a:80 ping"));
    assert_eq!(channels[1], begun(80, ""));
    assert_eq!(channels[2], begun(REFUSED, ""));
    assert_eq!(channels[3], begun(REFUSED, &text));
    assert_eq!(channels[4], begun(81, "a:81 "));

    let mut alone = bench.open(&format!("{PODS}/a/portforward?ports={REFUSED}"), "v4.base64.channel.k8s.io").await;
    let expected = [
        format!("0{}", STANDARD.encode([9, 0])),
        format!("1{}", STANDARD.encode([9, 0])),
        format!("1{}", STANDARD.encode(&text)),
    ];
    for expected in expected {
        assert_eq!(next(&mut alone).await, Some(Message::text(expected)));
    }
    assert!(matches!(next(&mut alone).await, Some(Message::Close(_))));
}

/// API-3, API-39 (decision 0013): wrong ports, no upgrade and SPDY without a WebSocket are refused with what to do.
#[tokio::test]
async fn wrong_forwards_are_refused() {
    let bench = Bench::new().await;
    let base = format!("GET {PODS}/a/portforward");
    let upgrade = format!(
        "{}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        bench.bearer()
    );
    for (query, message) in [
        ("", "query parameter \"port\" is required"),
        ("?ports=0", "port \"0\" must be > 0"),
        ("?ports=80,x", "unable to parse \"80,x\" as a port"),
        ("?ports=70000", "unable to parse \"70000\" as a port"),
    ] {
        assert_eq!(bench.refusal(&format!("{base}{query}"), &upgrade).await, (400, message.to_owned()), "{query}");
    }
    let plain = bench.refusal(&format!("{base}?ports=80"), &bench.bearer()).await;
    assert_eq!(plain, (400, "Upgrade request required".to_owned()));
    let spdy = format!("{}Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\n", bench.bearer());
    let (code, message) = bench.refusal(&format!("POST {PODS}/a/portforward"), &spdy).await;
    assert!(code == 400 && message.contains("kubectl 1.31"), "{message}");
    let (code, message) = bench.refusal(&format!("POST {PODS}/a/exec?command=x"), &spdy).await;
    assert!(code == 400 && message.contains("kubectl 1.30"), "{message}");
}

/// A stream of the tunnel with headers in stored form; `first` begins the client's header stream.
fn stream(first: bool, id: u32, kind: &str, port: u16) -> Vec<u8> {
    let mut content = 3_u32.to_be_bytes().to_vec();
    for text in ["streamtype", kind, "port", &port.to_string(), "requestid", &(id / 4).to_string()] {
        content.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        content.extend(text.as_bytes());
    }
    let mut block = if first { vec![0x78, 0xf9, 0xe3, 0xc6, 0xa7, 0xc2] } else { Vec::new() };
    let length = u16::try_from(content.len()).unwrap();
    block.push(0);
    block.extend(length.to_le_bytes());
    block.extend((!length).to_le_bytes());
    block.extend(content);
    let length = u32::try_from(block.len() + 10).unwrap();
    [&[0x80, 3, 0, 1], length.to_be_bytes().as_slice(), &id.to_be_bytes(), &[0; 6], &block].concat()
}

fn data(id: u32, fin: bool, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap() | u32::from(fin) << 24;
    [id.to_be_bytes().as_slice(), &length.to_be_bytes(), bytes].concat()
}

/// API-3, API-19 (decision 0013): the tunnel that kubectl opens carries a connection to its end, both ways, beside one that is
/// refused and told why.
#[tokio::test]
async fn ports_are_forwarded_through_a_tunnel() {
    let bench = Bench::new().await;
    let mut socket = bench.open(&format!("{PODS}/a/portforward"), "SPDY/3.1+portforward.k8s.io").await;
    let payload = vec![7; 200_000];
    let mut bytes = [stream(true, 1, "error", 80), stream(false, 3, "data", 80)].concat();
    bytes.extend(payload.chunks(30_000).flat_map(|part| data(3, false, part)));
    bytes.extend(data(3, true, b""));
    bytes.extend([stream(false, 5, "error", REFUSED), stream(false, 7, "data", REFUSED)].concat());
    for part in bytes.chunks(50_001) {
        socket.send(binary(part)).await.unwrap();
    }
    let mut heard = Vec::new();
    let text = format!("error forwarding port {REFUSED} to pod a, uid 1: dial tcp 127.0.0.1:9: connect: connection refused");
    let ends = [data(3, true, b""), data(1, true, b""), data(5, false, text.as_bytes())];
    while !ends.iter().all(|end| heard.windows(end.len()).any(|found| found == end)) {
        let Some(Message::Binary(bytes)) = next(&mut socket).await else { panic!("the tunnel ended: {} bytes", heard.len()) };
        heard.extend_from_slice(&bytes);
    }
    let (mut rest, mut said) = (heard.as_slice(), Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<8>() {
        let length = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
        if head[..4] == 3_u32.to_be_bytes() {
            said.extend_from_slice(&after[..length]);
        }
        rest = &after[length..];
    }
    assert_eq!(said, [b"a:80 ".as_slice(), &payload].concat());
}

/// API-3, SEC-16 (decision 0013): a client that sends nonsense through a tunnel is told so and cut off; the server and its other
/// tunnels go on.
#[tokio::test]
async fn sec_16_a_broken_tunnel_ends_alone() {
    let bench = Bench::new().await;
    let path = format!("{PODS}/a/portforward");
    let mut healthy = bench.open(&path, "SPDY/3.1+portforward.k8s.io").await;
    let mut broken = bench.open(&path, "SPDY/3.1+portforward.k8s.io").await;
    broken.send(binary(&[0x80, 9, 0, 1, 0, 0, 0, 0])).await.unwrap();
    let goodbye = [0x80, 3, 0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 1];
    assert_eq!(next(&mut broken).await, Some(binary(&goodbye)));
    assert!(matches!(next(&mut broken).await, Some(Message::Close(_))));
    let ping = [0x80, 3, 0, 6, 0, 0, 0, 4, 0, 0, 0, 1];
    healthy.send(binary(&ping)).await.unwrap();
    assert_eq!(next(&mut healthy).await, Some(binary(&ping)));
}
