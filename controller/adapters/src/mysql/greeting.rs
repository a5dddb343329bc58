//! The first packet of a server: the handshake of protocol version 10, or the error of a server that will not talk. Pure.

use super::packet::Pieces;
use crate::product::short;
use crate::wire::Fault;

/// The server can do TLS.
pub(super) const TLS: u32 = 0x0800;
/// Protocol version.
const VERSION: u8 = 10;
/// What MariaDB up to 10 writes before its version, for replicas of old.
const REPLICATION_PREFIX: &str = "5.5.5-";
/// First byte of an error.
pub(super) const ERROR: u8 = 0xff;
/// Bytes of a challenge.
const CHALLENGE: usize = 20;
/// Bytes of it that stand in the first part.
const FIRST_PART: usize = 8;
/// Numbers of errors.
const ERRORS: std::ops::Range<u16> = 1000..6000;

/// Which of the two products a server is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Brand {
    /// MariaDB.
    MariaDb,
    /// MySQL and what calls itself neither.
    MySql,
}

impl Brand {
    /// Its name.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::MariaDb => "MariaDB",
            Self::MySql => "MySQL",
        }
    }
}

/// A server's first packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum First {
    /// It greets.
    Greeting(Greeting),
    /// It refuses the connection by this error; its text may tell the product.
    Refusal(u16, Option<Brand>),
}

/// The handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Greeting {
    /// Which product.
    pub(super) brand: Brand,
    /// Its version, in numbers.
    pub(super) version: String,
    /// What it can do.
    pub(super) capabilities: u32,
    /// What the answer to a password is made with.
    pub(super) challenge: Vec<u8>,
    /// How it wants to be answered, until it says otherwise.
    pub(super) plugin: String,
}

/// Reads the body of the first packet.
pub(super) fn first(body: &[u8]) -> Result<First, Fault> {
    let wrong = || Fault::wrong(body);
    if body.first() == Some(&ERROR) {
        let (number, text) = error(body).ok_or_else(wrong)?;
        return Ok(First::Refusal(number, brand_of(text)));
    }
    greeting(body).map(First::Greeting).ok_or_else(wrong)
}

fn greeting(body: &[u8]) -> Option<Greeting> {
    let mut pieces = Pieces(body);
    if pieces.byte()? != VERSION {
        return None;
    }
    let version = std::str::from_utf8(pieces.zero_ended()?).ok()?;
    let brand = if version.contains("MariaDB") { Brand::MariaDb } else { Brand::MySql };
    let version =
        numbers(if brand == Brand::MariaDb { version.strip_prefix(REPLICATION_PREFIX).unwrap_or(version) } else { version });
    let _thread = pieces.take(4)?;
    let mut challenge = pieces.take(FIRST_PART)?.to_vec();
    let _filler = pieces.byte()?;
    let low = pieces.short()?;
    let _character_set_and_status = pieces.take(3)?;
    let high = pieces.short()?;
    let length = usize::from(pieces.byte()?);
    let _reserved = pieces.take(10)?;
    challenge.extend_from_slice(pieces.take(length.saturating_sub(FIRST_PART).max(CHALLENGE - FIRST_PART + 1))?);
    challenge.truncate(CHALLENGE);
    let plugin = std::str::from_utf8(pieces.zero_ended().unwrap_or_default()).ok()?.to_owned();
    let capabilities = u32::from(low) | u32::from(high) << 16;
    (!version.is_empty()).then_some(Greeting { brand, version, capabilities, challenge, plugin })
}

/// `8.4.11` of `8.4.11-0ubuntu1`.
pub(super) fn numbers(version: &str) -> String {
    short(version.split(|letter: char| !letter.is_ascii_digit() && letter != '.').next().unwrap_or_default())
}

/// Number and text of an error packet.
pub(super) fn error(body: &[u8]) -> Option<(u16, &str)> {
    let mut pieces = Pieces(body.strip_prefix(&[ERROR])?);
    let number = pieces.short()?;
    let text = std::str::from_utf8(pieces.0).ok()?;
    (ERRORS.contains(&number) && !text.is_empty()).then_some((number, text))
}

fn brand_of(text: &str) -> Option<Brand> {
    if text.contains("MariaDB") || text.contains("mariadb") {
        Some(Brand::MariaDb)
    } else {
        text.contains("MySQL").then_some(Brand::MySql)
    }
}
