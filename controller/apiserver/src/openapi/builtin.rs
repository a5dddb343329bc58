//! Schemas of the reference's own kinds: generated from their Rust types, with the extensions that these lack.

use crate::go_types;
use crate::kinds::{add_extended, extensions as merging};
use k8s_openapi::api::authentication::v1::{SelfSubjectReview, TokenReview};
use k8s_openapi::api::authorization::v1::{SelfSubjectAccessReview, SelfSubjectRulesReview, SubjectAccessReview};
use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{ConfigMap, Event as CoreEvent, Namespace, Pod, Secret, Service, ServiceAccount};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{DeleteOptions, ListMeta, ObjectMeta, Status};
use schemars::Schema;
use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

/// The reference lists the values of an enumeration in its description, which the bindings leave out.
const PHASES: &str = "Phase is the current lifecycle phase of the namespace. More info: \
    https://kubernetes.io/docs/tasks/administer-cluster/namespaces/\n\nPossible enum values:\n - `\"Active\"` means the namespace is \
    available for use in the system\n - `\"Terminating\"` means the namespace is undergoing graceful termination";
const META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1";

/// The name of a built-in kind's schema.
pub(super) fn model(group: &str, version: &str, kind: &str) -> String {
    match group {
        "" => format!("io.k8s.api.core.{version}.{kind}"),
        "apiregistration.k8s.io" => format!("io.k8s.kube-aggregator.pkg.apis.apiregistration.{version}.{kind}"),
        "apiextensions.k8s.io" => format!("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.{version}.{kind}"),
        group => format!("io.k8s.api.{}.{version}.{kind}", group.split('.').next().unwrap_or(group)),
    }
}

/// Collects schemas by name.
pub(super) struct Collector {
    generator: SchemaGenerator,
}

impl Collector {
    pub(super) fn new() -> Self {
        let settings = SchemaSettings::openapi3();
        let mut generator = settings.into_generator();
        generator.subschema_for::<ObjectMeta>();
        generator.subschema_for::<ListMeta>();
        generator.subschema_for::<Status>();
        generator.subschema_for::<DeleteOptions>();
        Self { generator }
    }

    /// Adds a kind and everything that it refers to.
    pub(super) fn add(&mut self, api_version: &str, kind: &str) {
        let generator = &mut self.generator;
        match (api_version, kind) {
            ("v1", "Secret") => generator.subschema_for::<Secret>(),
            ("v1", "ConfigMap") => generator.subschema_for::<ConfigMap>(),
            ("v1", "Namespace") => generator.subschema_for::<Namespace>(),
            ("v1", "ServiceAccount") => generator.subschema_for::<ServiceAccount>(),
            ("v1", "Pod") => generator.subschema_for::<Pod>(),
            ("v1", "Service") => generator.subschema_for::<Service>(),
            ("authentication.k8s.io/v1", "SelfSubjectReview") => generator.subschema_for::<SelfSubjectReview>(),
            ("authentication.k8s.io/v1", "TokenReview") => generator.subschema_for::<TokenReview>(),
            ("authorization.k8s.io/v1", "SelfSubjectAccessReview") => generator.subschema_for::<SelfSubjectAccessReview>(),
            ("authorization.k8s.io/v1", "SelfSubjectRulesReview") => generator.subschema_for::<SelfSubjectRulesReview>(),
            ("authorization.k8s.io/v1", "SubjectAccessReview") => generator.subschema_for::<SubjectAccessReview>(),
            ("v1", "Event") => generator.subschema_for::<CoreEvent>(),
            ("events.k8s.io/v1", "Event") => generator.subschema_for::<Event>(),
            ("coordination.k8s.io/v1", "Lease") => generator.subschema_for::<Lease>(),
            ("autoscaling/v1", "Scale") => generator.subschema_for::<Scale>(),
            ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => generator.subschema_for::<CustomResourceDefinition>(),
            _ => {
                add_extended(generator, api_version, kind);
                Schema::default()
            }
        };
    }

