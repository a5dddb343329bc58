//! From the bytes of a body to a value of the kind that the path names.

use serde_json::Value;

use super::call::Call;
use super::options::Strictness;
use crate::codec::{self, Decoded, Duplicate};
use crate::http::{BodyType, body_type};
use crate::proto;
use crate::status::Failure;

/// A decoded body that may still hold unknown fields.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) value: Value,
    pub(super) duplicates: Vec<Duplicate>,
}

/// Decodes the body of a create or update.
///
/// # Errors
/// 415 for a type that is not taken, 400 for a body that is none or is of another kind.
pub(super) fn body(call: &Call<'_>) -> Result<Draft, Failure> {
    let bytes = &call.incoming.body;
    let mut draft = match body_type(&call.incoming.headers)? {
        BodyType::Json => plain(codec::json(bytes))?,
        BodyType::Yaml => plain(codec::yaml(bytes))?,
        BodyType::Protobuf => {
            let value = proto::decode(bytes).map_err(|error| Failure::bad_request(error.to_string()))?;
            Draft { value, duplicates: Vec::new() }
        }
    };
    check_type(call, &mut draft.value)?;
    Ok(draft)
}

pub(super) fn plain(decoded: Result<Decoded, codec::DecodeError>) -> Result<Draft, Failure> {
    let decoded = decoded.map_err(|error| Failure::bad_request(error.to_string()))?;
    Ok(Draft { value: decoded.value, duplicates: decoded.duplicates })
}

/// Checks `apiVersion` and `kind`; built-in kinds may leave them out.
pub(super) fn check_type(call: &Call<'_>, value: &mut Value) -> Result<(), Failure> {
    let resource = call.resource();
    let (version, kind) = (resource.api_version(), resource.kind.clone());
    let custom = resource.is_custom();
    let text = value.to_string();
    let Some(map) = value.as_object_mut() else {
        return Err(Failure::bad_request(format!("the body of the request is not an object: {}", shortened(&text))));
    };
    for (field, expected, shown) in [("kind", &kind, "Kind"), ("apiVersion", &version, "apiVersion")] {
        let found = map.get(field).and_then(Value::as_str).unwrap_or_default();
        if found.is_empty() {
            if custom {
                return Err(Failure::bad_request(format!("Object '{shown}' is missing in '{}'", shortened(&text))));
            }
            map.insert(field.to_owned(), Value::String(expected.clone()));
        } else if found != expected {
            let what = if field == "kind" { "kind" } else { "API version" };
            return Err(Failure::bad_request(format!(
                "the {what} in the data ({found}) does not match the expected {what} ({expected})"
            )));
        }
    }
    Ok(())
}

fn shortened(text: &str) -> String {
    /// The most characters of a body that a message repeats.
    const SHOWN: usize = 256;
    text.chars().take(SHOWN).collect()
}

/// Prunes, and reports unknown and repeated fields as the client asked.
///
/// # Errors
/// 400 under `Strict`.
pub(super) fn prune(call: &Call<'_>, draft: &mut Draft, strictness: Strictness) -> Result<Vec<String>, Failure> {
    let unknown = call.schema()?.prune(&mut draft.value);
    match strictness {
        Strictness::Ignore => Ok(Vec::new()),
        Strictness::Warn => Ok(codec::warnings(&draft.duplicates, &unknown)),
        Strictness::Strict => {
            codec::strict_error(&draft.duplicates, &unknown).map_or(Ok(Vec::new()), |text| Err(Failure::bad_request(text)))
        }
    }
}
