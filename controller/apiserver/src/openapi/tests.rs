//! What kubectl and other readers look for in the documents.

use serde_json::{Value, json};

use super::{Described, SchemaSource, document, hash, index, swagger};

fn custom(schema: &Value) -> Described<'_> {
    Described {
        group: "koan.dev",
        version: "v1alpha1",
        kind: "DevStack",
        list_kind: "DevStackList",
        plural: "devstacks",
        namespaced: true,
        subresources: &["status", "scale"],
        selectable: &[],
        schema: SchemaSource::Custom(schema),
    }
}

fn builtin(group: &'static str, kind: &'static str, plural: &'static str) -> Described<'static> {
    let list_kind = Box::leak(format!("{kind}List").into_boxed_str());
    let namespaced = kind != "Namespace" && kind != "CustomResourceDefinition";
    Described {
        group,
        version: "v1",
        kind,
        list_kind,
        plural,
        namespaced,
        subresources: &[],
        selectable: &[],
        schema: SchemaSource::Builtin,
    }
}

/// Every reference of a document, resolved or not.
fn dangling(document: &Value, value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            if let Some(target) = fields.get("$ref").and_then(Value::as_str)
                && document.pointer(target.strip_prefix('#').unwrap_or(target)).is_none()
            {
                found.push(target.to_owned());
            }
            fields.values().for_each(|child| dangling(document, child, found));
        }
        Value::Array(items) => items.iter().for_each(|child| dangling(document, child, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn schema() -> Value {
    json!({"type": "object", "description": "A set of services.", "x-kubernetes-validations": [{"rule": "true"}], "properties": {
        "metadata": {"type": "object", "properties": {"name": {"type": "string", "maxLength": 9}}},
        "spec": {"type": "object", "properties": {"port": {"type": "integer", "nullable": true, "default": 1}, "free": {"type": "object",
            "x-kubernetes-preserve-unknown-fields": true, "properties": {"a": {"type": "string"}}}}}}})
}

/// API-17: kubectl finds a kind by its extension, its patch parameters and the bodies that a patch accepts; names are reversed groups.
#[test]
fn a_custom_kind_is_described_for_kubectl() {
    let schema = schema();
    let document = document(&[custom(&schema)]);
    let model = &document["components"]["schemas"]["dev.koan.v1alpha1.DevStack"];
    assert_eq!(
        model["x-kubernetes-group-version-kind"],
        json!([{"group": "koan.dev", "version": "v1alpha1", "kind": "DevStack"}])
    );
    assert_eq!(
        model["properties"]["metadata"]["allOf"][0]["$ref"],
        "#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
    assert_eq!(
        (&model["description"], &model["properties"]["spec"]["properties"]["port"]["default"]),
        (&json!("A set of services."), &json!(1))
    );
    let path = &document["paths"]["/apis/koan.dev/v1alpha1/namespaces/{namespace}/devstacks/{name}"];
    let names: Vec<&str> =
        path["patch"]["parameters"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["dryRun", "fieldManager", "fieldValidation", "force"]);
    let bodies: Vec<&String> = path["patch"]["requestBody"]["content"].as_object().unwrap().keys().collect();
    assert_eq!(bodies, ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"]);
    assert_eq!(
        path["patch"]["x-kubernetes-group-version-kind"],
        json!({"group": "koan.dev", "version": "v1alpha1", "kind": "DevStack"})
    );
    let mut found = Vec::new();
    dangling(&document, &document, &mut found);
    assert_eq!(found, Vec::<String>::new());
}

/// API-17: core kinds carry their descriptions and merge keys, accept strategic merge patches, and every reference resolves in both forms.
#[test]
fn built_in_kinds_carry_their_merge_keys() {
    let kinds = [
        builtin("", "Secret", "secrets"),
        builtin("", "ConfigMap", "configmaps"),
        builtin("", "Namespace", "namespaces"),
        builtin("", "ServiceAccount", "serviceaccounts"),
        builtin("", "Event", "events"),
        builtin("events.k8s.io", "Event", "events"),
        builtin("coordination.k8s.io", "Lease", "leases"),
        builtin("apiextensions.k8s.io", "CustomResourceDefinition", "customresourcedefinitions"),
    ];
    for kind in &kinds {
        let document = document(std::slice::from_ref(kind));
        let mut found = Vec::new();
        dangling(&document, &document, &mut found);
        assert_eq!(found, Vec::<String>::new(), "{}", kind.kind);
    }
    let v3 = document(&kinds);
    let schemas = &v3["components"]["schemas"];
    let secret = &schemas["io.k8s.api.core.v1.Secret"];
    assert_eq!(secret["x-kubernetes-group-version-kind"], json!([{"group": "", "version": "v1", "kind": "Secret"}]));
    assert!(secret["properties"]["data"]["description"].as_str().unwrap().starts_with("Data contains the secret data."));
    assert_eq!(secret.get("required"), None);
    assert_eq!(schemas["io.k8s.api.core.v1.LocalObjectReference"].get("required"), None, "its name has a default");
    assert_eq!(schemas["io.k8s.api.core.v1.NamespaceStatus"]["properties"]["conditions"]["x-kubernetes-patch-merge-key"], "type");
    let owners = &schemas["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"]["properties"]["ownerReferences"];
    assert_eq!(owners["x-kubernetes-list-map-keys"], json!(["uid"]));
    let patch = &v3["paths"]["/api/v1/namespaces/{namespace}/secrets/{name}"]["patch"];
    assert!(patch["requestBody"]["content"].get("application/strategic-merge-patch+json").is_some());
    let v2 = swagger(&kinds);
    let mut found = Vec::new();
    dangling(&v2, &v2, &mut found);
    assert_eq!(found, Vec::<String>::new());
    assert_eq!(
        v2["definitions"]["io.k8s.api.core.v1.Secret"]["properties"]["metadata"]["$ref"],
        "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
    );
}

/// API-17: the v2 form says nothing that its readers do not know; free-form fields are not described, lest clients refuse their content.
#[test]
fn the_v2_form_drops_what_its_readers_misread() {
    let schema = schema();
    let v2 = swagger(&[custom(&schema)]);
    let model = &v2["definitions"]["dev.koan.v1alpha1.DevStack"];
    assert_eq!(model.get("nullable"), None);
    let spec = &model["properties"]["spec"]["properties"];
    assert_eq!(spec["port"], json!({}), "a field that may be null has no type in v2");
    assert_eq!(spec["free"], json!({"x-kubernetes-preserve-unknown-fields": true}));
    let patch = &v2["paths"]["/apis/koan.dev/v1alpha1/namespaces/{namespace}/devstacks/{name}"]["patch"];
    assert_eq!((&patch["parameters"][0]["in"], &patch["consumes"][1]), (&json!("body"), &json!("application/merge-patch+json")));
}

/// Section 8 (304 for a changed document): the hash changes with the bytes and is part of the address.
#[test]
fn the_index_names_each_document_by_its_hash() {
    let (first, second) = (hash(b"one"), hash(b"two"));
    assert_ne!(first, second);
    assert_eq!(
        index([("api/v1", first.as_str()), ("apis/koan.dev/v1alpha1", second.as_str())])["paths"]["apis/koan.dev/v1alpha1"],
        json!({"serverRelativeURL": format!("/openapi/v3/apis/koan.dev/v1alpha1?hash={second}")})
    );
}