    /// The schemas, with the reference's extensions.
    pub(super) fn finish(mut self) -> Map<String, Value> {
        let mut schemas = self.generator.take_definitions(false);
        for schema in schemas.values_mut() {
            wrap_references(schema);
        }
        for (name, schema) in &mut schemas {
            // The table names the types of the stable groups without what they have in common.
            let name = name.strip_prefix("io.k8s.api.").or_else(|| name.strip_prefix("io.k8s.")).unwrap_or(name);
            go_types::set_defaults(name, schema);
        }
        // How built-in kinds merge, by the reference's own table.
        for (name, schema) in &mut schemas {
            let Some(own) = schema.as_object_mut() else { continue };
            if let Some(Value::Object(found)) = merging(name, ".") {
                own.extend(found);
            }
            for (field, child) in own.get_mut("properties").and_then(Value::as_object_mut).into_iter().flatten() {
                if let (Some(child), Some(Value::Object(found))) = (child.as_object_mut(), merging(name, field)) {
                    child.extend(found);
                }
            }
        }
        for (name, field, extensions) in extensions() {
            let place = schemas.get_mut(name).and_then(|schema| match field {
                "" => Some(schema),
                field => schema.get_mut("properties").and_then(|properties| properties.get_mut(field)),
            });
            if let (Some(Value::Object(place)), Value::Object(extensions)) = (place, extensions) {
                place.extend(extensions);
            }
        }
        // Its name has a default, which the bindings write as a demand.
        if let Some(Value::Object(local)) = schemas.get_mut("io.k8s.api.core.v1.LocalObjectReference") {
            local.shift_remove("required");
        }
        schemas.insert(format!("{META}.Patch"), json!({
            "description": "Patch is provided to give a concrete name and type to the Kubernetes PATCH request body.", "type": "object"}));
        schemas
    }
}

/// Fields beside a `$ref` are ignored by strict readers: the reference stands in an `allOf` then.
fn wrap_references(schema: &mut Value) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(wrap_references);
            if fields.len() > 1 && fields.get("$ref").is_some_and(Value::is_string) {
                let reference = fields.shift_remove("$ref");
                fields.insert("allOf".to_owned(), json!([{"$ref": reference}]));
                fields.insert("default".to_owned(), json!({}));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(wrap_references),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn keyed(key: &str) -> Value {
    json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key],
        "x-kubernetes-patch-strategy": "merge", "x-kubernetes-patch-merge-key": key})
}

/// How lists and objects of built-in kinds merge: schema, field (empty for the schema itself), extensions.
fn extensions() -> Vec<(&'static str, &'static str, Value)> {
    let atomic_list = || json!({"x-kubernetes-list-type": "atomic"});
    let atomic_map = || json!({"x-kubernetes-map-type": "atomic"});
    let crd = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionStatus";
    let crd_spec = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinitionSpec";
    vec![
        (
            "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta",
            "finalizers",
            json!({"x-kubernetes-list-type": "set", "x-kubernetes-patch-strategy": "merge"}),
        ),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "ownerReferences", keyed("uid")),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "managedFields", atomic_list()),
        ("io.k8s.apimachinery.pkg.apis.meta.v1.OwnerReference", "", atomic_map()),
        ("io.k8s.api.core.v1.ObjectReference", "", atomic_map()),
        ("io.k8s.api.core.v1.LocalObjectReference", "", atomic_map()),
        ("io.k8s.api.core.v1.NamespaceSpec", "finalizers", atomic_list()),
        ("io.k8s.api.core.v1.NamespaceStatus", "conditions", keyed("type")),
        ("io.k8s.api.core.v1.NamespaceStatus", "phase", json!({"enum": ["Active", "Terminating"], "description": PHASES})),
        ("io.k8s.api.events.v1.Event", "", json!({"required": ["eventTime"]})),
        ("io.k8s.api.core.v1.ServiceAccount", "imagePullSecrets", atomic_list()),
        ("io.k8s.api.core.v1.ServiceAccount", "secrets", keyed("name")),
        (crd_spec, "versions", atomic_list()),
        (crd, "conditions", json!({"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]})),
        (crd, "storedVersions", atomic_list()),
    ]
}
