//! One answer to "could this key or value be a secret": what is refused or replaced (EXP-15), and what is only hidden (CLI-35).

/// Fragments of a key, case and separators ignored, that make it secret-like (EXP-15).
const NARROW: [&str; 10] =
    ["token", "secret", "password", "passwd", "pwd", "passphrase", "credential", "dsn", "connectionstring", "apikey"];
/// Further fragments that are hidden in output, though never refused (CLI-35).
const WIDE: [&str; 4] = ["key", "auth", "bearer", "cookie"];

/// True when a variable of this name may hold a secret: it is refused or replaced (EXP-15).
pub fn key(name: &str) -> bool {
    let folded = fold(name);
    NARROW.iter().any(|fragment| folded.contains(fragment)) || name.to_ascii_uppercase().ends_with("_KEY")
}

/// True when a value carries userinfo inside a URL, such as `postgres://user:pass@host`.
pub fn value(text: &str) -> bool {
    let Some((scheme, rest)) = text.split_once("://") else { return false };
    let plausible = !scheme.is_empty() && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    plausible && authority.rsplit_once('@').is_some_and(|(user, _)| !user.is_empty())
}

/// True when a value under this name is hidden in output; wider than [`key`] (CLI-35).
pub fn hidden(name: &str) -> bool {
    let folded = fold(name);
    key(name) || WIDE.iter().any(|fragment| folded.contains(fragment))
}

fn fold(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}
