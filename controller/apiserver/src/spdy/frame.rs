//! Frames: eight bytes of head, then what they announce (SPDY/3.1, section 2.2).

use bytes::{Buf as _, Bytes, BytesMut};

/// The version that control frames carry.
const VERSION: u16 = 3;
/// The bytes of a frame's head.
const HEAD_BYTES: usize = 8;
/// The largest payload of a data frame; clients send 32 KiB.
const DATA_LIMIT_BYTES: usize = 1024 * 1024;
/// The largest payload of a control frame.
const CONTROL_LIMIT_BYTES: usize = 16 * 1024;
/// The bit that tells control frames from data.
const CONTROL: u32 = 1 << 31;
/// The flag of a stream's last frame.
const FIN: u8 = 1;

const SYN_STREAM: u16 = 1;
const SYN_REPLY: u16 = 2;
const RST_STREAM: u16 = 3;
const PING: u16 = 6;
const GO_AWAY: u16 = 7;
const HEADERS: u16 = 8;

/// Why a stream is reset.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Reset {
    /// Its number is wrong.
    ProtocolError = 1,
    /// There are too many.
    Refused = 3,
    /// It is not wanted any more, or was not understood.
    Cancel = 5,
}

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Farewell {
    /// Its bytes make no sense.
    ProtocolError = 1,
}

/// The bytes of a client make no frame that is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum FrameError {
    /// Another version of the protocol.
    #[error("version {0} of SPDY is not served, version {VERSION} is")]
    Version(u16),
    /// More than is buffered.
    #[error("a frame of {0} bytes is larger than allowed")]
    TooLarge(usize),
    /// Less than its kind needs.
    #[error("a frame of kind {0} is too short")]
    TooShort(u16),
}

/// What a client says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Frame {
    /// Opens a stream; the block is still compressed.
    Open { stream: u32, fin: bool, block: Bytes },
    /// Headers of a stream that is open: of use only for the compression.
    Headers { block: Bytes },
    /// Bytes of a stream.
    Data { stream: u32, fin: bool, bytes: Bytes },
    /// Gives a stream up.
    Reset { stream: u32 },
    /// Asks for an answer, or is one.
    Ping { id: u32 },
    /// The client opens no more streams.
    GoAway,
    /// Settings, windows and what else means nothing here.
    Other,
}

/// Cuts frames out of bytes that come in any portions.
#[derive(Debug, Default)]
pub(super) struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next whole frame.
    ///
    /// # Errors
    /// [`FrameError`]: nothing behind it can be read.
    pub(super) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some(head) = self.buffer.first_chunk::<HEAD_BYTES>() else { return Ok(None) };
        let first = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
        let flags = head[4];
        let length = usize::from(head[5]) << 16 | usize::from(head[6]) << 8 | usize::from(head[7]);
        let control = first & CONTROL != 0;
        if length > if control { CONTROL_LIMIT_BYTES } else { DATA_LIMIT_BYTES } {
            return Err(FrameError::TooLarge(length));
        }
        if self.buffer.len() < HEAD_BYTES + length {
            return Ok(None);
        }
        self.buffer.advance(HEAD_BYTES);
        let payload = self.buffer.split_to(length).freeze();
        if !control {
            return Ok(Some(Frame::Data { stream: first, fin: flags & FIN != 0, bytes: payload }));
        }
        let [_, _, high, low] = first.to_be_bytes();
        let version = u16::try_from(first >> 16 & 0x7fff).unwrap_or_default();
        if version != VERSION {
            return Err(FrameError::Version(version));
        }
        control_frame(u16::from_be_bytes([high, low]), flags, payload).map(Some)
    }
}

fn control_frame(kind: u16, flags: u8, mut payload: Bytes) -> Result<Frame, FrameError> {
    let mut number = || payload.try_get_u32().map_err(|_| FrameError::TooShort(kind));
    Ok(match kind {
        SYN_STREAM => {
            let (stream, _associated) = (number()? & !CONTROL, number()?);
            // Priority and slot: all streams are alike here.
            payload.try_get_u16().map_err(|_| FrameError::TooShort(kind))?;
            Frame::Open { stream, fin: flags & FIN != 0, block: payload }
        }
        SYN_REPLY | HEADERS => {
            number()?;
            Frame::Headers { block: payload }
        }
        RST_STREAM => Frame::Reset { stream: number()? & !CONTROL },
        PING => Frame::Ping { id: number()? },
        GO_AWAY => Frame::GoAway,
        _ => Frame::Other,
    })
}

fn control(kind: u16, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
    bytes.extend((CONTROL | u32::from(VERSION) << 16 | u32::from(kind)).to_be_bytes());
    bytes.extend(u32::try_from(payload.len()).unwrap_or_default().to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.into()
}

/// The answer that opens a stream.
pub(super) fn reply(stream: u32, block: &[u8]) -> Bytes {
    control(SYN_REPLY, &[&stream.to_be_bytes(), block].concat())
}

/// The end of a stream before its time.
pub(super) fn reset(stream: u32, why: Reset) -> Bytes {
    control(RST_STREAM, &[stream.to_be_bytes(), (why as u32).to_be_bytes()].concat())
}

/// The answer to a ping.
pub(super) fn pong(id: u32) -> Bytes {
    control(PING, &id.to_be_bytes())
}

/// The end of the connection.
pub(super) fn go_away(last: u32, why: Farewell) -> Bytes {
    control(GO_AWAY, &[last.to_be_bytes(), (why as u32).to_be_bytes()].concat())
}

/// Bytes of a stream; `fin` says that there are no more. They are few: a part of what was read at once.
pub(super) fn data(stream: u32, fin: bool, payload: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(HEAD_BYTES + payload.len());
    bytes.extend(stream.to_be_bytes());
    bytes.extend((u32::from(fin) << 24 | u32::try_from(payload.len()).unwrap_or_default()).to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes.into()
}
