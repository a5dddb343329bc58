//! The refusal itself and its JSON form.

use bytes::Bytes;
use serde::Serialize;

/// What kind of trouble a failure is; decides whether a client should try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// The request is wrong and stays wrong.
    Invalid,
    /// The same request may succeed later.
    Transient,
    /// The caller may not do this.
    Denied,
    /// The server is at fault.
    Bug,
}

/// One reason for a refusal, at most one field each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Cause {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) message: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) field: String,
}

/// What the refusal is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) kind: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) uid: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<Cause>,
    #[serde(rename = "retryAfterSeconds", skip_serializing_if = "is_zero")]
    pub(crate) retry_after_seconds: u32,
}

fn is_zero(seconds: &u32) -> bool {
    *seconds == 0
}

/// A refused request: HTTP code, machine-readable reason, message, and what it is about.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    pub(crate) code: u16,
    pub(crate) reason: &'static str,
    pub(crate) message: String,
    pub(crate) details: Option<Box<Details>>,
    /// The `metadata.continue` of an expired list's answer.
    pub(crate) continue_token: String,
    /// What else was found, for the `Warning` headers of the answer.
    pub(crate) warnings: Vec<String>,
}

#[derive(Serialize)]
struct ListMeta<'a> {
    #[serde(rename = "continue", skip_serializing_if = "str::is_empty")]
    continue_token: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    kind: &'static str,
    api_version: &'static str,
    metadata: ListMeta<'a>,
    status: &'static str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a Details>,
    code: u16,
}

impl Failure {
    /// The HTTP status code.
    #[must_use]
    pub fn code(&self) -> u16 {
        self.code
    }

    /// The machine-readable reason, as in `Status.reason`.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason
    }

    /// Whether the request, the moment, the caller or the server is at fault.
    #[must_use]
    pub fn class(&self) -> Class {
        match self.code {
            401 | 403 => Class::Denied,
            409 | 410 | 429 | 503 | 504 => Class::Transient,
            500 => Class::Bug,
            _ => Class::Invalid,
        }
    }

    /// The same refusal with warnings about what was read before it.
    #[must_use]
    pub(crate) fn warned(mut self, warnings: &[String]) -> Self {
        self.warnings.extend_from_slice(warnings);
        self
    }

    /// The `Status` document.
    #[must_use]
    pub(crate) fn to_bytes(&self) -> Bytes {
        encode(&Wire {
            kind: "Status",
            api_version: "v1",
            metadata: ListMeta { continue_token: &self.continue_token },
            status: "Failure",
            message: &self.message,
            reason: self.reason,
            details: self.details.as_deref(),
            code: self.code,
        })
    }

    /// The `Status` document of a delete that succeeded.
    #[must_use]
    pub(crate) fn success(details: &Details) -> Bytes {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Success<'a> {
            kind: &'static str,
            api_version: &'static str,
            metadata: ListMeta<'a>,
            status: &'static str,
            #[serde(skip_serializing_if = "Option::is_none")]
            details: Option<&'a Details>,
        }
        encode(&Success {
            kind: "Status",
            api_version: "v1",
            metadata: ListMeta { continue_token: "" },
            status: "Success",
            details: Some(details),
        })
    }
}

fn encode(document: &impl Serialize) -> Bytes {
    serde_json::to_vec(document).map_or_else(
        |_| Bytes::from_static(b"{}\n"),
        |mut bytes| {
            bytes.push(b'\n');
            Bytes::from(bytes)
        },
    )
}
