use koan_core::secret::Secret;

use super::credential::pick;
use super::logs::clean;

/// DET-22: a generated password is made of letters and digits, each equally likely.
#[test]
fn generated_characters_are_fair() {
    let mut counts = std::collections::BTreeMap::new();
    for byte in 0..=u8::MAX {
        if let Some(character) = pick(byte) {
            assert!(character.is_ascii_alphanumeric());
            *counts.entry(character).or_insert(0) += 1;
        }
    }
    assert_eq!(counts.len(), 62);
    assert!(counts.values().all(|count| *count == 4));
}

/// S-12: a secret value never reaches the log tail of a status, nor does a control character.
#[test]
fn log_lines_are_cleaned() {
    let secrets = [Secret::new("hunter22".to_owned()), Secret::new("ab".to_owned())];
    assert_eq!(clean("login hunter22 ab \u{1b}[31mred", &secrets), "login *** ab [31mred");
}
