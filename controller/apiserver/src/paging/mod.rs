//! Which state a list shows and how it is cut into pages: resourceVersion, its match rule, `limit` and `continue`.

use base64::DecodeError;
use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::codec::go_json_error;
use crate::http::Query;
use crate::schema::go_quote;
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

    /// Reads a token.
    ///
    /// # Errors
    /// What is wrong with it, in the reference's words.
    fn decode(text: &str) -> Result<Self, String> {
        // Bits that fill the last letter mean nothing.
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &URL_SAFE,
            GeneralPurposeConfig::new()
                .with_encode_padding(false)
                .with_decode_allow_trailing_bits(true)
                .with_decode_padding_mode(DecodePaddingMode::RequireNone),
        );
        let bytes = LENIENT.decode(text).map_err(|error| match error {
            DecodeError::InvalidByte(place, _) | DecodeError::InvalidLastSymbol(place, _) => {
                format!("illegal base64 data at input byte {place}")
            }
            DecodeError::InvalidLength(length) => format!("illegal base64 data at input byte {}", length - length % 4),
            DecodeError::InvalidPadding => format!("illegal base64 data at input byte {}", text.len()),
        })?;
        if let Some(error) = go_json_error(&bytes) {
            return Err(error);
        }
        let token: Self = serde_json::from_slice(&bytes).map_err(|_| "incorrect encoding".to_owned())?;
        if token.v != TOKEN_VERSION {
            return Err(format!("server does not recognize this encoded version {}", token.v));
        }
        if token.rv == 0 {
            return Err(format!("incorrect encoded start resourceVersion (version {TOKEN_VERSION})"));
        }
        if token.start.is_empty() {
            return Err(format!("encoded start key empty (version {TOKEN_VERSION})"));
        }
        if token.start.split('/').any(|step| step == "..") {
            return Err(token.start);
        }
        Ok(token)
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

/// A parameter that is a whole number.
///
/// # Errors
/// 400 in the reference's words.
pub(crate) fn number(query: &Query, name: &str) -> Result<Option<i64>, Failure> {
    let parse = |text: &str| {
        text.parse().map_err(|_| Failure::bad_request(format!("strconv.ParseInt: parsing {}: invalid syntax", go_quote(text))))
    };
    query.get(name).map(parse).transpose()
}

fn starts_with_all(query: &Query) -> bool {
    matches!(query.get("resourceVersion"), None | Some("0"))
}

/// Whether a watch begins with what is there: as its client says, or where it names no version to go on from.
pub(crate) fn initial_events(query: &Query) -> bool {
    query.choice("sendInitialEvents").unwrap_or_else(|| starts_with_all(query))
}

/// Checks the parameters that lists and watches share.
///
/// # Errors
/// 400 for a number that is none; 422 naming everything that contradicts something else.
pub(crate) fn check_match(query: &Query, watch: bool) -> Result<Option<&str>, Failure> {
    number(query, "timeoutSeconds")?;
    let version = query.get("resourceVersion");
    let given = (query.get("resourceVersionMatch"), query.choice("sendInitialEvents"));
    let (rule, initial) = match given {
        (None, None) if watch && starts_with_all(query) => (Some("NotOlderThan"), Some(true)),
        given => given,
    };
    let mut causes = Vec::new();
    let mut forbid = |field: &str, why: &str| causes.push(Cause::forbidden(field, why));
    if watch && initial.is_some() && rule != Some("NotOlderThan") {
        forbid("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan");
    }
    if rule.is_some() {
        if watch && initial.is_none() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided");
        }
        if !watch && version.is_none() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion is provided");
        }
        if query.get("continue").is_some() {
            forbid("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided");
        }
        if !watch && rule == Some("Exact") && version == Some("0") {
            forbid("resourceVersionMatch", "resourceVersionMatch \"exact\" is forbidden for resourceVersion \"0\"");
        }
    }
    if !watch && initial.is_some() {
        forbid("sendInitialEvents", "sendInitialEvents is forbidden for list");
    }
    let supported: &[&str] = if watch { &["NotOlderThan"] } else { &["Exact", "NotOlderThan", ""] };
    if let Some(rule) = rule.filter(|rule| !supported.contains(rule)) {
        causes.push(Cause::unsupported("resourceVersionMatch", rule, supported));
    }
    if causes.is_empty() { Ok(rule) } else { Err(Failure::invalid_options("ListOptions", causes)) }
}

/// Reads the options of a list.
///
/// # Errors
/// 400 for a broken token or version, 422 for parameters that contradict each other.
pub(crate) fn list_options(query: &Query) -> Result<ListOptions, Failure> {
    let asked = number(query, "limit")?.and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    let rule = check_match(query, false)?;
    let version = parse_version(query).map_err(|text| Failure::bad_request(format!("invalid resource version: {text}")))?;
    let token = query.get("continue").map(|text| Token::decode(text).map_err(broken)).transpose()?;
    if token.is_some() && version.is_some_and(|version| version != 0) {
        return Err(Failure::bad_request("specifying resource version is not allowed when using continue"));
    }
    // What is at hand is given whole; a page needs a snapshot, which is that of the version named.
    let limit = asked.filter(|_| version != Some(0)).unwrap_or(usize::MAX);
    let freshness = match (version, rule) {
        (None, _) => Freshness::Latest,
        (Some(version), Some("Exact")) => Freshness::Exact(version),
        (Some(0), _) => Freshness::Any,
        (Some(version), None) if asked.is_some() => Freshness::Exact(version),
        (Some(version), _) => Freshness::NotOlderThan(version),
    };
    Ok(ListOptions { freshness, limit, token })
}

fn broken(why: String) -> Failure {
    Failure::bad_request(format!("invalid continue token: continue key is not valid: {why}"))
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
