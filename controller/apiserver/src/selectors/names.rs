//! What labels, their values and finalizers may be called, in the reference's words.

/// The longest label name or value.
const LIMIT: usize = 63;
/// The longest DNS prefix.
const PREFIX_LIMIT: usize = 253;
const KEY_RULE: &str = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
    character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
    '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const VALUE_RULE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
    start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
    '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const PREFIX_RULE: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
    start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
    '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";

fn too_long(limit: usize) -> String {
    format!("must be no more than {limit} bytes")
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| {
        !part.is_empty()
            && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    })
}

/// Letters, digits, `-`, `_` and `.`, a letter or digit at both ends.
fn is_word(text: &str) -> bool {
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    text.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

/// What is wrong with a qualified label name: an optional DNS prefix and a name of at most 63 characters.
pub(crate) fn label_key_problems(key: &str) -> Vec<String> {
    let mut problems = Vec::new();
    let name = match key.split('/').collect::<Vec<_>>()[..] {
        [name] => name,
        [prefix, name] => {
            if prefix.is_empty() {
                problems.push("prefix part must be non-empty".to_owned());
            } else {
                if prefix.len() > PREFIX_LIMIT {
                    problems.push(format!("prefix part {}", too_long(PREFIX_LIMIT)));
                }
                if !is_subdomain(prefix) {
                    problems.push(format!("prefix part {PREFIX_RULE}"));
                }
            }
            name
        }
        _ => {
            let example = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a valid label key {KEY_RULE} {example}")];
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LIMIT {
        problems.push(format!("name part {}", too_long(LIMIT)));
    }
    if !is_word(name) {
        problems.push(format!("name part {KEY_RULE}"));
    }
    problems
}

/// What is wrong with a label's value: it is empty, or has at most 63 characters of the usual set.
pub(crate) fn label_value_problems(value: &str) -> Vec<String> {
    let mut problems = Vec::new();
    if value.len() > LIMIT {
        problems.push(too_long(LIMIT));
    }
    if !value.is_empty() && !is_word(value) {
        problems.push(VALUE_RULE.to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-12, API-18: each way in which a key can be wrong is told as the reference tells it.
    #[test]
    fn keys_are_refused_in_the_words_of_the_reference() {
        for good in ["a", "example.com/My.name", "x-1_b"] {
            assert_eq!(label_key_problems(good), Vec::<String>::new(), "{good}");
        }
        let long = "x".repeat(LIMIT + 1);
        for (bad, start) in [
            ("a b", "name part must consist of"),
            ("a/b/c", "a valid label key must consist of"),
            ("/b", "prefix part must be non-empty"),
            ("A/b", "prefix part a lowercase RFC 1123 subdomain"),
            ("a/", "name part must be non-empty"),
            (&long, "name part must be no more than 63 bytes"),
        ] {
            assert!(label_key_problems(bad)[0].starts_with(start), "{bad}: {:?}", label_key_problems(bad));
        }
        assert_eq!(label_value_problems(""), Vec::<String>::new());
        assert!(label_value_problems("-")[0].starts_with("a valid label must be an empty string"));
    }
}
