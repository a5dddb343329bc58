//! Text with holes: literals, references to secret values, and places that only an engine knows.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::pbkdf2;
use serde::{Deserialize, Serialize};

use crate::secret::Secret;

/// Rounds of a hash; a server does as many at each login.
const HASH_ITERATIONS: NonZeroU32 = NonZeroU32::MIN.saturating_add(9_999);
/// Bytes of a hash's salt.
const HASH_SALT: usize = 12;
/// Bytes of a hash.
const HASH: usize = 64;
/// What the salt of a secret is derived over.
const HASH_CONTEXT: &[u8] = b"koan.dev/password-file";

/// A value that is resolved inside apply; plans carry the reference only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ValueRef {
    /// Key of a Secret of the same namespace.
    SecretKey {
        /// Name of the Secret.
        name: String,
        /// Key inside it.
        key: String,
    },
    /// Key of a ConfigMap of the same namespace.
    ConfigKey {
        /// Name of the ConfigMap.
        name: String,
        /// Key inside it.
        key: String,
    },
    /// Output of another `ServiceSpec`, as seen from the consumer's vantage.
    Output {
        /// Name of the `ServiceSpec`.
        service: String,
        /// Output, such as `url`.
        output: String,
    },
    /// Literal credential of the manifest (`credentials.literals`).
    Literal {
        /// Key of the map.
        key: String,
    },
}

/// A piece of a text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    /// Plain text.
    Plain(String),
    /// A value that is resolved inside apply.
    Value(ValueRef),
    /// The same inside a configuration file: in double quotes, each byte beside `A–Z a–z 0–9` as `\xHH`, so that no value ends its line.
    Quoted(ValueRef),
    /// The same as a password file keeps it: `$7$iterations$salt$hash` by PBKDF2 with SHA-512, salt and hash in base64. One secret
    /// gives one text, so that a file that is written again is the same file; the salt costs as much to guess from as the hash.
    Hashed(ValueRef),
    /// Absolute path of the data folder of a process workload, for the volume over this path.
    DataFolder(String),
    /// Absolute path of the private run folder (sockets, pid files) of a process workload.
    RunFolder,
    /// Absolute path at which a mounted file of this path lies; the path itself inside a container.
    File(String),
    /// Host port allocated to the port of this name; its container port inside a container.
    Port(String),
    /// Host port at which the port of this name is published on loopback; its container port where it is not.
    Published(String),
    /// Folder in which the engine found the program of this name (process workloads).
    ProgramFolder(String),
}

/// A text made of parts, rendered inside an engine.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Text(pub Vec<Part>);

impl Text {
    /// A text without holes.
    pub fn plain(text: impl Into<String>) -> Self {
        Self(vec![Part::Plain(text.into())])
    }

    /// A text that is one reference.
    pub fn value(reference: ValueRef) -> Self {
        Self(vec![Part::Value(reference)])
    }

    /// Every value that has to be resolved before rendering.
    pub fn references(&self) -> impl Iterator<Item = &ValueRef> {
        self.0.iter().filter_map(|part| match part {
            Part::Value(reference) | Part::Quoted(reference) | Part::Hashed(reference) => Some(reference),
            Part::Plain(_)
            | Part::DataFolder(_)
            | Part::RunFolder
            | Part::File(_)
            | Part::Port(_)
            | Part::Published(_)
            | Part::ProgramFolder(_) => None,
        })
    }

    /// Renders the text; `place` answers for every part that only the engine knows.
    ///
    /// # Errors
    /// The first part that nothing could fill.
    pub fn render(&self, values: &Values, place: impl Fn(&Part) -> Option<String>) -> Result<Secret<String>, Part> {
        let mut text = String::new();
        for part in &self.0 {
            match part {
                Part::Plain(plain) => text.push_str(plain),
                Part::Value(reference) => text.push_str(values.get(reference).ok_or_else(|| part.clone())?.expose()),
                Part::Quoted(reference) => text.push_str(&quoted(values.get(reference).ok_or_else(|| part.clone())?.expose())),
                Part::Hashed(reference) => text.push_str(&hashed(values.get(reference).ok_or_else(|| part.clone())?.expose())),
                Part::DataFolder(_)
                | Part::RunFolder
                | Part::File(_)
                | Part::Port(_)
                | Part::Published(_)
                | Part::ProgramFolder(_) => {
                    text.push_str(&place(part).ok_or_else(|| part.clone())?);
                }
            }
        }
        Ok(Secret::new(text))
    }
}

/// A value between double quotes, free of anything that could end them.
fn quoted(value: &str) -> String {
    let mut text = String::from("\"");
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text.push('"');
    text
}

/// A value as a password file keeps it.
fn hashed(value: &str) -> String {
    let derive = |salt: &[u8], hash: &mut [u8]| {
        pbkdf2::derive(pbkdf2::PBKDF2_HMAC_SHA512, HASH_ITERATIONS, salt, value.as_bytes(), hash);
    };
    let (mut salt, mut hash) = ([0_u8; HASH_SALT], [0_u8; HASH]);
    derive(HASH_CONTEXT, &mut salt);
    derive(&salt, &mut hash);
    format!("$7${HASH_ITERATIONS}${}${}", STANDARD.encode(salt), STANDARD.encode(hash))
}

/// Resolved values of one apply; lives no longer than that call.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<ValueRef, Secret<String>>);

impl Values {
    /// Adds a value.
    pub fn insert(&mut self, reference: ValueRef, value: Secret<String>) {
        self.0.insert(reference, value);
    }

    /// The value of a reference.
    pub fn get(&self, reference: &ValueRef) -> Option<&Secret<String>> {
        self.0.get(reference)
    }
}

/// Durations as whole milliseconds on the wire.
pub(crate) mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(u64::try_from(value.as_millis()).unwrap_or(u64::MAX))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P6: a password with quotes and line ends cannot leave its place in a configuration file.
    #[test]
    fn p6_a_quoted_value_cannot_end_its_line() {
        let reference = ValueRef::SecretKey { name: "shop".to_owned(), key: "password".to_owned() };
        let mut values = Values::default();
        values.insert(reference.clone(), Secret::new("a\"\nb".to_owned()));
        let text = Text(vec![Part::Plain("requirepass ".to_owned()), Part::Quoted(reference)]);
        let rendered = text.render(&values, |_part| None).unwrap();
        assert_eq!(rendered.expose(), r#"requirepass "a\x22\x0ab""#);
    }

    /// DET-24: a password file gets one line for one secret, another for another, and never the secret.
    #[test]
    fn a_hashed_value_is_stable_and_its_own() {
        let line = |secret: &str| {
            let reference = ValueRef::SecretKey { name: "shop".to_owned(), key: "password".to_owned() };
            let mut values = Values::default();
            values.insert(reference.clone(), Secret::new(secret.to_owned()));
            Text(vec![Part::Hashed(reference)]).render(&values, |_part| None).unwrap().expose().clone()
        };
        assert_eq!(line("right pass"), line("right pass"));
        assert_ne!(line("right pass"), line("right past"));
        let text = line("right pass");
        let [empty, kind, rounds, salt, hash] = text.split('$').collect::<Vec<_>>()[..] else { panic!("{text}") };
        assert_eq!((empty, kind, rounds), ("", "7", "10000"));
        assert_eq!((STANDARD.decode(salt).unwrap().len(), STANDARD.decode(hash).unwrap().len()), (HASH_SALT, HASH));
        assert!(!text.contains("right pass"));
    }
}
