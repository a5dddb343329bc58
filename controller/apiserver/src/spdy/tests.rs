//! Frames as clients send them, and as nobody should.

use std::time::Duration;

use proptest::prelude::*;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message;

use super::Endpoint;
use super::dictionary::SUM;
use crate::forward::{Heard, Said, Talk};

/// Headers of an error stream and a data stream (`streamtype`, `port` 8080, `requestid` 0) as zlib compresses them.
const RECORDED: [&str; 2] = [
    "78f9e3c6a7c202253a703a2b294a4dcc851625aca9a0808614cb45e01c6061606100a4398b20d198094ade8c0600000000ffff",
    "c2aa19540e2512d60b000000ffff",
];

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | u32::from(flags) << 24;
    [&[0x80, 3], kind.to_be_bytes().as_slice(), &length.to_be_bytes(), payload].concat()
}

fn open(stream: u32, block: &[u8]) -> Vec<u8> {
    control(1, 0, &[stream.to_be_bytes().as_slice(), &[0; 6], block].concat())
}

fn data(stream: u32, fin: bool, bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap() | u32::from(fin) << 24;
    [stream.to_be_bytes().as_slice(), &length.to_be_bytes(), bytes].concat()
}

fn reset(stream: u32, why: u32) -> Vec<u8> {
    control(3, 0, &[stream.to_be_bytes(), why.to_be_bytes()].concat())
}

/// A block in stored form; `first` begins the client's stream.
fn block(first: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut content = u32::try_from(headers.len()).unwrap().to_be_bytes().to_vec();
    for text in headers.iter().flat_map(|(name, value)| [name, value]) {
        content.extend(u32::try_from(text.len()).unwrap().to_be_bytes());
        content.extend(text.as_bytes());
    }
    stored(first, &content)
}

fn stored(first: bool, content: &[u8]) -> Vec<u8> {
    let prefix = if first { [&[0x78, 0xf9], SUM.to_be_bytes().as_slice()].concat() } else { Vec::new() };
    let length = u16::try_from(content.len()).unwrap();
    [&prefix, [0].as_slice(), &length.to_le_bytes(), &(!length).to_le_bytes(), content].concat()
}

fn pair(first: bool, stream: u32, request: &str) -> Vec<u8> {
    let headers = |kind| [("streamtype", kind), ("port", "80"), ("requestid", request)];
    [open(stream, &block(first, &headers("error"))), open(stream + 2, &block(false, &headers("data")))].concat()
}

/// All that the bytes mean, in portions of `size`; answers as their bytes.
fn hear(endpoint: &mut Endpoint, bytes: &[u8], size: usize) -> Vec<Heard> {
    let mut heard = Vec::new();
    for portion in bytes.chunks(size) {
        endpoint.take(Message::Binary(portion.to_vec().into()));
        heard.extend(std::iter::from_fn(|| endpoint.next(Instant::now())));
    }
    heard
}

fn answers(heard: &[Heard]) -> Vec<u8> {
    heard
        .iter()
        .filter_map(|heard| if let Heard::Answer(message) = heard { Some(message.clone().into_data()) } else { None })
        .flatten()
        .collect()
}

fn meant(heard: Vec<Heard>) -> Vec<Heard> {
    heard.into_iter().filter(|heard| !matches!(heard, Heard::Answer(_))).collect()
}

fn said(endpoint: &mut Endpoint, lane: u32, said: Said) -> Vec<u8> {
    endpoint.say(lane, said).into_iter().flat_map(|message| message.into_data()).collect()
}

