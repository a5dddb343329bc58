//! The few methods of AMQP 0-9-1 that a probe exchanges. A client crate (lapin, amqp-protocol) brings its own connections, heartbeats
//! and threads, and reads without our limits; the dozen methods of one login are read and written here. Pure.

/// What a client says first.
pub(super) const PROTOCOL: [u8; 8] = *b"AMQP\0\0\x09\x01";
/// Longest frame that is read: `Start` of a server with many plugins fits many times.
pub(super) const FRAME_LIMIT: usize = 32 * 1024;
/// Bytes before the payload: kind, channel, length.
const HEAD: usize = 7;
/// Last byte of each frame.
const END: u8 = 0xCE;
/// Deepest nesting of tables and arrays that is read.
const DEPTH: usize = 4;
/// Longest short text.
const SHORT_LIMIT: usize = 255;
/// Reply code of a goodbye.
const SUCCESS: u16 = 200;

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// What the server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Said {
    /// `Connection.Start`.
    Start {
        /// Product of the server.
        product: String,
        /// Its version.
        version: String,
        /// Ways to log in.
        mechanisms: Vec<String>,
    },
    /// `Connection.Tune`: most channels, longest frame.
    Tune(u16, u32),
    /// `Connection.Open-Ok`.
    Opened,
    /// `Connection.Close`: code and text.
    Close(u16, String),
    /// `Connection.Close-Ok`.
    Closed,
    /// `Channel.Open-Ok`.
    ChannelOpened,
    /// `Channel.Close` or `Channel.Close-Ok`.
    ChannelClosed,
    /// A heartbeat, or a method that a probe has no answer to.
    Other,
}

/// The frame at the start of the bytes, and its length; `None` while it goes on.
pub(super) fn read(bytes: &[u8]) -> Result<Option<(Said, usize)>, Malformed> {
    match bytes.first() {
        None => return Ok(None),
        Some(1 | 8) => {}
        Some(_other) => return Err(Malformed),
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD) else { return Ok(None) };
    let [kind, _channel_high, _channel_low, length @ ..] = head else { return Err(Malformed) };
    let length = <[u8; 4]>::try_from(length).map_err(|_| Malformed)?;
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(|_| Malformed)?;
    if length > FRAME_LIMIT - HEAD - 1 {
        return Err(Malformed);
    }
    let Some((payload, rest)) = rest.split_at_checked(length) else { return Ok(None) };
    match rest.first() {
        None => Ok(None),
        Some(&END) if *kind == 1 => Ok(Some((method(payload)?, HEAD + length + 1))),
        Some(&END) => Ok(Some((Said::Other, HEAD + length + 1))),
        Some(_other) => Err(Malformed),
    }
}

fn method(payload: &[u8]) -> Result<Said, Malformed> {
    let mut fields = Fields(payload);
    Ok(match (fields.short()?, fields.short()?) {
        (10, 10) => start(&mut fields)?,
        (10, 30) => Said::Tune(fields.short()?, fields.long()?),
        (10, 41) => Said::Opened,
        (10, 50) => Said::Close(fields.short()?, String::from_utf8_lossy(fields.short_text()?).into_owned()),
        (10, 51) => Said::Closed,
        (20, 11) => Said::ChannelOpened,
        (20, 40 | 41) => Said::ChannelClosed,
        _other => Said::Other,
    })
}

fn start(fields: &mut Fields<'_>) -> Result<Said, Malformed> {
    let _version = fields.take(2)?;
    let length = fields.length()?;
    let mut properties = Fields(fields.take(length)?);
    let (mut product, mut version) = (String::new(), String::new());
    while !properties.0.is_empty() {
        let name = properties.short_text()?;
        let value = properties.value(0)?;
        match (name, value) {
            (b"product", Some(text)) => product = String::from_utf8_lossy(text).into_owned(),
            (b"version", Some(text)) => version = String::from_utf8_lossy(text).into_owned(),
            _other => {}
        }
    }
    let length = fields.length()?;
    let mechanisms = String::from_utf8_lossy(fields.take(length)?).split(' ').map(str::to_owned).collect();
    Ok(Said::Start { product, version, mechanisms })
}

