//! The socket: TLS, token, both HTTP versions, the kubeconfig of a run, and the limits.

use std::os::unix::fs::PermissionsExt as _;

use koan_apiserver::{ListenOptions, Listening, Server, Sqlite};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::support::*;

/// What the system takes for a client that does not read.
const RECEIVE_BYTES: u32 = 64 * 1024;

pub(super) fn home() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    directory
}

pub(super) async fn listening(server: &Server, home: &tempfile::TempDir) -> Listening {
    let options = ListenOptions { state_dir: home.path().to_owned(), port: None, origins: Vec::new() };
    server.listen(options).await.unwrap()
}

async fn stock(listening: &Listening) -> Client {
    let config = Kubeconfig::read_from(listening.kubeconfig()).unwrap();
    Client::try_from(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap()).unwrap()
}

/// API-29, API-32: a stock client that reads the kubeconfig of the run reaches the server over TLS, and the port is kept.
#[tokio::test]
async fn a_stock_client_connects_by_the_kubeconfig() {
    let home = home();
    let server = Server::builder().crds(vec![definition()]).journal(Sqlite::open(home.path()).unwrap()).start().await.unwrap();
    let first = listening(&server, &home).await;
    let client = stock(&first).await;
    boxes(&client).create(&Default::default(), &a_box("a", json!({}))).await.unwrap();
    assert_eq!(client.apiserver_version().await.unwrap().minor, "36");
    let port = first.address().port();
    let path = first.kubeconfig().to_owned();
    drop(client);
    first.close().await;
    assert!(!path.exists());
    server.shutdown();
    drop(server);
    let server = Server::builder().crds(vec![definition()]).start().await.unwrap();
    assert_eq!(listening(&server, &home).await.address().port(), port);
}

