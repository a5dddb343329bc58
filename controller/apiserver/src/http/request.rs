//! One request, read completely.

use bytes::Bytes;
use http::{HeaderMap, Method, header};

use super::Query;
use crate::auth::Role;

/// A request whose body has been read.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) method: Method,
    pub(crate) path: String,
    pub(crate) query: Query,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    pub(crate) caller: Role,
}

impl Incoming {
    /// The field manager that a write without the parameter belongs to: the User-Agent up to its first slash.
    pub(crate) fn agent(&self) -> String {
        let agent = self.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let name = agent.split('/').next().unwrap_or_default();
        if name.is_empty() { "unknown".to_owned() } else { name.to_owned() }
    }

    /// Whether the client already has the version named by `etag`, which is quoted.
    pub(crate) fn has(&self, etag: &str) -> bool {
        self.headers
            .get_all(header::IF_NONE_MATCH)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .any(|tag| matches!(tag.trim(), tag if tag == "*" || tag.trim_start_matches("W/") == etag))
    }
}
