//! Hides what looks like a secret in free text, by its form alone: URL userinfo, bearer tokens, `key=value` and JSON pairs, PEM blocks.

use koan_crds::secret_like;

use super::MASK;

/// The text with URL userinfo and bearer tokens hidden; for Koan's own sentences, whose pairs hide nothing.
pub fn talk(text: &str) -> String {
    bearer(&userinfo(text))
}

/// The text with every value hidden that a pattern recognises.
pub fn text(text: &str) -> String {
    let text = pairs(&talk(text));
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
        // What a nested document holds has keys of its own.
        let nested = rest.trim_start().starts_with(['{', '[']);
        if key.is_empty() || nested || !secret_like::hidden(&key) || rest.starts_with("//") {
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
    use super::text as redact;

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
