//! Query strings, with the empty pairs that real clients send.

/// The decoded pairs of a query string, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads `name=value&…`; empty pairs are skipped (`?&watch=true`).
    pub(crate) fn parse(text: &str) -> Self {
        Self(
            text.split('&')
                .filter(|pair| !pair.is_empty())
                .map(|pair| {
                    let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                    (decode(name, true), decode(value, true))
                })
                .collect(),
        )
    }

    /// The first value of `name`; an empty value counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// All values of `name`, empty ones too.
    pub(crate) fn every<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(found, _)| found == name).map(|(_, value)| value.as_str())
    }

    /// What `name` is set to, as the reference reads it: everything but `0` and `false` is true. `None` where it is absent.
    pub(crate) fn choice(&self, name: &str) -> Option<bool> {
        let (_, value) = self.0.iter().find(|(found, _)| found == name)?;
        Some(value != "0" && !value.eq_ignore_ascii_case("false"))
    }

    /// Whether `name` is set to something true.
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.choice(name).unwrap_or_default()
    }
}

/// Undoes percent-encoding; with `form` also `+` for a space. Broken escapes stay as they are.
pub(crate) fn decode(text: &str, form: bool) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut index = 0;
    while index < bytes.len() {
        let escape = || {
            let high = char::from(*bytes.get(index + 1)?).to_digit(16)?;
            let low = char::from(*bytes.get(index + 2)?).to_digit(16)?;
            u8::try_from(high * 16 + low).ok()
        };
        match bytes[index] {
            b'%' => {
                if let Some(byte) = escape() {
                    out.push(byte);
                    index += 2;
                } else {
                    out.push(b'%');
                }
            }
            b'+' if form => out.push(b' '),
            byte => out.push(byte),
        }
        index += 1;
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// API-18: kube-rs queries that start with `?&` and form escapes are read.
    #[test]
    fn real_queries_are_read() {
        let query = Query::parse("&limit=500&labelSelector=a%3Db%2Cc+in+%28d%29&watch");
        assert_eq!(query.get("limit"), Some("500"));
        assert_eq!(query.get("labelSelector"), Some("a=b,c in (d)"));
        assert!(query.flag("watch"));
        assert!(!query.flag("dryRun"));
        assert_eq!(Query::parse("a=False&b=f").choice("a"), Some(false));
        assert_eq!(Query::parse("a=False&b=f").choice("b"), Some(true));
        assert_eq!(decode("50%", false), "50%");
    }
}