/// API-3, API-19 (decision 0013): the streams that kubectl opens become one connection, in whatever portions they come, and each
/// is answered once.
#[test]
fn recorded_streams_become_a_connection() {
    let [error, first] = RECORDED.map(unhex);
    let bytes = [open(1, &error), data(1, true, b""), open(3, &first), data(3, false, b"hi"), data(3, true, b"")].concat();
    for size in [1, 7, bytes.len()] {
        let heard = hear(&mut Endpoint::new(), &bytes, size);
        let reply = |stream: u32, prefix: &[u8]| {
            let block = [prefix, &[0, 4, 0, 0xfb, 0xff, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]].concat();
            control(2, 0, &[stream.to_be_bytes().as_slice(), &block].concat())
        };
        assert_eq!(answers(&heard), [reply(1, &[0x78, 1]), reply(3, &[])].concat(), "{size}");
        let expected = [Heard::Open { lane: 3, port: 8080 }, Heard::Data { lane: 3, bytes: "hi".into() }, Heard::End { lane: 3 }];
        assert_eq!(meant(heard), expected, "{size}");
    }
}

/// API-3 (decision 0013): an end closes both streams, a fault is told on the error stream before both are reset, and a stream
/// that is gone means nothing any more.
#[test]
fn connections_end_as_the_reference_ends_them() {
    let mut endpoint = Endpoint::new();
    hear(&mut endpoint, &[pair(true, 1, "a"), pair(false, 5, "b"), pair(false, 9, "c")].concat(), 999);
    assert_eq!(said(&mut endpoint, 3, Said::Data("x".into())), data(3, false, b"x"));
    assert_eq!(said(&mut endpoint, 3, Said::End), [data(3, true, b""), data(1, true, b"")].concat());
    assert_eq!(said(&mut endpoint, 3, Said::End), b"");
    let fault = [data(5, false, b"no"), reset(7, 5), reset(5, 5)].concat();
    assert_eq!(said(&mut endpoint, 7, Said::Fault("no".to_owned())), fault);
    assert_eq!(hear(&mut endpoint, &reset(11, 5), 99), [Heard::Drop { lane: 11 }]);
    assert_eq!(hear(&mut endpoint, &[data(11, false, b"late"), reset(11, 5), reset(99, 5)].concat(), 99), []);
}

/// API-3 (decision 0013): pings are answered, settings and windows mean nothing, a goodbye ends the tunnel.
#[test]
fn the_rest_of_the_protocol_is_heard() {
    let mut endpoint = Endpoint::new();
    let ping = control(6, 0, &7_u32.to_be_bytes());
    let bytes = [control(4, 0, &[0; 4]), control(9, 0, &[0; 8]), control(6, 0, &2_u32.to_be_bytes()), ping.clone()].concat();
    assert_eq!(answers(&hear(&mut endpoint, &bytes, 3)), ping);
    assert_eq!(hear(&mut endpoint, &control(7, 0, &[0; 8]), 99), [Heard::Over]);
}

/// API-3, SEC-16 (decision 0013): what a client must not open is reset and costs nobody else; too many connections are refused.
#[test]
fn sec_16_wrong_streams_are_reset() {
    let mut endpoint = Endpoint::new();
    let headers = |kind, port| block(false, &[("streamtype", kind), ("port", port), ("requestid", "r")]);
    let bytes = [
        pair(true, 1, "a"),
        open(3, &headers("data", "80")),
        open(4, &headers("data", "80")),
        open(5, &headers("data", "0")),
        open(7, &headers("other", "80")),
        open(9, &headers("data", "80")),
        open(11, &headers("data", "80")),
    ]
    .concat();
    let heard = hear(&mut endpoint, &bytes, 999);
    let resets = [reset(3, 1), reset(4, 1), reset(5, 5), reset(7, 5), reset(11, 5)];
    let told = answers(&heard);
    for wanted in &resets {
        assert!(told.windows(wanted.len()).any(|found| found == wanted), "{wanted:?}");
    }
    assert_eq!(meant(heard), [Heard::Open { lane: 3, port: 80 }]);
    let mut endpoint = Endpoint::new();
    let many: Vec<u8> = (0..300).flat_map(|number| pair(number == 0, number * 4 + 1, &number.to_string())).collect();
    let heard = hear(&mut endpoint, &many, many.len());
    assert_eq!(heard.iter().filter(|heard| matches!(heard, Heard::Open { .. })).count(), 256);
    assert!(answers(&heard).ends_with(&[reset(299 * 4 + 1, 3), reset(299 * 4 + 3, 3)].concat()));
}

