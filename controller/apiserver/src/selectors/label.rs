//! `a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1`.

use crate::status::Failure;

/// The most characters of a selector.
const SELECTOR_LIMIT: usize = 64 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Operator {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Requirement {
    pub(super) key: String,
    pub(super) operator: Operator,
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
        super::reader::requirements(text).map(Self).map_err(Failure::bad_request)
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
            "app in (,web),tier notin (),none notin ()",
            " app in (in,web) , tier",
        ] {
            assert!(matches(selector, &labels), "{selector}");
        }
        for selector in ["app=db", "app!=web", "app in (db)", "app notin (web)", "!app", "none", "tier>2", "app=web,none"] {
            assert!(!matches(selector, &labels), "{selector}");
        }
    }

    /// API-7, API-38: what cannot be read is a bad request, and what was expected is said as the reference says it.
    #[test]
    fn nonsense_is_refused() {
        for (selector, message) in [
            ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
            ("a=b c", "found 'c', expected: ',' or 'end of string'"),
            ("=", "found '=', expected: !, identifier, or 'end of string'"),
            ("a in b)", "unable to parse requirement: found 'b' expected: '('"),
            ("a in", "unable to parse requirement: found '' expected: '('"),
            ("a like (b)", "unable to parse requirement: found 'like', expected: in, notin, =, ==, !=, gt, lt"),
            ("a in (b c)", "unable to parse requirement: found 'c', expected: ',' or ')'"),
            ("a,,b", "found ',', expected: identifier after ','"),
            ("a==(", "unable to parse requirement: found '(', expected: identifier"),
            (
                "a>x",
                "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
            ),
        ] {
            let failure = LabelSelector::parse(selector).unwrap_err();
            assert_eq!((failure.code(), failure.message.as_str()), (400, message), "{selector}");
        }
    }
}
