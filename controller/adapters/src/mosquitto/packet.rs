//! The three packets of MQTT that a probe needs: CONNECT, CONNACK, DISCONNECT. A client crate would keep a session with queues and
//! topics of its own; none of that is wanted here. Pure.

/// `DISCONNECT`, in both levels: a normal end.
pub(super) const DISCONNECT: [u8; 2] = [0xE0, 0];
/// First byte of a CONNACK.
const CONNACK: u8 = 0x20;
/// Longest text of MQTT.
const TEXT_LIMIT: usize = 65_535;
/// Longest CONNACK that is read.
pub(super) const CONNACK_LIMIT: usize = 8 * 1024;
/// Seconds without a packet after which the broker may end the session; a probe is gone long before.
const KEEP_ALIVE: u16 = 10;
/// Flags of CONNECT.
const CLEAN_START: u8 = 0x02;
const HAS_PASSWORD: u8 = 0x40;
const HAS_USER: u8 = 0x80;

/// Level of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// MQTT 3.1.1.
    Four,
    /// MQTT 5.
    Five,
}

/// A CONNECT with a clean start: it resumes no session and leaves none. `None` where a text is too long for one.
pub(super) fn connect(level: Level, client: &str, login: Option<(&str, &str)>) -> Option<Vec<u8>> {
    let mut body = text("MQTT")?;
    let flags = if login.is_some() { CLEAN_START | HAS_USER | HAS_PASSWORD } else { CLEAN_START };
    let (number, properties): (u8, &[u8]) = match level {
        Level::Four => (4, &[]),
        Level::Five => (5, &[0]),
    };
    body.extend([number, flags]);
    body.extend(KEEP_ALIVE.to_be_bytes());
    body.extend(properties);
    body.extend(text(client)?);
    if let Some((user, password)) = login {
        body.extend(text(user)?);
        body.extend(text(password)?);
    }
    let mut packet = vec![0x10];
    packet.extend(variable(body.len()));
    packet.extend(body);
    Some(packet)
}

fn text(text: &str) -> Option<Vec<u8>> {
    let length = u16::try_from(text.len()).ok().filter(|_| text.len() <= TEXT_LIMIT)?;
    Some([&length.to_be_bytes(), text.as_bytes()].concat())
}

/// A length in groups of seven bits.
fn variable(mut length: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let group = u8::try_from(length % 128).unwrap_or_default();
        length /= 128;
        bytes.push(if length > 0 { group | 0x80 } else { group });
        if length == 0 {
            return bytes;
        }
    }
}

/// What a broker answers to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Connack {
    /// Logged in.
    Accepted,
    /// It does not speak this level.
    OtherLevel,
    /// The login, or that there was none, is refused.
    LoginRefused(u8),
    /// Refused for another reason.
    Refused(u8),
}

/// Why bytes are no CONNACK.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// The CONNACK that the bytes are; `None` while it goes on. The levels differ in length, so each is read whatever was asked.
pub(super) fn connack(bytes: &[u8]) -> Result<Option<Connack>, Malformed> {
    let Some((first, rest)) = bytes.split_first() else { return Ok(None) };
    if *first != CONNACK {
        return Err(Malformed);
    }
    let Some((length, rest)) = read_variable(rest)? else { return Ok(None) };
    if !(2..CONNACK_LIMIT).contains(&length) {
        return Err(Malformed);
    }
    let Some(body) = rest.get(..length) else { return Ok(None) };
    match body {
        // No session was there: a clean start was asked for.
        [0, code] => four(*code).map(Some),
        [0, code, properties @ ..] => match read_variable(properties)? {
            Some((length, properties)) if properties.len() == length => five(*code).map(Some),
            Some(_) | None => Err(Malformed),
        },
        _other => Err(Malformed),
    }
}

fn read_variable(bytes: &[u8]) -> Result<Option<(usize, &[u8])>, Malformed> {
    let mut length = 0_usize;
    for (index, byte) in bytes.iter().take(4).enumerate() {
        length |= usize::from(byte & 0x7F) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((length, bytes.get(index + 1..).unwrap_or_default())));
        }
    }
    if bytes.len() < 4 { Ok(None) } else { Err(Malformed) }
}

fn four(code: u8) -> Result<Connack, Malformed> {
    match code {
        0 => Ok(Connack::Accepted),
        1 => Ok(Connack::OtherLevel),
        4 | 5 => Ok(Connack::LoginRefused(code)),
        2 | 3 => Ok(Connack::Refused(code)),
        _unknown => Err(Malformed),
    }
}

fn five(code: u8) -> Result<Connack, Malformed> {
    match code {
        0 => Ok(Connack::Accepted),
        0x84 => Ok(Connack::OtherLevel),
        0x86 | 0x87 | 0x8C => Ok(Connack::LoginRefused(code)),
        0x80..=0x9F => Ok(Connack::Refused(code)),
        _unknown => Err(Malformed),
    }
}