/// SEC-5, API-32: what carries the token is private, a foreign file at the kubeconfig's place is left alone, and a wider
/// directory is refused.
#[tokio::test]
async fn sec_5_the_token_lies_in_private_files() {
    let home = home();
    let server = server().await;
    let run = listening(&server, &home).await;
    for file in ["kubeconfig", "token", "ca.key", "ca.crt"] {
        let mode = std::fs::metadata(home.path().join(file)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{file}");
    }
    drop(run);
    std::fs::write(home.path().join("kubeconfig"), "mine").unwrap();
    let options = ListenOptions { state_dir: home.path().to_owned(), port: None, origins: Vec::new() };
    assert!(server.listen(options.clone()).await.is_err());
    assert_eq!(std::fs::read_to_string(home.path().join("kubeconfig")).unwrap(), "mine");
    std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert!(server.listen(options).await.is_err());
}

/// A TLS connection of our own, for requests that no client library would send.
async fn raw(listening: &Listening, request: &str) -> String {
    let mut stream = connect(listening).await;
    // The server may answer and close before it has read everything.
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

pub(super) async fn connect(listening: &Listening) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    use rustls_pki_types::pem::PemObject as _;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(rustls_pki_types::CertificateDer::from_pem_slice(listening.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = std::sync::Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(RECEIVE_BYTES).unwrap();
    let stream = socket.connect(listening.address()).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(config));
    connector.connect("localhost".try_into().unwrap(), stream).await.unwrap()
}

/// SEC-4: over the real socket a foreign host, a foreign origin, a form and a missing token are refused, and no header
/// lets a page read the answer.
#[tokio::test]
async fn sec_4_the_front_door_refuses_web_pages() {
    let home = home();
    let server = server().await;
    let run = listening(&server, &home).await;
    let token = std::fs::read_to_string(home.path().join("token")).unwrap();
    let host = run.address().to_string();
    let ask = async |host: &str, more: &str| {
        raw(&run, &format!("GET /api HTTP/1.1\r\nHost: {host}\r\n{more}Connection: close\r\n\r\n")).await
    };
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let good = ask(&host, &bearer).await;
    assert!(good.starts_with("HTTP/1.1 200"), "{good}");
    assert!(!good.to_lowercase().contains("access-control"));
    assert!(ask("evil.example", &bearer).await.starts_with("HTTP/1.1 403"));
    assert!(ask(&host, &format!("{bearer}Origin: https://evil.example\r\n")).await.starts_with("HTTP/1.1 403"));
    assert!(ask(&host, "").await.contains("system:anonymous"));
    assert!(ask(&host, "Authorization: Bearer no\r\n").await.starts_with("HTTP/1.1 401"));
    for media in ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"] {
        let form = format!(
            "POST {MAPS} HTTP/1.1\r\nHost: {host}\r\n{bearer}Content-Type: {media}\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{{}}"
        );
        assert!(raw(&run, &form).await.starts_with("HTTP/1.1 415"), "{media}");
    }
}

/// SEC-16: a head over its limit and a body over 3 MiB are refused.
#[tokio::test]
async fn sec_16_oversized_requests_are_refused() {
    let home = home();
    let server = server().await;
    let run = listening(&server, &home).await;
    let token = std::fs::read_to_string(home.path().join("token")).unwrap();
    let host = run.address().to_string();
    let long = "x".repeat(20 * 1024);
    let head = raw(&run, &format!("GET /api HTTP/1.1\r\nHost: {host}\r\nX-Long: {long}\r\n\r\n")).await;
    assert!(head.is_empty() || head.starts_with("HTTP/1.1 431"), "{head}");
    let body = format!(
        "POST {MAPS} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\nContent-Length: 4000000\r\nConnection: close\r\n\r\n{{}}"
    );
    assert!(raw(&run, &body).await.starts_with("HTTP/1.1 413"));
}

/// API-24, SEC-16, D-1 to D-6: a client that stops reading its socket holds up no writer and no other watcher; when it reads
/// again it gets what was on its way, without a gap, then 410, and its stream ends.
#[tokio::test(flavor = "multi_thread")]
async fn sec_16_a_client_that_stops_reading_is_alone() {
    /// More than the buffers of a socket and the queue of a watcher hold.
    const WRITES: usize = 1_600;
    let home = home();
    let server = std::sync::Arc::new(server().await);
    let run = listening(&server, &home).await;
    let token = std::fs::read_to_string(home.path().join("token")).unwrap();
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}});
    let from = post(&server, MAPS, &map).await.json()["metadata"]["resourceVersion"].as_str().unwrap().to_owned();
    let path = format!("{MAPS}?watch=true&resourceVersion={from}");
    let mut stalled = connect(&run).await;
    let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {token}\r\n\r\n", run.address());
    stalled.write_all(head.as_bytes()).await.unwrap();
    let mut beginning = [0; 12];
    stalled.read_exact(&mut beginning).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200");

    let mut healthy = start(&server, http::Method::GET, &path, &[], bytes::Bytes::new()).await;
    let writing = tokio::spawn({
        let server = std::sync::Arc::clone(&server);
        async move {
            for number in 0..WRITES {
                let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"},
                    "data": {"n": number.to_string(), "x": "y".repeat(10_000)}});
                let (path, json) = (format!("{MAPS}/a"), [("content-type", "application/json")]);
                assert_eq!(send(&server, http::Method::PUT, &path, &json, map.to_string()).await.code, 200);
            }
        }
    });
    let mut buffer = Vec::new();
    for number in 0..WRITES {
        assert_eq!(line(&mut healthy, &mut buffer).await.unwrap()["object"]["data"]["n"], number.to_string());
    }
    writing.await.unwrap();

    let mut rest = Vec::new();
    while !rest.ends_with(b"0\r\n\r\n") {
        let mut part = [0; 65_536];
        let length = stalled.read(&mut part).await.unwrap();
        assert!(length > 0, "the stream ends by itself");
        rest.extend_from_slice(&part[..length]);
    }
    let text = String::from_utf8_lossy(&rest).into_owned();
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("{\"type\"")).collect();
    let (last, events) = lines.split_last().unwrap();
    assert!(last.contains("\"ERROR\"") && last.contains("410"), "{last}");
    assert!(!events.is_empty() && events.len() < WRITES, "{} events", events.len());
    for (number, event) in events.iter().enumerate() {
        assert!(event.contains(&format!("\"n\":\"{number}\"")), "event {number}");
    }
}

/// SEC-22: a client that pins the authority of another state directory does not talk to this server.
#[tokio::test]
async fn sec_22_an_impostor_is_unmasked() {
    let (mine, other) = (home(), home());
    let server = server().await;
    let real = listening(&server, &mine).await;
    let impostor = listening(&server, &other).await;
    let mut config = Kubeconfig::read_from(real.kubeconfig()).unwrap();
    if let Some(cluster) = config.clusters[0].cluster.as_mut() {
        cluster.server = Some(impostor.url());
    }
    let client = Client::try_from(Config::from_custom_kubeconfig(config, &KubeConfigOptions::default()).await.unwrap()).unwrap();
    assert!(client.apiserver_version().await.is_err());
}
