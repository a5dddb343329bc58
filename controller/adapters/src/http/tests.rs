use std::time::Duration;

use koan_core::probe::{CandidateVerdict, CredentialRef};
use koan_crds::v1alpha1::EvidenceCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::codec::{Body, Head, Length, Malformed, body, head};
use super::session::Header;
use crate::testing::transcript::Stage;
use crate::testing::{codes, manifest, only, question, token};
use crate::{LiveProber, Prober};

fn whole(bytes: &[u8]) -> Head {
    head(bytes).unwrap().unwrap()
}

/// DET-14: a head is read whole or not at all; its framing is the one that HTTP gives it.
#[test]
fn heads_are_read_whole_or_not_at_all() {
    let bytes = b"HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}";
    let read = whole(bytes);
    assert_eq!((read.status, read.length, read.closes, read.end), (200, Length::Exactly(2), false, bytes.len() - 2));
    assert_eq!(read.content_type, "application/json; charset=utf-8");
    for end in 0..bytes.len() - 2 {
        assert_eq!(head(&bytes[..end]), Ok(None), "{end}");
    }
    for (text, length, closes) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", Length::Chunked, false),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n\r\n", Length::Chunked, false),
        ("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 1\r\n\r\n", Length::Exactly(1), true),
        ("HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n", Length::Exactly(1), true),
        ("HTTP/1.1 200 OK\r\n\r\n", Length::UntilClose, true),
        ("HTTP/1.1 204 No Content\r\n\r\n", Length::Exactly(0), false),
    ] {
        assert_eq!((whole(text.as_bytes()).length, whole(text.as_bytes()).closes), (length, closes), "{text}");
    }
    for text in [
        "SSH-2.0-OpenSSH\r\n",
        "HTTP/1.1 100 Continue\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
    ] {
        assert_eq!(head(text.as_bytes()), Err(Malformed), "{text}");
    }
}

/// DET-14: chunks are put together; a chunk that goes on is a beginning, a broken one is refused.
#[test]
fn bodies_are_read_in_every_framing() {
    let text = b"4;x=y\r\nWiki\r\n5\r\npedia\r\n0\r\nTrailer: x\r\n\r\n";
    assert_eq!(body(text, Length::Chunked), Ok(Body { bytes: b"Wikipedia".to_vec(), end: Some(text.len()) }));
    for end in 0..text.len() {
        let Body { bytes, end } = body(&text[..end], Length::Chunked).unwrap();
        assert!(b"Wikipedia".starts_with(&bytes) && end.is_none());
    }
    assert_eq!(body(b"2\r\nabX", Length::Chunked), Err(Malformed));
    assert_eq!(body(b"ffffffffffffffff\r\nab", Length::Chunked), Err(Malformed));
    assert_eq!(body(b"abc", Length::Exactly(2)), Ok(Body { bytes: b"ab".to_vec(), end: Some(2) }));
    assert_eq!(body(b"abc", Length::UntilClose), Ok(Body { bytes: b"abc".to_vec(), end: None }));
}

/// SEC-1: a secret with a line end would write headers of its own; it is not sent.
#[test]
fn sec_1_a_value_that_ends_its_line_is_no_header() {
    let sendable = |value| Header { name: "X-Vault-Token", value }.is_sendable();
    assert!(sendable("hvs.Ab~ x"));
    for value in ["", "a\r\nHost: b", "a\nb", "a\0b", "ä", "\u{7f}"] {
        assert!(!sendable(value), "{value:?}");
    }
}

/// Adapters that speak HTTP.
const HTTP: [&str; 6] = ["elasticsearch", "etcd", "ollama", "opensearch", "vault", "weaviate"];

/// Asks a port for each product, with a token at hand; none takes it for the right one.
async fn assert_impostor(port: u16, what: &str) {
    for adapter in HTTP {
        let question = question(adapter, port, &[CredentialRef::Manifest, CredentialRef::Anonymous]);
        let report = LiveProber::new().probe(&question, &manifest(token("c4nary"))).await;
        assert_eq!(only(&report).verdict, CandidateVerdict::Impostor, "{adapter} {what}");
        let code = codes(only(&report))[0];
        assert!(matches!(code, EvidenceCode::WrongProtocol | EvidenceCode::Timeout), "{adapter} {what} {code:?}");
    }
}

/// DET-10, DET-14, DET-18, SEC-1: an HTTP server of another kind is an impostor of every product that speaks HTTP, whatever it answers
/// to everything, and gets no token; where it sends people elsewhere, nobody is asked there.
#[tokio::test]
async fn sec_1_other_http_servers_are_impostors() {
    let elsewhere = Stage::open(Vec::new()).await;
    let to = format!("HTTP/1.1 302 X\r\nLocation: http://127.0.0.1:{}/\r\nContent-Length: 0\r\n\r\n", elsewhere.port);
    let page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>ok</html>";
    let empty = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}";
    let basic = "HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";
    let closing = "HTTP/1.0 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";
    let short = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9000\r\n\r\n{";
    let long = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{} and more";
    let huge = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{";
    for (what, answer) in [
        ("redirect", to.as_str()),
        ("page", page),
        ("empty document", empty),
        ("401 Basic", basic),
        ("HTTP/1.0", closing),
        ("body that does not come", short),
        ("body beyond its length", long),
        ("chunk without end", huge),
    ] {
        let stage = Stage::open(vec![("GET ".to_owned(), answer.as_bytes().to_vec())]).await;
        assert_impostor(stage.port, what).await;
        assert!(!stage.seen().contains("c4nary"), "{what}: {}", stage.seen());
    }
    assert_eq!(elsewhere.seen(), "");
}

/// DET-12, DET-18: a head that trickles, and heads and bodies without end, end with their budgets.
#[tokio::test]
async fn answers_without_end_are_left() {
    for (what, start, more, pace) in [
        ("head that trickles", "HTTP/1.1 200 OK\r\nX: ", "y", Some(Duration::from_millis(100))),
        ("head without end", "HTTP/1.1 200 OK\r\nX: ", "yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy", None),
        (
            "body without end",
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n",
            "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
            None,
        ),
        ("chunks without end", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "8\r\n[[[[[[[[\r\n", None),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((mut stream, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let _asked = stream.read(&mut [0; 1024]).await;
                    let mut sent = stream.write_all(start.as_bytes()).await;
                    let mut pace = pace.map(tokio::time::interval);
                    while sent.is_ok() {
                        if let Some(pace) = &mut pace {
                            pace.tick().await;
                        }
                        sent = stream.write_all(more.as_bytes()).await;
                    }
                });
            }
        });
        assert_impostor(port, what).await;
        task.abort();
    }
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault, and no body is longer than its bytes.
    #[test]
    fn p6_any_answer_is_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), length in 0_usize..400) {
        let _head = head(&bytes);
        for framing in [Length::Chunked, Length::UntilClose, Length::Exactly(length)] {
            if let Ok(read) = body(&bytes, framing) {
                proptest::prop_assert!(read.bytes.len() <= bytes.len() && read.end.is_none_or(|end| end <= bytes.len()));
            }
        }
    }

    /// P6: a head of any printable text is read or refused, in every place where it may be cut.
    #[test]
    fn p6_any_head_is_read(text in "HTTP/1.[01] [0-9]{0,4} [ -~]{0,9}\r\n([ -~]{0,20}\r\n){0,5}\r\n", cut in 0_usize..200) {
        let _head = head(text.as_bytes().get(..cut).unwrap_or(text.as_bytes()));
    }
}
