//! Hides the secret values that this process knows, and what looks like one by its form (CLI-34, CLI-35). Typed fields never hold
//! a value in the first place.

use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use koan_core::outputs::percent_encode;
use koan_core::redact;

pub(crate) use koan_core::redact::MASK;

/// Shortest value that is learnt, in characters: a shorter one would hide ordinary words.
const SHORTEST: usize = 6;
/// Most forms of values that are kept.
const MOST: usize = 10_000;

/// Forms of the values that this process knows to be secret, the longest first.
static KNOWN: RwLock<Vec<String>> = RwLock::new(Vec::new());

/// Learns a secret value: from now on it is hidden as it is, percent-encoded, in base64 and escaped as in JSON.
pub(crate) fn learn(value: &str) {
    if value.chars().count() < SHORTEST {
        return;
    }
    let escaped = serde_json::to_string(value).unwrap_or_default();
    let escaped = escaped.get(1..escaped.len().saturating_sub(1)).unwrap_or_default().to_owned();
    let forms = [value.to_owned(), percent_encode(value), STANDARD.encode(value), escaped];
    let mut known = KNOWN.write().unwrap_or_else(PoisonError::into_inner);
    for form in forms {
        if known.len() < MOST && !form.is_empty() && !known.contains(&form) {
            known.push(form);
        }
    }
    known.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
}

/// The text with the values hidden that this process knows; for documents, whose fields are typed.
pub(crate) fn known(text: &str) -> String {
    let known = KNOWN.read().unwrap_or_else(PoisonError::into_inner);
    let present = known.iter().filter(|form| text.contains(form.as_str())).collect::<Vec<_>>();
    present.into_iter().fold(text.to_owned(), |text, form| text.replace(form.as_str(), MASK))
}

/// The text with known values, URL userinfo and bearer tokens hidden; for Koan's own sentences, whose pairs hide nothing.
pub(crate) fn talk(text: &str) -> String {
    redact::talk(&known(text))
}

/// The text with every value hidden that is known or that a pattern recognises.
pub(crate) fn redact(text: &str) -> String {
    redact::text(&known(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-34: a value that this process knows is hidden in each of its forms, in documents, sentences and logs alike.
    #[test]
    fn known_values_are_hidden_in_every_form() {
        learn("tr0ub4dor&3 \"x\"");
        learn("short");
        let forms = ["tr0ub4dor&3 \"x\"", "tr0ub4dor%263%20%22x%22", "dHIwdWI0ZG9yJjMgIngi", "tr0ub4dor&3 \\\"x\\\""];
        for form in forms {
            for hide in [known, talk, redact] {
                assert_eq!(hide(&format!("a {form} b")), "a *** b", "{form}");
            }
        }
        assert_eq!(known("a short word"), "a short word");
        assert_eq!(talk("Secret shop-credentials: not there"), "Secret shop-credentials: not there");
        assert_eq!(talk("cannot reach postgres://u:p@h/d"), "cannot reach postgres://***@h/d");
    }
}
