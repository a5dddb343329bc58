//! Builders of recipe texts.

use koan_core::recipe::{CandidateMore, Recipe};
use koan_core::text::{Part, Text, ValueRef};

/// A key of the service's credentials Secret; `plan` writes the real name.
pub(crate) fn credential(key: &str) -> ValueRef {
    ValueRef::SecretKey { name: Recipe::CREDENTIALS.to_owned(), key: key.to_owned() }
}

/// Words without holes.
pub(crate) fn plain(words: &[&str]) -> Vec<Text> {
    words.iter().map(|word| Text::plain(*word)).collect()
}

/// Parts and an ending.
pub(crate) fn join(mut parts: Vec<Part>, ending: &str) -> Text {
    parts.push(Part::Plain(ending.to_owned()));
    Text(parts)
}

/// The environment name of the token that goes with an address.
pub(crate) const fn token_of(of: &'static str, token: &'static str) -> CandidateMore {
    CandidateMore { of, user: None, pair: false, password: None, token: Some(token), database: None }
}
