//! Protobuf request bodies: the envelope `k8s\0` + `runtime.Unknown`, decoded to the JSON that the same client would have sent.
//!
//! kubectl and Helm send core kinds this way and do not fall back. Answers are always JSON, so there is no encoder.

mod convert;
mod fields;

#[cfg(test)]
mod tests;

use k8s_pb::api::authentication::v1::{SelfSubjectReview, TokenReview};
use k8s_pb::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview};
use k8s_pb::api::coordination::v1::Lease;
use k8s_pb::api::core::v1::{ConfigMap, Event as CoreEvent, Namespace, Secret, ServiceAccount};
use k8s_pb::api::events::v1::Event;
use k8s_pb::apimachinery::pkg::apis::meta::v1::DeleteOptions;
use k8s_pb::apimachinery::pkg::runtime::Unknown;
use prost::Message;
use serde_json::{Map, Value};
use thiserror::Error;

use crate::go_types;

/// What every protobuf body starts with.
const MAGIC: &[u8] = b"k8s\0";

/// Why a protobuf body is no object.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ProtoError {
    /// The magic number is missing.
    #[error("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")]
    Prefix,
    /// The envelope does not decode.
    #[error("{detail}")]
    Envelope {
        /// What is wrong, in the words of the reference's decoder where it has any.
        detail: String,
    },
    /// The object does not decode.
    #[error("{detail}")]
    Malformed {
        /// The kind.
        what: String,
        /// As above.
        detail: String,
    },
    /// A kind that is not taken in this form.
    #[error("no protobuf form of {api_version}, Kind={kind} is served; send JSON")]
    Kind {
        /// Its apiVersion.
        api_version: String,
        /// Its kind.
        kind: String,
    },
}

/// Decodes a body to an object with `apiVersion` and `kind`.
///
/// # Errors
/// [`ProtoError`], never a panic: lengths and nesting are bounded by the decoder, the body by the caller.
pub fn decode(body: &[u8]) -> Result<Value, ProtoError> {
    let envelope = body.strip_prefix(MAGIC).ok_or(ProtoError::Prefix)?;
    let envelope =
        Unknown::decode(envelope).map_err(|error| ProtoError::Envelope { detail: go_proto_error("Unknown", &error) })?;
    let type_meta = envelope.type_meta.unwrap_or_default();
    let (api_version, kind) = (type_meta.api_version.unwrap_or_default(), type_meta.kind.unwrap_or_default());
    if envelope.content_encoding.is_some_and(|encoding| !encoding.is_empty()) {
        return Err(ProtoError::Envelope { detail: "the content is encoded".to_owned() });
    }
    let raw = envelope.raw.unwrap_or_default();
    let fields = match (api_version.as_str(), kind.as_str()) {
        ("v1", "Secret") => convert::secret(message::<Secret>(&kind, &raw)?),
        ("v1", "ConfigMap") => convert::config_map(message::<ConfigMap>(&kind, &raw)?),
        ("v1", "Namespace") => convert::namespace(message::<Namespace>(&kind, &raw)?),
        ("v1", "ServiceAccount") => convert::service_account(message::<ServiceAccount>(&kind, &raw)?),
        ("v1", "Event") => convert::core_event(message::<CoreEvent>(&kind, &raw)?),
        ("events.k8s.io/v1", "Event") => convert::event(message::<Event>(&kind, &raw)?),
        ("coordination.k8s.io/v1", "Lease") => convert::lease(message::<Lease>(&kind, &raw)?),
        ("authentication.k8s.io/v1", "SelfSubjectReview") => convert::self_review(message::<SelfSubjectReview>(&kind, &raw)?),
        ("authentication.k8s.io/v1", "TokenReview") => convert::token_review(message::<TokenReview>(&kind, &raw)?),
        ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => {
            convert::self_access(message::<SelfSubjectAccessReview>(&kind, &raw)?)
        }
        ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => {
            convert::self_rules(message::<SelfSubjectRulesReview>(&kind, &raw)?)
        }
        ("authorization.k8s.io/v1", "SubjectAccessReview") => convert::access(message::<SubjectAccessReview>(&kind, &raw)?),
        (_, "DeleteOptions") => convert::delete_options(message::<DeleteOptions>(&kind, &raw)?),
        _ => match go_types::root(&api_version, &kind) {
            Some(root) => go_types::decode(root, &raw).map_err(|detail| ProtoError::Malformed { what: kind.clone(), detail })?,
            None => return Err(ProtoError::Kind { api_version, kind }),
        },
    };
    let mut object = Map::new();
    object.insert("kind".to_owned(), kind.into());
    object.insert("apiVersion".to_owned(), api_version.into());
    object.extend(fields);
    Ok(Value::Object(object))
}

fn message<M: Message + Default>(what: &str, bytes: &[u8]) -> Result<M, ProtoError> {
    M::decode(bytes).map_err(|error| ProtoError::Malformed { what: what.to_owned(), detail: go_proto_error(what, &error) })
}

/// Why the message `what` does not decode, in the words of the reference's decoder where it has any.
fn go_proto_error(what: &str, error: &prost::DecodeError) -> String {
    let text = error.to_string();
    if let Some((_, kind)) = text.rsplit_once("invalid wire type value: ") {
        return format!("proto: illegal wireType {kind}");
    }
    match text {
        text if text.ends_with("buffer underflow") => "unexpected EOF".to_owned(),
        text if text.ends_with("invalid varint") => "proto: integer overflow".to_owned(),
        text if text.ends_with("invalid tag value: 0") => format!("proto: {what}: illegal tag 0 (wire type 0)"),
        text if text.ends_with("unexpected end group tag") => format!("proto: {what}: wiretype end group for non-group"),
        text => text,
    }
}
