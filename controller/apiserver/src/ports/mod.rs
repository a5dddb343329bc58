//! The outside world that the server reads: the time, fresh ids and random bytes, each behind one small trait so that a
//! simulation can supply its own.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

/// The current time, as it appears in creation and deletion timestamps and in the store's first revision.
pub trait Clock: Send + Sync + 'static {
    /// Wall-clock time; may jump in either direction.
    fn now(&self) -> Timestamp;
}

/// Random bytes for tokens, name suffixes and watch lifetimes.
pub trait Random: Send + Sync + 'static {
    /// Fills `buffer` completely, or says why not.
    ///
    /// # Errors
    /// The operating system has no randomness to give.
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()>;
}

/// Fresh object UIDs.
pub trait Ids: Send + Sync + 'static {
    /// A UID that no object had before, in the form of a version 4 UUID.
    ///
    /// # Errors
    /// The source of randomness behind it failed.
    fn uid(&self) -> io::Result<String>;
}

/// The clock of this machine.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// The operating system's random bytes.
#[derive(Debug, Default, Clone, Copy)]
pub struct OsRandom;

impl Random for OsRandom {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        getrandom::fill(buffer).map_err(|error| io::Error::other(error.to_string()))
    }
}

/// UUIDs drawn from a [`Random`] port.
pub struct RandomIds(pub Arc<dyn Random>);

impl Ids for RandomIds {
    fn uid(&self) -> io::Result<String> {
        let mut bytes = [0_u8; 16];
        self.0.fill(&mut bytes)?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid().to_string())
    }
}

/// The characters that the reference appends to `generateName`: no vowels, no digits that look like letters.
const SUFFIX_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// The length of a generated name's random suffix.
const SUFFIX_LENGTH: usize = 5;

/// Five characters for a generated name.
pub(crate) fn name_suffix(random: &dyn Random) -> io::Result<String> {
    let mut bytes = [0_u8; SUFFIX_LENGTH];
    random.fill(&mut bytes)?;
    Ok(bytes.iter().map(|byte| char::from(SUFFIX_ALPHABET[usize::from(*byte) % SUFFIX_ALPHABET.len()])).collect())
}
