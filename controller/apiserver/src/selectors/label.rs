//! `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.

use crate::status::Failure;

/// The most characters of a selector.
const SELECTOR_LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
}

/// A conjunction of requirements on labels.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct LabelSelector(Vec<Requirement>);

impl LabelSelector {
    /// Reads a selector.
    ///
    /// # Errors
    /// 400 with the part that cannot be read.
    pub(crate) fn parse(text: &str) -> Result<Self, Failure> {
        if text.len() > SELECTOR_LIMIT {
            return Err(Failure::bad_request(format!("label selector is longer than {SELECTOR_LIMIT} characters")));
        }
        split(text)
            .into_iter()
            .filter(|part| !part.trim().is_empty())
            .map(|part| requirement(part.trim()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn matches(&self, labels: &[(String, String)]) -> bool {
        self.0.iter().all(|requirement| {
            let value = labels.iter().find(|(key, _)| *key == requirement.key).map(|(_, value)| value);
            match &requirement.operator {
                Operator::In(values) => value.is_some_and(|value| values.contains(value)),
                Operator::NotIn(values) => value.is_none_or(|value| !values.contains(value)),
                Operator::Exists => value.is_some(),
                Operator::Absent => value.is_none(),
                Operator::Greater(bound) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value > *bound),
                Operator::Less(bound) => value.and_then(|value| value.parse::<i64>().ok()).is_some_and(|value| value < *bound),
            }
        })
    }
}

/// Splits at commas outside parentheses.
fn split(text: &str) -> Vec<&str> {
    let (mut parts, mut depth, mut start) = (Vec::new(), 0_u32, 0);
    for (index, letter) in text.char_indices() {
        match letter {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ',' if depth == 0 => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

fn unreadable(part: &str) -> Failure {
    Failure::bad_request(format!("unable to parse requirement: found '{part}', expected: a label key with an operator"))
}

fn requirement(part: &str) -> Result<Requirement, Failure> {
    let make = |key: &str, operator| {
        let key = key.trim();
        if is_label_key(key) { Ok(Requirement { key: key.to_owned(), operator }) } else { Err(unreadable(part)) }
    };
    let value = |text: &str| {
        let text = text.trim();
        if is_label_value(text) { Ok(text.to_owned()) } else { Err(unreadable(part)) }
    };
    if let Some(key) = part.strip_prefix('!') {
        return make(key, Operator::Absent);
    }
    if let Some(list) = part.strip_suffix(')') {
        let (head, values) = list.split_once('(').ok_or_else(|| unreadable(part))?;
        let values = values.split(',').map(value).collect::<Result<Vec<_>, _>>()?;
        let (key, word) = head.trim_end().rsplit_once(char::is_whitespace).ok_or_else(|| unreadable(part))?;
        return match word {
            "in" => make(key, Operator::In(values)),
            "notin" => make(key, Operator::NotIn(values)),
            _ => Err(unreadable(part)),
        };
    }
    for (sign, negated) in [("!=", true), ("==", false), ("=", false)] {
        if let Some((key, text)) = part.split_once(sign) {
            let values = vec![value(text)?];
            return make(key, if negated { Operator::NotIn(values) } else { Operator::In(values) });
        }
    }
    for (sign, greater) in [('>', true), ('<', false)] {
        if let Some((key, text)) = part.split_once(sign) {
            let bound = text.trim().parse().map_err(|_| unreadable(part))?;
            return make(key, if greater { Operator::Greater(bound) } else { Operator::Less(bound) });
        }
    }
    make(part, Operator::Exists)
}

/// Whether `key` is a qualified label name: an optional DNS prefix and a name of at most 63 characters.
pub(crate) fn is_label_key(key: &str) -> bool {
    /// The longest DNS prefix.
    const PREFIX_LIMIT: usize = 253;
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let prefix_ok = prefix.is_none_or(|prefix| {
        !prefix.is_empty()
            && prefix.len() <= PREFIX_LIMIT
            && prefix.split('.').all(|part| {
                !part.is_empty()
                    && part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-')
                    && !part.starts_with('-')
                    && !part.ends_with('-')
            })
    });
    prefix_ok && !name.is_empty() && is_label_value(name)
}

/// Whether `value` may be a label's value: empty, or at most 63 characters of the usual set.
pub(crate) fn is_label_value(value: &str) -> bool {
    /// The longest label name or value.
    const LIMIT: usize = 63;
    let ends = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
    value.is_empty()
        || (value.len() <= LIMIT
            && value.chars().all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '_' | '.'))
            && ends(value.chars().next())
            && ends(value.chars().next_back()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(selector: &str, labels: &[(&str, &str)]) -> bool {
        let labels: Vec<(String, String)> = labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        LabelSelector::parse(selector).unwrap().matches(&labels)
    }

    /// API-7: each operator of a label selector, with absent labels read as the reference reads them.
    #[test]
    fn operators() {
        let labels = [("app", "web"), ("tier", "2")];
        for selector in [
            "app=web",
            "app==web",
            "app!=db",
            "app in (web, db)",
            "app notin (db)",
            "none notin (x)",
            "app",
            "!none",
            "tier>1",
            "tier<3",
            "app=web,tier",
        ] {
            assert!(matches(selector, &labels), "{selector}");
        }
        for selector in ["app=db", "app!=web", "app in (db)", "app notin (web)", "!app", "none", "tier>2", "app=web,none"] {
            assert!(!matches(selector, &labels), "{selector}");
        }
    }

    /// API-7: what cannot be read is a bad request.
    #[test]
    fn nonsense_is_refused() {
        for selector in ["a b", "a=b c", "=", "a in b)", "a like (b)", "a>x"] {
            assert_eq!(LabelSelector::parse(selector).unwrap_err().code(), 400, "{selector}");
        }
    }
}
