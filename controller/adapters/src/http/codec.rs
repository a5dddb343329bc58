//! Heads and bodies of HTTP/1.1 answers. Pure; any bytes end in an answer, a gap or a refusal.

use std::ops::Range;

/// Longest head (DET-12).
pub(super) const HEAD_LIMIT: usize = 16 * 1024;
/// Most header lines.
const HEADERS: usize = 64;

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// A whole head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Head {
    /// Status code.
    pub(super) status: u16,
    /// Where the body begins.
    pub(super) end: usize,
    /// How the body ends.
    pub(super) length: Length,
    /// The server ends the connection after the body.
    pub(super) closes: bool,
    /// Type of the body, in lower case.
    pub(super) content_type: String,
    /// Every header line: its name in lower case and its value as it came.
    pub(super) headers: Vec<(String, String)>,
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// After so many bytes.
    Exactly(usize),
    /// After the chunk of length zero.
    Chunked,
    /// With the connection.
    UntilClose,
}

/// The head at the start of the bytes; `None` while it goes on.
pub(super) fn head(bytes: &[u8]) -> Result<Option<Head>, Malformed> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let end = match response.parse(bytes) {
        Ok(httparse::Status::Complete(end)) => end,
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(_) => return Err(Malformed),
    };
    let status = response.code.filter(|code| (200..600).contains(code)).ok_or(Malformed)?;
    let line = |header: &httparse::Header<'_>| {
        (header.name.to_ascii_lowercase(), String::from_utf8_lossy(header.value).trim().to_owned())
    };
    let headers: Vec<(String, String)> = response.headers.iter().map(line).collect();
    let texts = |name: &str| {
        let named = headers.iter().filter(move |(own, _value)| own == name);
        named.map(|(_name, value)| value.to_ascii_lowercase()).collect::<Vec<_>>()
    };
    let codings = texts("transfer-encoding");
    let length = match (codings.as_slice(), texts("content-length").as_slice()) {
        _bodiless if matches!(status, 204 | 304) => Length::Exactly(0),
        ([], []) => Length::UntilClose,
        ([], [first, rest @ ..]) if rest.iter().all(|other| other == first) => {
            Length::Exactly(first.parse().map_err(|_| Malformed)?)
        }
        ([coding], _) if coding == "chunked" => Length::Chunked,
        _odd => return Err(Malformed),
    };
    let closes = length == Length::UntilClose
        || response.version != Some(1)
        || texts("connection").iter().any(|text| text.split(',').any(|word| word.trim() == "close"));
    let content_type = texts("content-type").into_iter().next().unwrap_or_default();
    Ok(Some(Head { status, end, length, closes, content_type, headers }))
}

/// A body, as far as its bytes came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Body {
    /// Its bytes without their framing.
    pub(super) bytes: Vec<u8>,
    /// Where its framing ends; `None` while it goes on.
    pub(super) end: Option<usize>,
}

/// The body at the start of the bytes. One that lasts until the connection closes never ends here.
pub(super) fn body(bytes: &[u8], length: Length) -> Result<Body, Malformed> {
    match length {
        Length::Exactly(length) => Ok(match bytes.get(..length) {
            Some(whole) => Body { bytes: whole.to_vec(), end: Some(length) },
            None => Body { bytes: bytes.to_vec(), end: None },
        }),
        Length::UntilClose => Ok(Body { bytes: bytes.to_vec(), end: None }),
        Length::Chunked => chunks(bytes),
    }
}

fn chunks(bytes: &[u8]) -> Result<Body, Malformed> {
    let mut whole = Vec::new();
    let mut start = 0;
    loop {
        let rest = bytes.get(start..).unwrap_or_default();
        let (line, size) = match httparse::parse_chunk_size(rest) {
            Ok(httparse::Status::Complete(found)) => found,
            Ok(httparse::Status::Partial) => return Ok(Body { bytes: whole, end: None }),
            Err(_) => return Err(Malformed),
        };
        if size == 0 {
            return Ok(Body { bytes: whole, end: trailer(bytes, start + line) });
        }
        let size = usize::try_from(size).map_err(|_| Malformed)?;
        let chunk = Range { start: start + line, end: (start + line).checked_add(size).ok_or(Malformed)? };
        let Some(data) = bytes.get(chunk.clone()) else {
            whole.extend_from_slice(bytes.get(chunk.start..).unwrap_or_default());
            return Ok(Body { bytes: whole, end: None });
        };
        whole.extend_from_slice(data);
        match bytes.get(chunk.end..).unwrap_or_default() {
            [b'\r', b'\n', ..] => start = chunk.end + 2,
            [] | [b'\r'] => return Ok(Body { bytes: whole, end: None }),
            _other => return Err(Malformed),
        }
    }
}

/// End of the lines after the last chunk: an empty one.
fn trailer(bytes: &[u8], start: usize) -> Option<usize> {
    let rest = bytes.get(start..)?;
    if rest.starts_with(b"\r\n") {
        return Some(start + 2);
    }
    rest.windows(4).position(|four| four == b"\r\n\r\n").map(|position| start + position + 4)
}
