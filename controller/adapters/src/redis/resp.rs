//! A bounded reader of RESP2 and RESP3 replies. The client crate has no way to ask `HELLO` before any login on a connection whose
//! bytes are limited, and sends commands of its own after a login, so the few replies of a probe are read here. Pure.

/// Deepest nesting that is read.
const DEPTH: usize = 4;
/// Most elements of one aggregate.
const ELEMENTS: usize = 256;

/// A reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// A text: simple, bulk, verbatim, number, boolean or nothing.
    Text(String),
    /// An error: its code.
    Error(String),
    /// Elements of an array, set or, flattened, a map.
    Many { map: bool, elements: Vec<Self> },
}

impl Reply {
    /// Value of a key, in a map.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        let Self::Many { elements, .. } = self else { return None };
        elements.chunks_exact(2).find_map(|pair| match pair {
            [Self::Text(name), Self::Text(value)] if name == key => Some(value.as_str()),
            _other => None,
        })
    }
}

/// Why bytes are no reply yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    /// The reply goes on.
    Incomplete,
    /// No such reply exists.
    Malformed,
}

/// A whole reply at the start of the bytes, and its length.
pub(super) fn parse(bytes: &[u8]) -> Result<(Reply, usize), Gap> {
    value(bytes, 0, 0)
}

fn value(bytes: &[u8], start: usize, depth: usize) -> Result<(Reply, usize), Gap> {
    let kind = *bytes.get(start).ok_or(Gap::Incomplete)?;
    if depth > DEPTH || !b"+-:$*%~_#,=(".contains(&kind) {
        return Err(Gap::Malformed);
    }
    let (line, next) = line(bytes, start + 1)?;
    match kind {
        b'+' | b':' | b'_' | b'#' | b',' | b'(' => Ok((Reply::Text(line.to_owned()), next)),
        b'-' => Ok((Reply::Error(error_code(line)?), next)),
        b'$' | b'=' if line == "-1" => Ok((Reply::Text(String::new()), next)),
        b'$' | b'=' => bulk(bytes, next, number(line)?),
        _aggregate => aggregate(bytes, kind == b'%', number(line)?, (next, depth)),
    }
}

fn line(bytes: &[u8], start: usize) -> Result<(&str, usize), Gap> {
    let rest = bytes.get(start..).ok_or(Gap::Incomplete)?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n").ok_or(Gap::Incomplete)?;
    let text = std::str::from_utf8(&rest[..end]).map_err(|_| Gap::Malformed)?;
    Ok((text, start + end + 2))
}

fn number(line: &str) -> Result<usize, Gap> {
    line.parse().map_err(|_| Gap::Malformed)
}

fn error_code(line: &str) -> Result<String, Gap> {
    let code = line.split(' ').next().unwrap_or_default();
    let well_formed = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
    well_formed.then(|| code.to_owned()).ok_or(Gap::Malformed)
}

fn bulk(bytes: &[u8], start: usize, length: usize) -> Result<(Reply, usize), Gap> {
    let end = start.checked_add(length).ok_or(Gap::Malformed)?;
    let text = bytes.get(start..end).ok_or(Gap::Incomplete)?;
    match bytes.get(end..end + 2) {
        Some(b"\r\n") => Ok((Reply::Text(String::from_utf8_lossy(text).into_owned()), end + 2)),
        Some(_) => Err(Gap::Malformed),
        None => Err(Gap::Incomplete),
    }
}

fn aggregate(bytes: &[u8], map: bool, count: usize, (mut next, depth): (usize, usize)) -> Result<(Reply, usize), Gap> {
    if count > ELEMENTS {
        return Err(Gap::Malformed);
    }
    let mut elements = Vec::new();
    for _element in 0..if map { count * 2 } else { count } {
        let (element, end) = value(bytes, next, depth + 1)?;
        elements.push(element);
        next = end;
    }
    Ok((Reply::Many { map, elements }, next))
}
