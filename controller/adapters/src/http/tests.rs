use super::codec::{Body, Head, Length, Malformed, body, head};
use super::session::Header;

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
