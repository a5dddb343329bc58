//! The five messages of Kafka's protocol that a probe exchanges, in the oldest forms that every broker since 1.0 speaks. A client crate
//! (rdkafka, rskafka) brings a C library or its own connections and retries, and reads without our limits. Pure; any bytes end in an
//! answer, a gap or a refusal.

/// Longest answer that is read: one about a thousand brokers fits.
pub(super) const LIMIT: usize = 48 * 1024;
/// Longest answer that is believed to be one.
const LENGTH_LIMIT: usize = LIMIT - 4;
/// Name of the client in the broker's log.
const CLIENT: &str = "koan";
/// Most items of a list that are read.
const ITEMS: usize = 1024;

/// What is asked, each in one version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Question {
    /// What the broker speaks; answered to everybody.
    Versions,
    /// Begins a login by a mechanism; answered to everybody.
    Handshake,
    /// A step of the login.
    Authenticate,
    /// The brokers of the cluster, without any topic; answered once the login stands.
    Brokers,
}

impl Question {
    /// Number of the message and its version.
    pub(super) fn key(self) -> (i16, i16) {
        match self {
            Self::Versions => (18, 0),
            Self::Handshake => (17, 1),
            Self::Authenticate => (36, 0),
            Self::Brokers => (3, 2),
        }
    }

    /// The message, with a number that its answer repeats.
    pub(super) fn message(self, number: u32, body: &[u8]) -> Vec<u8> {
        let (key, version) = self.key();
        let head = [&key.to_be_bytes()[..], &version.to_be_bytes(), &number.to_be_bytes(), &text(CLIENT)].concat();
        [&length(head.len() + body.len()), &head[..], body].concat()
    }
}

/// A short text: two bytes of length. One that is too long for that is cut off, which no broker knows the name of.
pub(super) fn text(text: &str) -> Vec<u8> {
    let bytes = text.as_bytes();
    let count = i16::try_from(bytes.len()).unwrap_or(i16::MAX);
    [&count.to_be_bytes()[..], bytes.get(..usize::from(count.unsigned_abs())).unwrap_or_default()].concat()
}

/// Bytes with four bytes of length.
pub(super) fn bytes(bytes: &[u8]) -> Vec<u8> {
    [&length(bytes.len())[..], bytes].concat()
}

/// A list without items.
pub(super) const NOTHING: [u8; 4] = [0; 4];

fn length(count: usize) -> [u8; 4] {
    i32::try_from(count).unwrap_or(i32::MAX).to_be_bytes()
}

/// Why bytes are no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The answer at the start of the bytes to the question with this number; `None` while it goes on.
pub(super) fn split(bytes: &[u8], number: u32) -> Result<Option<&[u8]>, Malformed> {
    let mut reader = Reader(bytes);
    let Some(length) = reader.number::<4>() else { return Ok(None) };
    let length = usize::try_from(i32::from_be_bytes(length)).map_err(|_| Malformed)?;
    if !(4..=LENGTH_LIMIT).contains(&length) {
        return Err(Malformed);
    }
    match reader.number::<4>() {
        Some(answered) if u32::from_be_bytes(answered) != number => Err(Malformed),
        Some(_) if reader.0.len() > length - 4 => Err(Malformed),
        Some(_) if reader.0.len() == length - 4 => Ok(Some(reader.0)),
        Some(_) | None => Ok(None),
    }
}

/// What a broker speaks: a number of a message, its lowest and its highest version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Versions(Vec<(i16, i16, i16)>);

impl Versions {
    /// The list of a broker, which takes, gives and names records; other servers of the protocol do not.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        if reader.short()? != 0 {
            return None;
        }
        let list = Self(reader.list(|reader| Some((reader.short()?, reader.short()?, reader.short()?)))?);
        let whole = list.0.iter().all(|(key, lowest, highest)| *key >= 0 && *lowest >= 0 && lowest <= highest);
        let is_broker = [PRODUCE, FETCH].iter().all(|wanted| list.0.iter().any(|(key, ..)| key == wanted));
        (reader.0.is_empty() && whole && is_broker && list.speaks(Question::Versions)).then_some(list)
    }

    /// The broker speaks this question in the version that is written here.
    pub(super) fn speaks(&self, question: Question) -> bool {
        let (wanted, version) = question.key();
        self.0.iter().any(|(key, lowest, highest)| *key == wanted && (*lowest..=*highest).contains(&version))
    }

    /// How many messages it speaks.
    pub(super) fn count(&self) -> usize {
        self.0.len()
    }
}

/// Takes records.
const PRODUCE: i16 = 0;
/// Gives records.
const FETCH: i16 = 1;

/// Errors that mean something here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    /// None.
    Fine,
    /// The listener offers other mechanisms.
    OtherMechanism,
    /// The listener takes no login at all.
    NoLogin,
    /// User or password is refused.
    Refused,
    /// Any other.
    Other(i16),
}

impl Code {
    fn of(number: i16) -> Self {
        match number {
            0 => Self::Fine,
            33 => Self::OtherMechanism,
            34 => Self::NoLogin,
            58 => Self::Refused,
            other => Self::Other(other),
        }
    }
}

/// An error, and the mechanisms that the listener offers.
pub(super) fn handshake(bytes: &[u8]) -> Option<(Code, Vec<String>)> {
    let mut reader = Reader(bytes);
    let code = Code::of(reader.short()?);
    let mechanisms = reader.list(|reader| reader.text())?;
    reader.0.is_empty().then_some((code, mechanisms))
}

/// An error, and what the mechanism says.
pub(super) fn step(bytes: &[u8]) -> Option<(Code, Vec<u8>)> {
    let mut reader = Reader(bytes);
    let code = Code::of(reader.short()?);
    reader.optional_text()?;
    let length = usize::try_from(i32::from_be_bytes(reader.number()?)).ok()?;
    let said = reader.take(length)?.to_vec();
    reader.0.is_empty().then_some((code, said))
}

/// Where the brokers of the cluster say that they are reached, for a client of this listener.
pub(super) fn brokers(bytes: &[u8]) -> Option<Vec<(String, u16)>> {
    let mut reader = Reader(bytes);
    let brokers = reader.list(|reader| {
        let _id = reader.number::<4>()?;
        let host = reader.text()?;
        let port = u16::try_from(i32::from_be_bytes(reader.number()?)).ok().filter(|port| *port > 0)?;
        reader.optional_text()?;
        Some((host, port))
    })?;
    // The cluster's id, which containers share that were never given one, the controller, and no topic.
    reader.optional_text()?;
    let _controller = reader.number::<4>()?;
    let topics = reader.number::<4>()?;
    (reader.0.is_empty() && topics == NOTHING).then_some(brokers)
}

/// Reads from the front; `None` where too little is left.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    fn number<const BYTES: usize>(&mut self) -> Option<[u8; BYTES]> {
        self.take(BYTES)?.try_into().ok()
    }

    fn short(&mut self) -> Option<i16> {
        self.number().map(i16::from_be_bytes)
    }

    fn text(&mut self) -> Option<String> {
        self.optional_text()?
    }

    /// A text, or none, which is written as a length below zero.
    fn optional_text(&mut self) -> Option<Option<String>> {
        let Ok(length) = usize::try_from(self.short()?) else { return Some(None) };
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        Some(Some(text.to_owned()))
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        let count = usize::try_from(i32::from_be_bytes(self.number()?)).ok().filter(|count| *count <= ITEMS)?;
        (0..count).map(|_index| item(self)).collect()
    }
}
