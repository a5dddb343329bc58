//! Names of the objects that Koan writes beside the user's own.

use sha2::{Digest, Sha256};

/// `<stack>-<service>`: the `ServiceSpec` of a stack's service.
pub fn service_spec(stack: &str, service: &str) -> String {
    format!("{stack}-{service}")
}

/// `<stack>-env`: Secret with every injected variable.
pub fn env_secret(stack: &str) -> String {
    format!("{stack}-env")
}

/// `<spec>-credentials`: Secret with a generated credential; `spec` is the `ServiceSpec`'s name.
pub fn credentials_secret(spec: &str) -> String {
    format!("{spec}-credentials")
}

/// `<spec>-attempts`: Secret with fingerprints of the logins that host services refused; `spec` is the `ServiceSpec`'s name.
pub fn attempts_secret(spec: &str) -> String {
    format!("{spec}-attempts")
}

/// `<stack>-environment`: Secret with what was read from the person's environment.
pub fn environment_secret(stack: &str) -> String {
    format!("{stack}-environment")
}

/// `<stack>-launch`: ConfigMap with ports, profile and engine of the last start.
pub fn launch_config_map(stack: &str) -> String {
    format!("{stack}-launch")
}

/// Longest name that engines and DNS take.
const MAX_ENGINE_NAME: usize = 63;
/// Hex digits of the hash that makes engine names injective (SEC-21 asks for at least 8).
const HASH_DIGITS: usize = 10;

/// Name of an engine object: readable parts joined by `-`, cut to fit, then a hash over all parts and `uid`.
///
/// Injective: the hash covers each part with its length, so `a-b` + `c` differs from `a` + `b-c` (SEC-21).
pub fn engine_object(parts: &[&str], uid: &str) -> String {
    let mut hasher = Sha256::new();
    for part in parts.iter().copied().chain([uid]) {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part.as_bytes());
    }
    let digest = hex(&hasher.finalize());
    let readable: String =
        parts.join("-").chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let room = MAX_ENGINE_NAME - HASH_DIGITS - 1;
    let readable: String = readable.chars().take(room).collect();
    format!("{}-{}", readable.trim_end_matches('-'), &digest[..HASH_DIGITS])
}

/// Lower-case hexadecimal text of `bytes`.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
