//! Which state a list shows and how it is cut into pages: resourceVersion, its match rule, `limit` and `continue`.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::http::Query;
use crate::status::{Cause, Failure};

/// Which state a list or watch starts from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Freshness {
    Latest,
    /// Whatever is at hand; this server has only the latest.
    Any,
    NotOlderThan(u64),
    Exact(u64),
}

/// The options of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ListOptions {
    pub(crate) freshness: Freshness,
    pub(crate) limit: usize,
    pub(crate) token: Option<Token>,
}

/// Where the next page starts. Opaque to clients.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Token {
    v: String,
    /// The snapshot of the first page; -1 goes on with the latest state.
    rv: i64,
    /// The key behind which the page starts.
    start: String,
}

/// The version of the token's form.
const TOKEN_VERSION: &str = "meta.k8s.io/v1";

impl Token {
    pub(crate) fn new(revision: u64, start: String) -> Self {
        Self { v: TOKEN_VERSION.to_owned(), rv: i64::try_from(revision).unwrap_or(i64::MAX), start }
    }

    /// The snapshot to go on with; none for the latest state.
    pub(crate) fn revision(&self) -> Option<u64> {
        u64::try_from(self.rv).ok()
    }

    pub(crate) fn start(&self) -> &str {
        &self.start
    }

    /// A token that goes on at the same place in the latest state.
    pub(crate) fn inconsistent(&self) -> Self {
        Self { v: TOKEN_VERSION.to_owned(), rv: -1, start: self.start.clone() }
    }

    pub(crate) fn encode(&self) -> String {
        // A token is three plain fields, which always have a JSON form.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    fn decode(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        serde_json::from_slice::<Self>(&bytes).ok().filter(|token| token.v == TOKEN_VERSION && token.rv >= -1)
    }
}

/// Reads a resourceVersion parameter; absent or empty is `None`.
///
/// # Errors
/// What is wrong with it, for the caller to give a code: the reference has one for lists and one for watches.
fn parse_version(query: &Query) -> Result<Option<u64>, String> {
    query
        .get("resourceVersion")
        .map(|text| {
            text.parse().map_err(|_| {
                format!("resourceVersion: Invalid value: {text:?}: strconv.ParseUint: parsing {text:?}: invalid syntax")
            })
        })
        .transpose()
}

/// The resourceVersion of a watch or of one object.
///
/// # Errors
/// 500 `Invalid value`, as the reference answers.
pub(crate) fn version(query: &Query) -> Result<Option<u64>, Failure> {
    parse_version(query).map_err(Failure::internal_plain)
}

fn invalid(field: &str, message: &str) -> Failure {
    Failure::invalid_options("ListOptions", vec![Cause::forbidden(field, message)])
}

/// Checks the parameters that lists and watches share.
///
/// # Errors
/// 422 for a match rule without a version, an unknown rule, or initial events without a rule.
pub(crate) fn check_match(query: &Query, watch: bool) -> Result<Option<&str>, Failure> {
    let rule = query.get("resourceVersionMatch");
    let initial = query.get("sendInitialEvents");
    if initial.is_some() && !watch {
        return Err(invalid("sendInitialEvents", "sendInitialEvents is forbidden for list"));
    }
    if initial.is_some() && rule.is_none() {
        return Err(invalid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    }
    if let Some(rule) = rule {
        if watch {
            if initial.is_none() {
                return Err(invalid(
                    "resourceVersionMatch",
                    "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
                ));
            }
            if rule != "NotOlderThan" {
                return Err(Failure::invalid_options(
                    "ListOptions",
                    vec![Cause::unsupported("resourceVersionMatch", rule, &["NotOlderThan"])],
                ));
            }
            return Ok(Some(rule));
        }
        if query.get("continue").is_some() {
            return Err(invalid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided"));
        }
        if query.get("resourceVersion").is_none() {
            return Err(invalid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided"));
        }
        if !matches!(rule, "Exact" | "NotOlderThan") {
            return Err(Failure::invalid_options(
                "ListOptions",
                vec![Cause::unsupported("resourceVersionMatch", rule, &["Exact", "NotOlderThan", ""])],
            ));
        }
        if rule == "Exact" && query.get("resourceVersion") == Some("0") {
            return Err(invalid("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\""));
        }
    }
    Ok(rule)
}

/// Reads the options of a list.
///
/// # Errors
/// 400 for a broken token or version, 422 for parameters that contradict each other.
pub(crate) fn list_options(query: &Query) -> Result<ListOptions, Failure> {
    let rule = check_match(query, false)?;
    let limit = query
        .get("limit")
        .map(|text| text.parse::<i64>().map_err(|_| Failure::bad_request(format!("limit {text:?} is not a number"))))
        .transpose()?
        .unwrap_or_default();
    let limit = if limit <= 0 { usize::MAX } else { usize::try_from(limit).unwrap_or(usize::MAX) };
    let token = query
        .get("continue")
        .map(|text| {
            Token::decode(text)
                .ok_or_else(|| Failure::bad_request("invalid continue token: continue key is not valid: incorrect encoding"))
        })
        .transpose()?;
    let version = parse_version(query).map_err(|text| Failure::bad_request(format!("invalid resource version: {text}")))?;
    if token.is_some() && version.is_some_and(|version| version != 0) {
        return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
    }
    let freshness = match (version, rule) {
        (None, _) => Freshness::Latest,
        (Some(version), Some("Exact")) => Freshness::Exact(version),
        (Some(0), _) => Freshness::Any,
        (Some(version), _) => Freshness::NotOlderThan(version),
    };
    Ok(ListOptions { freshness, limit, token })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(query: &str) -> u16 {
        list_options(&Query::parse(query)).unwrap_err().code()
    }

    /// API-7: parameters that contradict each other get the reference's code.
    #[test]
    fn wrong_options_are_refused() {
        assert_eq!(code("resourceVersionMatch=Exact"), 422);
        assert_eq!(code("sendInitialEvents=true"), 422);
        assert_eq!(code("resourceVersion=abc"), 400);
        assert_eq!(code("continue=abc"), 400);
        assert_eq!(code("resourceVersion=5&resourceVersionMatch=Newest"), 422);
    }

    /// API-7: a token comes back as it went out.
    #[test]
    fn tokens_return() {
        let token = Token::new(7, "default/a".to_owned());
        let query = Query::parse(&format!("limit=2&continue={}", token.encode()));
        let options = list_options(&query).unwrap();
        assert_eq!(options.token, Some(token));
        assert_eq!(options.limit, 2);
    }
}
