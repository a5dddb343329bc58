//! Hides what looks like a secret in free text (CLI-34, CLI-35): URL userinfo, bearer tokens, `key=value` and JSON pairs,
//! PEM blocks. Typed fields never hold a value in the first place.

use std::sync::{PoisonError, RwLock};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use koan_core::outputs::percent_encode;
use koan_crds::secret_like;

/// What stands for a hidden value.
pub(crate) const MASK: &str = "***";

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
    bearer(&userinfo(&known(text)))
}

/// The text with every value hidden that is known or that a pattern recognises.
pub(crate) fn redact(text: &str) -> String {
    let text = userinfo(&known(text));
    let text = bearer(&text);
    let text = pairs(&text);
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") { MASK.to_owned() } else { text }
}

/// `scheme://user:pass@host` loses what stands before the `@`.
fn userinfo(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("://") {
        let (head, tail) = rest.split_at(start + 3);
        out.push_str(head);
        let end = tail.find(|c: char| c.is_whitespace() || "/?#\"'<>".contains(c)).unwrap_or(tail.len());
        let (authority, after) = tail.split_at(end);
        match authority.rsplit_once('@') {
            Some((user, host)) if !user.is_empty() => {
                out.push_str(MASK);
                out.push('@');
                out.push_str(host);
            }
            _ => out.push_str(authority),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// `Bearer x` and `Basic x` lose the token.
fn bearer(text: &str) -> String {
    let mut out = text.to_owned();
    for scheme in ["Bearer ", "Basic ", "bearer ", "basic "] {
        let mut from = 0;
        while let Some(found) = out.get(from..).and_then(|tail| tail.find(scheme)) {
            let start = from + found + scheme.len();
            let end = out[start..].find(|c: char| c.is_whitespace() || "\"',".contains(c)).map_or(out.len(), |i| start + i);
            if end > start {
                out.replace_range(start..end, MASK);
            }
            from = (start + MASK.len()).min(out.len());
        }
    }
    out
}

/// `key=value`, `key: value` and `"key": "value"` lose the value where the key hides one.
fn pairs(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['=', ':']) {
        let (head, tail) = rest.split_at(at);
        let separator = &tail[..1];
        let key: String = head
            .trim_end_matches(['"', '\'', ' '])
            .chars()
            .rev()
            .take_while(|c| c.is_ascii_alphanumeric() || "_-.".contains(*c))
            .collect();
        let key: String = key.chars().rev().collect();
        out.push_str(head);
        out.push_str(separator);
        rest = &tail[1..];
        if key.is_empty() || !secret_like::hidden(&key) || rest.starts_with("//") {
            continue;
        }
        let lead = rest.len() - rest.trim_start_matches([' ', '"', '\'']).len();
        out.push_str(&rest[..lead]);
        let value = &rest[lead..];
        let end = value.find(|c: char| c.is_whitespace() || "\"',;&}".contains(c)).unwrap_or(value.len());
        if end > 0 {
            out.push_str(MASK);
        }
        rest = &value[end..];
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CLI-34, CLI-35: the forms that the original printed in clear are hidden.
    #[test]
    fn known_forms_are_hidden() {
        let cases = [
            (r#"{"token":"abc123"}"#, "abc123"),
            ("mongodb://u:hunter2@h/db", "hunter2"),
            ("Authorization: Bearer eyJhbGciOi", "eyJhbGciOi"),
            ("PASSWORD=hunter2 next", "hunter2"),
            ("Server=h;Password=hunter2;Port=1", "hunter2"),
            ("postgres://u:p@h:1/d and redis://:hunter2@h:2/0", "hunter2"),
        ];
        for (text, secret) in cases {
            assert!(!redact(text).contains(secret), "{text} -> {}", redact(text));
        }
    }

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

    /// CLI-34: what surrounds a hidden value stays readable.
    #[test]
    fn other_text_is_kept() {
        for text in ["listening on 127.0.0.1:8080", "GET /healthz 200", "a: b, c = d", "http://h:1/x?y=z", "::1 ünï"] {
            assert_eq!(redact(text), text);
        }
        assert_eq!(redact("postgres://u:p@h:1/d"), "postgres://***@h:1/d");
    }

    proptest::proptest! {
        /// CLI-34: hiding is total and idempotent.
        #[test]
        fn redaction_is_total(text in ".{0,200}") {
            let once = redact(&text);
            proptest::prop_assert_eq!(redact(&once), once);
        }
    }
}
