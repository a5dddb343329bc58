//! Answers in gzip: what is packed, for whom, and that nobody sees another answer.

use bytes::Bytes;
use futures::StreamExt as _;
use http::{HeaderMap, Method};
use http_body_util::BodyExt as _;
use koan_apiserver::Server;
use serde_json::json;

use super::support::*;

/// The longest answer that is sent as it is.
const PLAIN_BYTES: usize = 128 * 1024;
/// What a client of Go's standard library sends with each request.
const GZIP: (&str, &str) = ("accept-encoding", "gzip");
/// Bytes of one value, so that a few objects make a long list.
const VALUE_BYTES: usize = 10_000;

/// The answer as it is sent.
async fn raw(server: &Server, path: &str, headers: &[(&str, &str)]) -> (HeaderMap, Bytes) {
    let (parts, body) = start(server, Method::GET, path, headers, Bytes::new()).await.into_parts();
    (parts.headers, body.collect().await.unwrap().to_bytes())
}

/// What a gzip file of these bytes holds, with its frame checked.
fn unpacked(file: &[u8]) -> Vec<u8> {
    let (head, rest) = file.split_at(10);
    assert_eq!(head[..4], [0x1f, 0x8b, 8, 0], "a gzip file without further fields");
    let (packed, tail) = rest.split_at(rest.len() - 8);
    let bytes = miniz_oxide::inflate::decompress_to_vec(packed).unwrap();
    assert_eq!(tail[4..], u32::try_from(bytes.len()).unwrap().to_le_bytes());
    bytes
}

/// A server with a list of ConfigMaps that is longer than what is sent as it is.
async fn filled() -> Server {
    let server = server().await;
    for index in 0..20 {
        let value = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("m-{index}")},
            "data": {"value": "long ".repeat(VALUE_BYTES / 5)},
        });
        assert_eq!(post(&server, MAPS, &value).await.code, 201);
    }
    server
}

/// Section 4 (gzip): long lists and metadata are packed for a client that takes gzip, and hold what others are told.
#[tokio::test]
async fn a_long_list_is_packed_for_who_takes_gzip() {
    let server = filled().await;
    let (headers, plain) = raw(&server, MAPS, &[]).await;
    assert!(plain.len() > PLAIN_BYTES && headers.get("content-encoding").is_none() && headers.get("vary").is_none());
    for encoding in ["gzip", "deflate, gzip"] {
        let (headers, packed) = raw(&server, MAPS, &[("accept-encoding", encoding)]).await;
        assert_eq!(
            (&headers["content-encoding"], &headers["vary"]),
            (&"gzip".parse().unwrap(), &"Accept-Encoding".parse().unwrap())
        );
        assert_eq!(headers["content-type"], "application/json");
        assert!(packed.len() * 10 < plain.len(), "{} of {} bytes", packed.len(), plain.len());
        assert!(unpacked(&packed) == plain, "another list");
    }
    for encoding in ["identity", "gzip;q=1.0", "br"] {
        let (headers, answer) = raw(&server, MAPS, &[("accept-encoding", encoding)]).await;
        assert!(headers.get("content-encoding").is_none() && answer == plain, "{encoding}");
    }
    let table = "application/json;as=Table;v=v1;g=meta.k8s.io";
    let whole = format!("{MAPS}?includeObject=Object");
    let (_, plain) = raw(&server, &whole, &[("accept", table)]).await;
    let (headers, packed) = raw(&server, &whole, &[("accept", table), GZIP]).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(unpacked(&packed) == plain, "another Table");
}

/// Section 4 (gzip): an answer of exactly 128 KiB is sent as it is, one of a byte more is packed.
#[tokio::test]
async fn the_threshold_lies_behind_128_kib() {
    let server = server().await;
    let path = format!("{MAPS}/edge");
    let map = |letters: usize| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "edge"}, "data": {"value": "x".repeat(letters)}});
    post(&server, MAPS, &map(PLAIN_BYTES - 2_000)).await;
    let letters = PLAIN_BYTES - 2_000 + PLAIN_BYTES - raw(&server, &path, &[GZIP]).await.1.len();
    for (letters, packed) in [(letters, false), (letters + 1, true)] {
        assert_eq!(
            send(&server, Method::PUT, &path, &[("content-type", "application/json")], map(letters).to_string()).await.code,
            200
        );
        let (headers, answer) = raw(&server, &path, &[GZIP]).await;
        assert_eq!(headers.contains_key("content-encoding"), packed);
        let whole = if packed { unpacked(&answer) } else { answer.to_vec() };
        assert_eq!(whole.len(), PLAIN_BYTES + usize::from(packed));
    }
}

/// Section 4 (gzip): what comes as it happens is never packed, however much it is.
#[tokio::test]
async fn a_watch_is_never_packed() {
    let server = filled().await;
    let path = format!("{MAPS}?watch=true&resourceVersion=0&timeoutSeconds=1");
    let (headers, events) = raw(&server, &path, &[GZIP]).await;
    assert!(headers.get("content-encoding").is_none());
    assert!(events.len() > PLAIN_BYTES && events.starts_with(br#"{"type":"ADDED""#));
}

/// API-17: OpenAPI v2 is packed from 1,400 bytes on, OpenAPI v3 never; entity tags are those of the plain documents.
#[tokio::test]
async fn documents_follow_the_rules_of_their_handlers() {
    let server = server().await;
    let (plain_headers, plain) = raw(&server, "/openapi/v2", &[]).await;
    let (headers, packed) = raw(&server, "/openapi/v2", &[("accept-encoding", "gzip;q=0.8, identity")]).await;
    assert_eq!((&headers["content-encoding"], &headers["etag"]), (&"gzip".parse().unwrap(), &plain_headers["etag"]));
    for headers in [&headers, &plain_headers] {
        let vary: Vec<_> = headers.get_all("vary").iter().collect();
        assert_eq!(vary, ["Accept", "Accept-Encoding"]);
    }
    assert!(unpacked(&packed) == plain, "another document");
    let (headers, _) = raw(&server, "/openapi/v2", &[("accept-encoding", "gzip;q=0")]).await;
    assert!(headers.get("content-encoding").is_none());
    let tag = plain_headers["etag"].to_str().unwrap();
    let known = send(&server, Method::GET, "/openapi/v2", &[GZIP, ("if-none-match", tag)], "").await;
    assert_eq!((known.code, known.headers.contains_key("content-encoding")), (304, false));
    let (headers, document) = raw(&server, "/openapi/v3/api/v1", &[GZIP]).await;
    assert!(headers.get("content-encoding").is_none() && document.len() > 1_400);
}

/// SEC-16: hundreds of clients that ask for packed lists at a time are all answered.
#[tokio::test(flavor = "multi_thread")]
async fn sec_16_many_packed_lists_at_a_time() {
    /// As many as are answered at a time at most.
    const CLIENTS: usize = 300;
    let server = filled().await;
    let answers = futures::stream::iter(0..CLIENTS).map(|_| raw(&server, MAPS, &[GZIP])).buffer_unordered(CLIENTS);
    let sizes: Vec<usize> = answers.map(|(_, packed)| unpacked(&packed).len()).collect().await;
    assert!(sizes.len() == CLIENTS && sizes.iter().all(|size| *size == sizes[0] && *size > PLAIN_BYTES));
}
