//! The limits of the front door: each gets its stated answer, and what comes after it is served as before.

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::StreamBody;
use hyper::body::Frame;
use koan_apiserver::{Body, Change, Journal as _, Memory, Row, Server};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::support::*;

/// What a server holds at most.
const OBJECTS: usize = 100_000;
/// Requests that may be in flight.
const REQUESTS: usize = 400;

fn map(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

/// What came before did no harm: another client writes and reads.
async fn serves_on(server: &Server) {
    let name = format!("after-{}", server.snapshot_reader().revision());
    assert_eq!(post(server, MAPS, &map(&name)).await.code, 201);
    assert_eq!(get(server, &format!("{MAPS}/{name}")).await.code, 200);
}

/// A request whose body never ends.
async fn endless(server: &Server) -> Response<Body> {
    let body = StreamBody::new(futures::stream::pending::<Result<Frame<Bytes>, Infallible>>());
    let request = Request::builder().method(Method::POST).uri(MAPS).body(body).unwrap();
    server.service().oneshot(request).await.unwrap()
}

/// SEC-16: a body that does not come is given up after 60 seconds with 504.
#[tokio::test(start_paused = true)]
async fn sec_16_a_request_has_a_minute() {
    let server = server().await;
    let began = tokio::time::Instant::now();
    assert_eq!(endless(&server).await.status(), 504);
    assert_eq!(began.elapsed().as_secs(), 60);
    serves_on(&server).await;
}

/// SEC-16: of requests that wait for their bodies 400 are let in, the next is told to come again, and all others are served once
/// those are gone.
#[tokio::test]
async fn sec_16_too_many_requests_come_again() {
    let server = server().await;
    let mut held: Vec<_> = (0..REQUESTS).map(|_| Box::pin(endless(&server))).collect();
    for request in &mut held {
        assert!(futures::poll!(request).is_pending());
    }
    let refused = post(&server, MAPS, &map("a")).await;
    assert_eq!((refused.code, refused.headers["retry-after"].to_str().unwrap()), (429, "1"), "{}", refused.text);
    assert_eq!(refused.json()["reason"], "TooManyRequests");
    drop(held);
    serves_on(&server).await;
}

/// SEC-16, API-24: who does not take an answer keeps its place among the requests in flight, so that answers in memory are as
/// bounded as requests are; a watch that starts does not.
#[tokio::test]
async fn sec_16_answers_that_nobody_reads_count() {
    let server = server().await;
    let mut held = Vec::new();
    for _ in 0..REQUESTS {
        held.push(start(&server, Method::GET, MAPS, &[], Bytes::new()).await);
    }
    assert_eq!(get(&server, MAPS).await.code, 429);
    let mut watch = start(&server, Method::GET, &format!("{MAPS}?watch=true"), &[], Bytes::new()).await;
    assert_eq!(watch.status(), 200);
    held.pop();
    assert_eq!(post(&server, MAPS, &map("a")).await.code, 201);
    assert_eq!(line(&mut watch, &mut Vec::new()).await.unwrap()["object"]["metadata"]["name"], "a");
    drop(held);
    serves_on(&server).await;
}

/// SEC-16, SEC-13: bodies that are too large, too deep or too costly get the stated codes.
#[tokio::test]
async fn sec_16_costly_bodies_are_refused() {
    let server = server().await;
    post(
        &server,
        MAPS,
        &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v".repeat(1000)}}),
    )
    .await;
    let path = format!("{MAPS}/a");
    let test = json!({"op": "test", "path": "/kind", "value": "ConfigMap"});
    let many = Value::Array(vec![test; 10_001]).to_string();
    assert_eq!(patch(&server, &path, "application/json-patch+json", &many).await.code, 413);
    let copies: Vec<Value> =
        (0..5_000).map(|number| json!({"op": "copy", "from": "/data/k", "path": format!("/data/k{number}")})).collect();
    assert_eq!(patch(&server, &path, "application/json-patch+json", &Value::Array(copies).to_string()).await.code, 413);

    let large = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "b"}, "data": {"k": "v".repeat(3 << 20)}});
    assert_eq!(post(&server, MAPS, &large).await.code, 413);
    let mut annotated = map("c");
    annotated["metadata"]["annotations"] = json!({"k": "v".repeat(257 << 10)});
    assert_eq!(post(&server, MAPS, &annotated).await.code, 422);

    let json = [("content-type", "application/json")];
    for (open, close) in [("{\"a\":", "}"), ("[", "]")] {
        for depth in [65, 100_000, 500_000] {
            let nested = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let answer = send(&server, Method::POST, BOXES, &json, nested).await;
            assert_eq!(answer.code, 400, "{open} × {depth}: {}", answer.text.chars().take(300).collect::<String>());
        }
    }
    serves_on(&server).await;
}

