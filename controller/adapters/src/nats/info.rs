//! What a NATS server says: its greeting `INFO {…}` and its errors. Pure.

use serde::Deserialize;

use crate::product::short;
use crate::wire::Fault;

/// The greeting, as far as a probe needs it.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
pub(super) struct Info {
    server_id: String,
    /// Its version.
    pub(super) version: String,
    /// It asks for a login.
    #[serde(default)]
    pub(super) auth_required: bool,
    /// It asks for TLS.
    #[serde(default)]
    pub(super) tls_required: bool,
    /// It can do TLS.
    #[serde(default)]
    pub(super) tls_available: bool,
    /// It can verify the signature of an nkey.
    #[serde(default)]
    nonce: Option<String>,
}

impl Info {
    /// Reads the greeting: a server names itself and its version.
    pub(super) fn parse(line: &str) -> Result<Self, Fault> {
        let wrong = || Fault::wrong(line.as_bytes());
        let json = line.strip_prefix("INFO ").ok_or_else(wrong)?;
        let info: Self = serde_json::from_str(json.trim_end()).map_err(|_| wrong())?;
        let version = short(&info.version);
        let named = !info.server_id.is_empty() && version.starts_with(|letter: char| letter.is_ascii_digit());
        if named { Ok(Self { version, ..info }) } else { Err(wrong()) }
    }

    /// It can verify the signature of an nkey.
    pub(super) fn knows_nkeys(&self) -> bool {
        self.nonce.is_some()
    }
}

/// A line after the greeting.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The login stands.
    Pong,
    /// The login, or the lack of one, is refused.
    Refused,
    /// Another error: its text, without what could be anybody's.
    Error(String),
    /// Nothing that answers a login.
    Other,
    /// Nothing that a server says.
    Wrong,
}

impl Line {
    /// Reads a line.
    pub(super) fn parse(line: &str) -> Self {
        if let Some(text) = line.strip_prefix("-ERR ") {
            let text = text.trim().trim_matches('\'');
            return if text.eq_ignore_ascii_case("Authorization Violation") { Self::Refused } else { Self::Error(words(text)) };
        }
        match line.split(' ').next() {
            Some("PONG") => Self::Pong,
            Some("INFO" | "PING" | "+OK") => Self::Other,
            _unknown => Self::Wrong,
        }
    }
}

/// Letters and spaces of an error, cut.
fn words(text: &str) -> String {
    text.chars().filter(|letter| letter.is_ascii_alphabetic() || *letter == ' ').take(64).collect()
}