/// API-3, SEC-16 (decision 0013): bytes that make no sense, a bomb among them, end the tunnel with a reason.
#[test]
fn sec_16_nonsense_ends_a_tunnel() {
    let bomb = {
        // A stored kilobyte is as good as a long match: more than a block may hold, in a few frames.
        let content = [u32::MAX.to_be_bytes().as_slice(), &[0; 12_000]].concat();
        [open(1, &stored(true, &content))].concat()
    };
    let other_dictionary = [&[0x78, 0xf9], [1, 2, 3, 4].as_slice(), &block(false, &[])].concat();
    let damaged = [&[0x78, 0xf9], SUM.to_be_bytes().as_slice(), &[7; 40]].concat();
    let cases = [
        ("version", vec![0x80, 2, 0, 1, 0, 0, 0, 0]),
        ("large data", vec![0, 0, 0, 1, 0, 0xff, 0, 0]),
        ("large control", vec![0x80, 3, 0, 1, 0, 1, 0, 0]),
        ("short", control(1, 0, &[0; 6])),
        ("no prefix", open(1, &[])),
        ("another dictionary", open(1, &other_dictionary)),
        ("damaged", open(1, &damaged)),
        ("too many headers", bomb),
        ("longer than said", open(1, &stored(true, &[0, 0, 0, 0, 9]))),
    ];
    for (name, bytes) in cases {
        let mut endpoint = Endpoint::new();
        let heard = hear(&mut endpoint, &bytes, 999);
        assert_eq!(answers(&heard)[..4], [0x80, 3, 0, 7], "{name}");
        assert_eq!(meant(heard), [Heard::Over], "{name}");
        assert_eq!(hear(&mut endpoint, &pair(true, 1, "a"), 999), [], "{name}: nothing is heard behind it");
    }
}

/// API-3, SEC-16 (decision 0013): half of a pair is given up after its time, and says why where it can.
#[test]
fn sec_16_halves_of_pairs_are_given_up() {
    let mut endpoint = Endpoint::new();
    hear(&mut endpoint, &open(1, &block(true, &[("streamtype", "error"), ("port", "80"), ("requestid", "r")])), 999);
    let due = endpoint.due().unwrap();
    assert!(endpoint.next(due - Duration::from_millis(1)).is_none());
    let heard: Vec<Heard> = std::iter::from_fn(|| endpoint.next(due)).collect();
    let text = data(1, false, b"(request=r) timed out waiting for streams");
    assert_eq!(answers(&heard), [text, reset(1, 5)].concat());
    assert_eq!(endpoint.due(), None);
}

proptest! {
    /// API-40, SEC-16, REL-22: whatever a client sends, in whatever portions, is heard to its end without a panic, and opens no
    /// more than it may.
    #[test]
    fn sec_16_any_bytes_are_survived(
        noise in proptest::collection::vec(any::<u8>(), 0..400),
        place in 0_usize..400,
        size in 1_usize..64,
    ) {
        let mut bytes = [pair(true, 1, "a"), data(3, false, b"hello"), pair(false, 5, "b"), data(7, true, b"")].concat();
        let place = place.min(bytes.len());
        for (at, byte) in noise.iter().enumerate() {
            match bytes.get_mut(place + at) {
                Some(known) if at % 3 == 0 => *known ^= byte,
                Some(_) => {}
                None => bytes.push(*byte),
            }
        }
        let mut endpoint = Endpoint::new();
        let heard = hear(&mut endpoint, &bytes, size);
        let opened = heard.iter().filter(|heard| matches!(heard, Heard::Open { .. })).count();
        prop_assert!(opened <= bytes.len() / 18);
    }
}