/// SEC-13, SEC-16: numbers and keys of a size that nobody means are refused or kept as they are, and cost no more than their bytes.
#[tokio::test]
async fn sec_16_huge_numbers_and_keys_do_no_harm() {
    let server = server().await;
    let json = [("content-type", "application/json")];
    let digits = "9".repeat(1 << 20);
    for number in [digits.clone(), format!("0.{digits}"), format!("1e{digits}"), format!("-{digits}e-{digits}")] {
        let body =
            format!(r#"{{"apiVersion":"test.koan.dev/v1","kind":"Box","metadata":{{"name":"n"}},"spec":{{"size":{number}}}}}"#);
        let answer = send(&server, Method::POST, BOXES, &json, body).await;
        // Nines behind a point are one.
        assert!(answer.code == 201 || (400..500).contains(&answer.code), "{}", answer.code);
        assert!(answer.text.len() < 8 << 20, "an answer of {} bytes", answer.text.len());
        send(&server, Method::DELETE, &format!("{BOXES}/n"), &[], "").await;
    }
    let keys: String = (0..100_000).map(|number| format!("\"k{number}\":1,")).collect();
    for key in [format!("\"{}\":1", "k".repeat(2 << 20)), format!("{keys}\"k\":1")] {
        let body = format!(r#"{{"apiVersion":"test.koan.dev/v1","kind":"Box","metadata":{{"name":"n"}},"spec":{{{key}}}}}"#);
        let answer = send(&server, Method::POST, &format!("{BOXES}?fieldValidation=Strict"), &json, body).await;
        assert_eq!(answer.code, 400);
    }
    // Told as warnings they are cut, as the reference cuts them.
    let body = format!(r#"{{"apiVersion":"test.koan.dev/v1","kind":"Box","metadata":{{"name":"n"}},"spec":{{{keys}"k":1}}}}"#);
    let answer = send(&server, Method::POST, BOXES, &json, body).await;
    assert_eq!(answer.code, 201, "{}", answer.text);
    let told: usize = answer.headers.get_all("warning").iter().map(|value| value.len()).sum();
    assert!((1_000..16_384).contains(&told), "{told} bytes of warnings");
    serves_on(&server).await;
}

/// SEC-16: a compressed body is not unpacked: a bomb is bytes that are no JSON.
#[tokio::test]
async fn sec_16_a_compressed_bomb_stays_packed() {
    /// `gzip` of an empty file, and what every longer one begins with.
    const GZIP: [u8; 20] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let server = server().await;
    for encoding in ["gzip", "deflate", "br", "zstd", "identity, gzip"] {
        let headers = [("content-type", "application/json"), ("content-encoding", encoding)];
        let answer = send(&server, Method::POST, MAPS, &headers, GZIP.to_vec()).await;
        assert!(matches!(answer.code, 400 | 415), "{encoding}: {}", answer.text);
    }
    serves_on(&server).await;
}

fn row(kind: &str, number: usize, value: &Value) -> Change {
    let name = value["metadata"]["name"].as_str().unwrap();
    let value = Bytes::from(value.to_string());
    Change::Put(Row { kind: kind.to_owned(), key: format!("default/{name}"), revision: number as u64 + 1, value })
}

/// SEC-16, API-39: a store that is full says so with 403, the number and the largest kinds; deleting makes room.
#[tokio::test]
async fn sec_16_a_full_store_names_what_fills_it() {
    let mut journal = Memory::new();
    let rows: Vec<Change> = (0..OBJECTS - 50)
        .map(|number| {
            let name = format!("m-{number:06}");
            let metadata =
                json!({"name": name, "namespace": "default", "uid": name, "resourceVersion": (number + 1).to_string()});
            row("/configmaps", number, &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}))
        })
        .collect();
    journal.commit(&rows).unwrap();
    let server = Server::builder().journal(journal).start().await.unwrap();
    let mut made = 0;
    let refused = loop {
        let answer = post(&server, MAPS, &map(&format!("more-{made}"))).await;
        if answer.code != 201 {
            break answer;
        }
        made += 1;
        assert!(made < 50, "there is no limit");
    };
    assert_eq!(refused.code, 403, "{}", refused.text);
    let message = refused.message();
    assert!(message.contains("100000") && message.contains("configmaps ("), "{message}");
    assert_eq!(send(&server, Method::DELETE, &format!("{MAPS}/m-000001"), &[], "").await.code, 200);
    serves_on(&server).await;
}

/// SEC-16: of Events the newest 20,000 are kept.
#[tokio::test(start_paused = true)]
async fn sec_16_events_do_not_pile_up() {
    /// How many are kept.
    const KEPT: usize = 20_000;
    let mut journal = Memory::new();
    let now = jiff::Timestamp::now().to_string();
    let rows: Vec<Change> = (0..KEPT + 20)
        .map(|number| {
            let name = format!("e-{number:06}");
            let metadata =
                json!({"name": name, "namespace": "default", "uid": name, "resourceVersion": (number + 1).to_string()});
            row("/events", number, &json!({"kind": "Event", "apiVersion": "v1", "metadata": metadata, "lastTimestamp": now}))
        })
        .collect();
    journal.commit(&rows).unwrap();
    let server = Server::builder().journal(journal).start().await.unwrap();
    let count = || server.snapshot_reader().list(("", "v1", "events"), None).1.len();
    assert_eq!(count(), KEPT + 20);
    tokio::time::sleep(Duration::from_secs(6 * 60)).await;
    assert_eq!(count(), KEPT);
    assert_eq!(get(&server, "/api/v1/namespaces/default/events/e-000000").await.code, 404, "the oldest went");
}

/// SEC-16: a server that stops tells its clients to come again.
#[tokio::test]
async fn sec_16_a_stopping_server_says_so() {
    let server = server().await;
    server.shutdown();
    let refused = get(&server, MAPS).await;
    assert_eq!((refused.code, refused.headers["retry-after"].to_str().unwrap()), (503, "1"), "{}", refused.text);
}
