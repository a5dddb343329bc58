//! Packets of the client/server protocol and the pieces inside them. Pure; whatever the bytes are, reading them ends.

/// Bytes before the body: its length in three, then the number in the exchange.
const HEAD: usize = 4;
/// Longest packet of a probe; greetings, errors and the one row of the check are far shorter.
pub(super) const PACKET: usize = 16 * 1024;

/// A packet longer than any that a probe reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooLong;

/// Number and body of a packet, and its whole length.
pub(super) type Packet<'a> = (u8, &'a [u8], usize);

/// A whole packet at the start of the bytes; `None` while it goes on.
pub(super) fn split(bytes: &[u8]) -> Result<Option<Packet<'_>>, TooLong> {
    let Some(([low, middle, high, number], rest)) = bytes.split_first_chunk::<HEAD>() else { return Ok(None) };
    let length = usize::from(*low) | usize::from(*middle) << 8 | usize::from(*high) << 16;
    if length > PACKET - HEAD {
        return Err(TooLong);
    }
    Ok(rest.get(..length).map(|body| (*number, body, HEAD + length)))
}

/// A packet of this number; `None` where the body is longer than any that a probe sends.
pub(super) fn join(number: u8, body: &[u8]) -> Option<Vec<u8>> {
    let [low, middle, high, ..] = u32::try_from(body.len()).ok().filter(|_| body.len() <= PACKET - HEAD)?.to_le_bytes();
    Some([&[low, middle, high, number], body].concat())
}

/// Reads the pieces of a body one after another; `None` where they end early.
pub(super) struct Pieces<'a>(pub(super) &'a [u8]);

impl<'a> Pieces<'a> {
    /// That many bytes.
    pub(super) fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    /// One byte.
    pub(super) fn byte(&mut self) -> Option<u8> {
        self.take(1).and_then(|taken| taken.first().copied())
    }

    /// Two bytes, the low one first.
    pub(super) fn short(&mut self) -> Option<u16> {
        let taken = self.take(2)?;
        Some(u16::from_le_bytes(taken.try_into().ok()?))
    }

    /// Bytes up to a zero, which is left out.
    pub(super) fn zero_ended(&mut self) -> Option<&'a [u8]> {
        let end = self.0.iter().position(|byte| *byte == 0)?;
        let taken = self.take(end);
        self.0 = self.0.get(1..)?;
        taken
    }

    /// A number whose first byte says how long it is.
    pub(super) fn number(&mut self) -> Option<u64> {
        let width = match self.byte()? {
            small @ 0..=0xfa => return Some(u64::from(small)),
            0xfc => 2,
            0xfd => 3,
            0xfe => 8,
            0xfb | 0xff => return None,
        };
        let taken = self.take(width)?;
        Some(taken.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A text after its length; the inner `None` is NULL.
    pub(super) fn value(&mut self) -> Option<Option<&'a [u8]>> {
        if self.0.first() == Some(&0xfb) {
            self.byte()?;
            return Some(None);
        }
        let length = usize::try_from(self.number()?).ok()?;
        self.take(length).map(Some)
    }
}
