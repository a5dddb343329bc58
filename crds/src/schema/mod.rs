//! JSON schemas that the derives cannot express; each follows a row of the CRD notes.

mod polish;

use schemars::{Schema, SchemaGenerator, json_schema};

pub(crate) use polish::polish;

/// Pattern of a Go-style duration, and of the `hh:mm:ss` form that the seed used.
pub(crate) const DURATION_PATTERN: &str = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$|^[0-9]{1,3}:[0-5][0-9]:[0-5][0-9]$";
/// Pattern of a Kubernetes quantity without sign.
const QUANTITY_PATTERN: &str = r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|e[0-9]+)?$";

/// Quantity: integer or text, never negative.
pub(crate) fn quantity(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 32,
        "minimum": 0,
        "pattern": QUANTITY_PATTERN,
    })
}

/// Port reference: a name or a number.
pub(crate) fn port_ref(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "x-kubernetes-int-or-string": true,
        "maxLength": 15,
        "minimum": 1,
        "maximum": 65535,
    })
}

/// Build arguments: at most 64 entries.
pub(crate) fn build_args(_: &mut SchemaGenerator) -> Schema {
    string_map(64)
}

/// Literal credentials: at most 16 entries.
pub(crate) fn literals(_: &mut SchemaGenerator) -> Schema {
    string_map(16)
}

fn string_map(most: u32) -> Schema {
    json_schema!({
        "type": "object",
        "maxProperties": most,
        "additionalProperties": {"type": "string", "maxLength": 1024},
    })
}

/// `metav1.Condition` list, keyed by type.
pub(crate) fn conditions(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = generator.subschema_for::<Vec<k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition>>();
    schema.insert("x-kubernetes-list-type".into(), "map".into());
    schema.insert("x-kubernetes-list-map-keys".into(), serde_json::json!(["type"]));
    schema.insert("maxItems".into(), 32.into());
    schema
}
