//! Structural schemas of the built-in kinds, in the vocabulary of a CustomResourceDefinition, so that one machinery
//! validates, prunes, merges and publishes every kind.

use serde_json::{Value, json};

use super::resource::CoreKind;

/// The schema of a built-in kind without its `metadata`, which is the same for all.
pub(super) fn of(kind: CoreKind) -> Value {
    let properties = match kind {
        CoreKind::ConfigMap => json!({
            "immutable": {"type": "boolean"},
            "data": string_map(),
            "binaryData": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
        }),
        CoreKind::Secret => json!({
            "immutable": {"type": "boolean"},
            "data": {"type": "object", "additionalProperties": {"type": "string", "format": "byte"}},
            "stringData": string_map(),
            "type": {"type": "string"},
        }),
        CoreKind::Namespace => namespace(),
        CoreKind::Event => event_core(),
        CoreKind::EventV1 => event_new(),
        CoreKind::Lease => lease(),
        CoreKind::ServiceAccount => service_account(),
        // What stands in them is made by this process or answered at once: nothing is pruned.
        CoreKind::Pod | CoreKind::Review | CoreKind::Service => json!({
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        }),
        // Made from its type when it is first used.
        CoreKind::Plain => json!({}),
        CoreKind::CustomResourceDefinition => definition(),
    };
    let mut all = json!({
        "apiVersion": {"type": "string"},
        "kind": {"type": "string"},
        "metadata": {"type": "object"},
    });
    if let (Some(all), Value::Object(properties)) = (all.as_object_mut(), properties) {
        all.extend(properties);
    }
    json!({"type": "object", "properties": all})
}

/// A definition; the schemas in it are brought into shape by `shape`.
fn definition() -> Value {
    let text = || json!({"type": "string"});
    let flag = || json!({"type": "boolean"});
    let texts = || json!({"type": "array", "items": {"type": "string"}});
    let names = || {
        json!({"type": "object", "properties": {
            "plural": text(), "singular": text(), "shortNames": texts(), "kind": text(), "listKind": text(), "categories": texts(),
        }})
    };
    let free = || json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let scale = json!({"type": "object", "properties": {
        "specReplicasPath": text(), "statusReplicasPath": text(), "labelSelectorPath": text(),
    }});
    let column = json!({"type": "object", "properties": {
        "name": text(), "type": text(), "format": text(), "description": text(), "jsonPath": text(),
        "priority": {"type": "integer", "format": "int32"},
    }});
    let version = json!({"type": "object", "properties": {
        "name": text(), "served": flag(), "storage": flag(), "deprecated": flag(), "deprecationWarning": text(),
        "schema": {"type": "object", "properties": {"openAPIV3Schema": free()}},
        "subresources": {"type": "object", "properties": {"status": {"type": "object"}, "scale": scale}},
        "additionalPrinterColumns": {"type": "array", "items": column},
        "selectableFields": {"type": "array", "items": {"type": "object", "properties": {"jsonPath": text()}}},
    }});
    let client = json!({"type": "object", "properties": {
        "url": text(), "caBundle": text(),
        "service": {"type": "object", "properties": {
            "namespace": text(), "name": text(), "path": text(), "port": {"type": "integer", "format": "int32"},
        }},
    }});
    let condition = json!({"type": "object", "properties": {
        "type": text(), "status": text(), "lastTransitionTime": time(), "reason": text(), "message": text(),
        "observedGeneration": {"type": "integer", "format": "int64"},
    }});
    json!({
        "spec": {"type": "object", "properties": {
            "group": text(), "names": names(), "scope": text(), "versions": {"type": "array", "items": version},
            "conversion": {"type": "object", "properties": {
                "strategy": text(),
                "webhook": {"type": "object", "properties": {"clientConfig": client, "conversionReviewVersions": texts()}},
            }},
            "preserveUnknownFields": flag(),
        }},
        "status": {"type": "object", "properties": {
            "conditions": {"type": "array", "nullable": true, "items": condition}, "acceptedNames": names(), "storedVersions": texts(),
            "observedGeneration": {"type": "integer", "format": "int64"},
        }},
    })
}

fn string_map() -> Value {
    json!({"type": "object", "additionalProperties": {"type": "string"}})
}

fn time() -> Value {
    json!({"type": "string", "format": "date-time", "nullable": true})
}

fn reference() -> Value {
    json!({"type": "object", "x-kubernetes-map-type": "atomic", "properties": {
        "kind": {"type": "string"}, "namespace": {"type": "string"}, "name": {"type": "string"}, "uid": {"type": "string"},
        "apiVersion": {"type": "string"}, "resourceVersion": {"type": "string"}, "fieldPath": {"type": "string"},
    }})
}

fn source() -> Value {
    json!({"type": "object", "properties": {"component": {"type": "string"}, "host": {"type": "string"}}})
}

fn series() -> Value {
    json!({"type": "object", "properties": {
        "count": {"type": "integer", "format": "int32"}, "lastObservedTime": time(),
    }})
}

fn service_account() -> Value {
    json!({
        "automountServiceAccountToken": {"type": "boolean"},
        "imagePullSecrets": {
            "type": "array", "x-kubernetes-list-type": "atomic",
            "items": {"type": "object", "x-kubernetes-map-type": "atomic", "properties": {"name": {"type": "string"}}},
        },
        "secrets": {
            "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": reference(),
        },
    })
}

fn namespace() -> Value {
    json!({
        "spec": {"type": "object", "properties": {
            "finalizers": {"type": "array", "items": {"type": "string"}, "x-kubernetes-list-type": "atomic"},
        }},
        "status": {"type": "object", "properties": {
            "phase": {"type": "string"},
            "conditions": {
                "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"],
                "items": {"type": "object", "required": ["type", "status"], "properties": {
                    "type": {"type": "string"}, "status": {"type": "string"}, "lastTransitionTime": time(),
                    "reason": {"type": "string"}, "message": {"type": "string"},
                }},
            },
        }},
    })
}

fn lease() -> Value {
    json!({
        "spec": {"type": "object", "properties": {
            "holderIdentity": {"type": "string"}, "leaseDurationSeconds": {"type": "integer", "format": "int32"},
            "acquireTime": time(), "renewTime": time(), "leaseTransitions": {"type": "integer", "format": "int32"},
            "strategy": {"type": "string"}, "preferredHolder": {"type": "string"},
        }},
    })
}

fn event_core() -> Value {
    json!({
        "involvedObject": reference(), "reason": {"type": "string"}, "message": {"type": "string"}, "source": source(),
        "firstTimestamp": time(), "lastTimestamp": time(), "count": {"type": "integer", "format": "int32"},
        "type": {"type": "string"}, "eventTime": time(), "series": series(), "action": {"type": "string"},
        "related": reference(), "reportingComponent": {"type": "string"}, "reportingInstance": {"type": "string"},
    })
}

fn event_new() -> Value {
    json!({
        "eventTime": time(), "series": series(), "reportingController": {"type": "string"},
        "reportingInstance": {"type": "string"}, "action": {"type": "string"}, "reason": {"type": "string"},
        "regarding": reference(), "related": reference(), "note": {"type": "string"}, "type": {"type": "string"},
        "deprecatedSource": source(), "deprecatedFirstTimestamp": time(), "deprecatedLastTimestamp": time(),
        "deprecatedCount": {"type": "integer", "format": "int32"},
    })
}
