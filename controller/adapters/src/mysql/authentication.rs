//! How a login is said: by challenge and response, or as it is where the connection and the listener's class allow it. Pure.

use ring::digest::{Algorithm, SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};

use super::greeting::{Greeting, TLS};

/// Long passwords, protocol 4.1, answers of 20 bytes and more, and named methods.
const CAPABILITIES: u32 = 0x0000_0001 | 0x0000_0200 | 0x0000_2000 | 0x0000_8000 | 0x0008_0000;
/// Longest packet that we take.
const MAXIMUM: u32 = 64 * 1024;
/// utf8mb4.
const CHARACTER_SET: u8 = 45;
/// Zeros after the character set.
const RESERVED: [u8; 23] = [0; 23];

/// Methods by which this client answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// SHA-1, challenge and response.
    Native,
    /// SHA-256, challenge and response; a server that does not remember the user asks for the password as it is.
    CachingSha2,
    /// The password as it is.
    Clear,
}

impl Method {
    /// The method of this name.
    pub(super) fn named(name: &str) -> Option<Self> {
        match name {
            "mysql_native_password" => Some(Self::Native),
            "caching_sha2_password" => Some(Self::CachingSha2),
            "mysql_clear_password" | "sha256_password" => Some(Self::Clear),
            _unknown => None,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Native => "mysql_native_password",
            Self::CachingSha2 => "caching_sha2_password",
            Self::Clear => "mysql_clear_password",
        }
    }

    /// The answer to a challenge; `None` where it would be the password itself. No password is an empty answer.
    pub(super) fn answer(self, password: Option<&str>, challenge: &[u8]) -> Option<Vec<u8>> {
        let Some(password) = password.filter(|password| !password.is_empty()) else { return Some(Vec::new()) };
        match self {
            Self::Native => Some(native(password.as_bytes(), challenge)),
            Self::CachingSha2 => Some(caching_sha2(password.as_bytes(), challenge)),
            Self::Clear => None,
        }
    }
}

fn native(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| sum(&SHA1_FOR_LEGACY_USE_ONLY, parts);
    let once = hash(&[password]);
    let twice = hash(&[&once]);
    mixed(&once, &hash(&[challenge, &twice]))
}

fn caching_sha2(password: &[u8], challenge: &[u8]) -> Vec<u8> {
    let hash = |parts: &[&[u8]]| sum(&SHA256, parts);
    let once = hash(&[password]);
    let twice = hash(&[&once]);
    mixed(&once, &hash(&[&twice, challenge]))
}

fn sum(algorithm: &'static Algorithm, parts: &[&[u8]]) -> Vec<u8> {
    digest(algorithm, &parts.concat()).as_ref().to_vec()
}

fn mixed(one: &[u8], other: &[u8]) -> Vec<u8> {
    one.iter().zip(other).map(|(one, other)| one ^ other).collect()
}

/// The password as it is, for a connection that nobody reads.
pub(super) fn as_it_is(password: &str) -> Vec<u8> {
    [password.as_bytes(), &[0]].concat()
}

/// Asks for TLS before the login.
pub(super) fn tls_request() -> Vec<u8> {
    head(CAPABILITIES | TLS)
}

/// The answer to a greeting, and how it is said; a method that we do not speak is answered by one that we do, and the server asks again.
pub(super) fn response(greeting: &Greeting, encrypted: bool, user: &str, password: Option<&str>) -> Vec<u8> {
    let method = match Method::named(&greeting.plugin) {
        Some(method @ (Method::Native | Method::CachingSha2)) => method,
        Some(Method::Clear) | None => Method::Native,
    };
    let answer = method.answer(password, &greeting.challenge).unwrap_or_default();
    let mut body = head(CAPABILITIES | if encrypted { TLS } else { 0 });
    body.extend(user.bytes().filter(|byte| *byte != 0));
    body.push(0);
    body.push(u8::try_from(answer.len()).unwrap_or(0));
    body.extend_from_slice(&answer);
    body.extend_from_slice(method.name().as_bytes());
    body.push(0);
    body
}

fn head(capabilities: u32) -> Vec<u8> {
    [&capabilities.to_le_bytes()[..], &MAXIMUM.to_le_bytes(), &[CHARACTER_SET], &RESERVED].concat()
}
