//! The few kinds of BSON that a probe says, and every kind that it has to step over. Pure; whatever the bytes are, reading them ends.

/// Length before a document, and the zero after it.
const FRAME: usize = 5;

/// A document that a probe says.
#[derive(Default)]
pub(super) struct Writer(Vec<u8>);

impl Writer {
    /// A document whose first key is the command.
    pub(super) fn command(name: &str, database: &str) -> Self {
        Self::default().number(name, 1).text("$db", database)
    }

    /// A whole number.
    pub(super) fn number(self, key: &str, value: i32) -> Self {
        self.element(0x10, key, &value.to_le_bytes())
    }

    /// Yes or no.
    pub(super) fn flag(self, key: &str, value: bool) -> Self {
        self.element(0x08, key, &[u8::from(value)])
    }

    /// A text.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        let length = length(value.len() + 1);
        self.element(0x02, key, &[&length, value.as_bytes(), &[0]].concat())
    }

    /// Bytes.
    pub(super) fn bytes(self, key: &str, value: &[u8]) -> Self {
        let length = length(value.len());
        self.element(0x05, key, &[&length[..], &[0], value].concat())
    }

    fn element(mut self, kind: u8, key: &str, value: &[u8]) -> Self {
        self.0.push(kind);
        self.0.extend(key.bytes().filter(|byte| *byte != 0));
        self.0.push(0);
        self.0.extend_from_slice(value);
        self
    }

    /// The document.
    pub(super) fn whole(self) -> Vec<u8> {
        [&length(self.0.len() + FRAME)[..], &self.0, &[0]].concat()
    }
}

fn length(count: usize) -> [u8; 4] {
    u32::try_from(count).unwrap_or(u32::MAX).to_le_bytes()
}

/// A value that a probe understands.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value<'a> {
    /// A number of any width.
    Number(f64),
    /// A text.
    Text(&'a str),
    /// Yes or no.
    Flag(bool),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A list.
    List(Document<'a>),
    /// Anything else.
    Other,
}

/// The elements of a document.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Document<'a>(&'a [u8]);

impl<'a> Document<'a> {
    /// A whole document at the start of the bytes whose every element can be stepped over.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let (document, _length) = Self::framed(bytes)?;
        let mut rest = document.0;
        while !rest.is_empty() {
            (_, rest) = element(rest)?;
        }
        Some(document)
    }

    fn framed(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let length = read_length(bytes)?;
        let body = bytes.get(4..length.checked_sub(1)?)?;
        (bytes.get(length - 1) == Some(&0)).then_some((Self(body), length))
    }

    /// The value of a key.
    pub(super) fn get(&self, key: &str) -> Option<Value<'a>> {
        self.elements().find_map(|(name, value)| (name == key.as_bytes()).then_some(value))
    }

    /// The values of a list.
    pub(super) fn values(&self) -> impl Iterator<Item = Value<'a>> {
        self.elements().map(|(_index, value)| value)
    }

    fn elements(&self) -> impl Iterator<Item = (&'a [u8], Value<'a>)> {
        let mut rest = self.0;
        std::iter::from_fn(move || {
            let (found, after) = element(rest)?;
            rest = after;
            Some(found)
        })
    }

    /// A number.
    pub(super) fn number(&self, key: &str) -> Option<f64> {
        if let Some(Value::Number(number)) = self.get(key) { Some(number) } else { None }
    }

    /// A text.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        if let Some(Value::Text(text)) = self.get(key) { Some(text) } else { None }
    }

    /// Yes or no; no where nothing is said.
    pub(super) fn flag(&self, key: &str) -> bool {
        self.get(key) == Some(Value::Flag(true))
    }

    /// Bytes, which some servers say as a text.
    pub(super) fn bytes(&self, key: &str) -> Option<&'a [u8]> {
        match self.get(key)? {
            Value::Bytes(bytes) => Some(bytes),
            Value::Text(text) => Some(text.as_bytes()),
            Value::Number(_) | Value::Flag(_) | Value::List(_) | Value::Other => None,
        }
    }
}

/// A key with its value.
type Element<'a> = (&'a [u8], Value<'a>);

/// The first element, and what follows it.
fn element(bytes: &[u8]) -> Option<(Element<'_>, &[u8])> {
    let (kind, rest) = bytes.split_first()?;
    let (key, rest) = zero_ended(rest)?;
    let (value, rest) = match kind {
        0x01 => number(rest, f64::from_le_bytes)?,
        0x02 | 0x0d | 0x0e => text(rest)?,
        0x03 => Document::framed(rest).and_then(|(_inner, length)| Some((Value::Other, rest.get(length..)?)))?,
        0x04 => Document::framed(rest).and_then(|(inner, length)| Some((Value::List(inner), rest.get(length..)?)))?,
        0x05 => {
            let length = read_length(rest)?;
            let end = length.checked_add(FRAME)?;
            (Value::Bytes(rest.get(FRAME..end)?), rest.get(end..)?)
        }
        0x06 | 0x0a | 0x7f | 0xff => (Value::Other, rest),
        0x07 => (Value::Other, rest.get(12..)?),
        0x08 => (Value::Flag(*rest.first()? == 1), rest.get(1..)?),
        0x09 | 0x11 => (Value::Other, rest.get(8..)?),
        0x0b => {
            let (_pattern, rest) = zero_ended(rest)?;
            let (_options, rest) = zero_ended(rest)?;
            (Value::Other, rest)
        }
        0x10 => number(rest, |bytes: [u8; 4]| f64::from(i32::from_le_bytes(bytes)))?,
        // Numbers of a greeting are small.
        0x12 => number(rest, |bytes: [u8; 8]| i64::from_le_bytes(bytes) as f64)?,
        0x13 => (Value::Other, rest.get(16..)?),
        _unknown => return None,
    };
    Some(((key, value), rest))
}

fn number<const N: usize>(bytes: &[u8], read: impl Fn([u8; N]) -> f64) -> Option<(Value<'_>, &[u8])> {
    let (taken, rest) = bytes.split_first_chunk::<N>()?;
    Some((Value::Number(read(*taken)), rest))
}

fn text(bytes: &[u8]) -> Option<(Value<'_>, &[u8])> {
    let end = read_length(bytes)?.checked_add(4)?;
    let text = bytes.get(4..end.checked_sub(1)?)?;
    (bytes.get(end - 1) == Some(&0)).then_some(())?;
    Some((Value::Text(std::str::from_utf8(text).ok()?), bytes.get(end..)?))
}

fn zero_ended(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let end = bytes.iter().position(|byte| *byte == 0)?;
    Some((bytes.get(..end)?, bytes.get(end + 1..)?))
}

fn read_length(bytes: &[u8]) -> Option<usize> {
    usize::try_from(i32::from_le_bytes(*bytes.first_chunk()?)).ok()
}