/// Fields that are still to be read.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn short(&mut self) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.take(2)?.try_into().map_err(|_| Malformed)?))
    }

    fn long(&mut self) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.take(4)?.try_into().map_err(|_| Malformed)?))
    }

    fn length(&mut self) -> Result<usize, Malformed> {
        usize::try_from(self.long()?).map_err(|_| Malformed)
    }

    fn short_text(&mut self) -> Result<&'a [u8], Malformed> {
        let length = usize::from(*self.take(1)?.first().ok_or(Malformed)?);
        self.take(length)
    }

    /// Skips one value of a table; a text is handed out.
    fn value(&mut self, depth: usize) -> Result<Option<&'a [u8]>, Malformed> {
        if depth > DEPTH {
            return Err(Malformed);
        }
        let kind = *self.take(1)?.first().ok_or(Malformed)?;
        let fixed = match kind {
            b't' | b'b' | b'B' => 1,
            b's' | b'U' | b'u' => 2,
            b'I' | b'i' | b'f' => 4,
            b'D' => 5,
            b'l' | b'L' | b'd' | b'T' => 8,
            b'V' => 0,
            b'S' | b'x' | b'F' | b'A' => {
                let length = self.length()?;
                let bytes = self.take(length)?;
                self::nested(kind, bytes, depth + 1)?;
                return Ok((kind == b'S').then_some(bytes));
            }
            _unknown => return Err(Malformed),
        };
        self.take(fixed).map(|_skipped| None)
    }
}

/// Reads through what a table or an array holds.
fn nested(kind: u8, bytes: &[u8], depth: usize) -> Result<(), Malformed> {
    let mut inner = Fields(bytes);
    while matches!(kind, b'F' | b'A') && !inner.0.is_empty() {
        if kind == b'F' {
            inner.short_text()?;
        }
        inner.value(depth)?;
    }
    Ok(())
}

/// `Connection.Start-Ok` with a login as it is.
pub(super) fn start_ok(user: &str, password: &str) -> Vec<u8> {
    // Without this a server merely closes the connection after a wrong login.
    let capabilities = [short_text("authentication_failure_close"), b"t\x01".to_vec()].concat();
    let table = [
        [short_text("product"), b"S".to_vec(), long_text(b"koan")].concat(),
        [short_text("capabilities"), b"F".to_vec(), long_text(&capabilities)].concat(),
    ]
    .concat();
    let login = [b"\0", user.as_bytes(), b"\0", password.as_bytes()].concat();
    frame(0, (10, 11), &[long_text(&table), short_text("PLAIN"), long_text(&login), short_text("en_US")].concat())
}

/// `Connection.Tune-Ok` without heartbeats, which a probe does not live to see.
pub(super) fn tune_ok(channels: u16, longest: u32) -> Vec<u8> {
    frame(0, (10, 31), &[&channels.to_be_bytes()[..], &longest.to_be_bytes(), &[0, 0]].concat())
}

/// `Connection.Open`; `None` where the name is longer than a virtual host's can be.
pub(super) fn open(host: &str) -> Option<Vec<u8>> {
    (host.len() <= SHORT_LIMIT).then(|| frame(0, (10, 40), &[short_text(host), vec![0, 0]].concat()))
}

/// `Channel.Open` of channel 1.
pub(super) fn channel_open() -> Vec<u8> {
    frame(1, (20, 10), &[0])
}

/// `Channel.Close` of channel 1.
pub(super) fn channel_close() -> Vec<u8> {
    frame(1, (20, 40), &goodbye())
}

/// `Connection.Close`.
pub(super) fn close() -> Vec<u8> {
    frame(0, (10, 50), &goodbye())
}

/// `Connection.Close-Ok`.
pub(super) fn close_ok() -> Vec<u8> {
    frame(0, (10, 51), &[])
}

/// A code, a text and the method that it concerns: none.
fn goodbye() -> Vec<u8> {
    [&SUCCESS.to_be_bytes()[..], &short_text("goodbye"), &[0; 4]].concat()
}

fn frame(channel: u16, (class, method): (u16, u16), arguments: &[u8]) -> Vec<u8> {
    let payload = [&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat();
    [&[1][..], &channel.to_be_bytes(), &long_text(&payload), &[END]].concat()
}

/// At most 255 bytes after their length.
fn short_text(text: &str) -> Vec<u8> {
    let text = &text.as_bytes()[..text.len().min(SHORT_LIMIT)];
    let length = u8::try_from(text.len()).unwrap_or(u8::MAX);
    [&[length][..], text].concat()
}

/// Bytes after their length.
fn long_text(bytes: &[u8]) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    [&length.to_be_bytes()[..], bytes].concat()
}
