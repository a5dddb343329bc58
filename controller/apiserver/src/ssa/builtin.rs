//! Types of the built-in kinds, field by field, as the reference publishes them.

use std::sync::LazyLock;

use serde_json::json;

use super::types::{Atom, Field, ListType, MapType, Relation, Scalar, Type};

static OBJECT_META: LazyLock<Type> = LazyLock::new(object_meta);

/// The root type of a built-in kind.
pub(super) fn root(api_version: &str, kind: &str) -> Option<Type> {
    let fields = match (api_version, kind) {
        ("v1", "Secret") => {
            vec![("data", map_of(text())), ("immutable", flag()), ("stringData", map_of(text())), ("type", text())]
        }
        ("v1", "ConfigMap") => vec![("binaryData", map_of(text())), ("data", map_of(text())), ("immutable", flag())],
        ("v1", "Namespace") => namespace(),
        ("v1", "ServiceAccount") => vec![
            ("automountServiceAccountToken", flag()),
            ("imagePullSecrets", atomic_list(atomic(&[("name", text())]))),
            ("secrets", keyed("name", reference())),
        ],
        ("v1", "Event") => event(),
        ("events.k8s.io/v1", "Event") => new_event(),
        ("autoscaling/v1", "Scale") => vec![
            ("spec", granular(&[("replicas", number())])),
            ("status", granular(&[("replicas", number()), ("selector", text())])),
        ],
        ("coordination.k8s.io/v1", "Lease") => vec![("spec", lease_spec())],
        ("apiextensions.k8s.io/v1", "CustomResourceDefinition") => custom_resource_definition(),
        _ => return None,
    };
    Some(object(fields.into_iter().chain(resource_fields()), false))
}

/// The fields that every resource has.
pub(super) fn resource_fields() -> [(&'static str, Type); 3] {
    [("apiVersion", text()), ("kind", text()), ("metadata", OBJECT_META.clone())]
}

fn text() -> Type {
    Type::Scalar(Scalar::String)
}

fn number() -> Type {
    Type::Scalar(Scalar::Numeric)
}

fn flag() -> Type {
    Type::Scalar(Scalar::Boolean)
}

fn time() -> Type {
    Type::Scalar(Scalar::Untyped)
}

fn map_of(element: Type) -> Type {
    Type::inline(Atom { map: Some(MapType { element: Some(element), ..MapType::default() }), ..Atom::default() })
}

fn object(fields: impl IntoIterator<Item = (&'static str, Type)>, atomic: bool) -> Type {
    let fields = fields.into_iter().map(|(name, ty)| (name.to_owned(), Field { ty, default: None })).collect();
    Type::inline(Atom { map: Some(MapType { fields, element: None, atomic }), ..Atom::default() })
}

fn granular(fields: &[(&'static str, Type)]) -> Type {
    object(fields.iter().cloned(), false)
}

fn atomic(fields: &[(&'static str, Type)]) -> Type {
    object(fields.iter().cloned(), true)
}

fn list(element: Type, relation: Relation) -> Type {
    Type::inline(Atom { list: Some(ListType { element, relation }), ..Atom::default() })
}

fn atomic_list(element: Type) -> Type {
    list(element, Relation::Atomic)
}

fn keyed(key: &str, element: Type) -> Type {
    list(element, Relation::Keyed(vec![key.into()]))
}

fn conditions() -> Type {
    let fields = ["message", "reason", "status", "type"].map(|name| (name, text()));
    let fields = fields.into_iter().chain([("lastTransitionTime", time()), ("observedGeneration", number())]);
    keyed("type", with_empty_key("type", fields, false))
}

fn object_meta() -> Type {
    let entry = ["apiVersion", "fieldsType", "manager", "operation", "subresource"].map(|name| (name, text()));
    let entry = object(entry.into_iter().chain([("fieldsV1", map_of(Type::Deduced)), ("time", time())]), false);
    let texts = ["generateName", "name", "namespace", "resourceVersion", "selfLink", "uid"].map(|name| (name, text()));
    let others = [
        ("annotations", map_of(text())),
        ("creationTimestamp", time()),
        ("deletionGracePeriodSeconds", number()),
        ("deletionTimestamp", time()),
        ("finalizers", list(text(), Relation::Set)),
        ("generation", number()),
        ("labels", map_of(text())),
        ("managedFields", atomic_list(entry)),
        ("ownerReferences", keyed("uid", owner())),
    ];
    object(texts.into_iter().chain(others), false)
}

/// An owner without a uid is refused for that, and not for having no key.
fn owner() -> Type {
    let texts = ["apiVersion", "kind", "name", "uid"].map(|name| (name, text()));
    with_empty_key("uid", texts.into_iter().chain([("blockOwnerDeletion", flag()), ("controller", flag())]), true)
}

/// An object whose key is empty where it is not said.
fn with_empty_key(key: &str, fields: impl IntoIterator<Item = (&'static str, Type)>, atomic: bool) -> Type {
    let fields = fields.into_iter().map(|(name, ty)| {
        let default = (name == key).then(|| Box::new(json!("")));
        (name.to_owned(), Field { ty, default })
    });
    Type::inline(Atom { map: Some(MapType { fields: fields.collect(), element: None, atomic }), ..Atom::default() })
}

fn reference() -> Type {
    let names = ["apiVersion", "fieldPath", "kind", "name", "namespace", "resourceVersion", "uid"];
    object(names.map(|name| (name, text())), true)
}

fn namespace() -> Vec<(&'static str, Type)> {
    vec![
        ("spec", granular(&[("finalizers", atomic_list(text()))])),
        ("status", granular(&[("conditions", conditions()), ("phase", text())])),
    ]
}

fn event() -> Vec<(&'static str, Type)> {
    let texts = ["action", "message", "reason", "reportingComponent", "reportingInstance", "type"].map(|name| (name, text()));
    let times = ["eventTime", "firstTimestamp", "lastTimestamp"].map(|name| (name, time()));
    let others = [
        ("count", number()),
        ("involvedObject", reference()),
        ("related", reference()),
        ("series", series()),
        ("source", source()),
    ];
    texts.into_iter().chain(times).chain(others).collect()
}

fn new_event() -> Vec<(&'static str, Type)> {
    let texts = ["action", "note", "reason", "reportingController", "reportingInstance", "type"].map(|name| (name, text()));
    let times = ["eventTime", "deprecatedFirstTimestamp", "deprecatedLastTimestamp"].map(|name| (name, time()));
    let others = [
        ("deprecatedCount", number()),
        ("deprecatedSource", source()),
        ("regarding", reference()),
        ("related", reference()),
        ("series", series()),
    ];
    texts.into_iter().chain(times).chain(others).collect()
}

fn series() -> Type {
    granular(&[("count", number()), ("lastObservedTime", time())])
}

fn source() -> Type {
    granular(&[("component", text()), ("host", text())])
}

fn lease_spec() -> Type {
    let texts = ["holderIdentity", "preferredHolder", "strategy"].map(|name| (name, text()));
    let others =
        [("acquireTime", time()), ("leaseDurationSeconds", number()), ("leaseTransitions", number()), ("renewTime", time())];
    object(texts.into_iter().chain(others), false)
}

fn conversion() -> Type {
    let service = granular(&[("name", text()), ("namespace", text()), ("path", text()), ("port", number())]);
    let client = granular(&[("caBundle", text()), ("service", service), ("url", text())]);
    let webhook = granular(&[("clientConfig", client), ("conversionReviewVersions", atomic_list(text()))]);
    granular(&[("strategy", text()), ("webhook", webhook)])
}

/// One version of a definition; its schema is of a type that contains itself, and is taken as it comes.
fn definition_version() -> Type {
    let texts = |names: &[&'static str]| names.iter().map(|name| (*name, text())).collect::<Vec<_>>();
    let column = texts(&["description", "format", "jsonPath", "name", "type"]);
    let column = object(column.into_iter().chain([("priority", number())]), false);
    let scale = object(texts(&["labelSelectorPath", "specReplicasPath", "statusReplicasPath"]), false);
    granular(&[
        ("additionalPrinterColumns", atomic_list(column)),
        ("deprecated", flag()),
        ("deprecationWarning", text()),
        ("name", text()),
        ("schema", granular(&[("openAPIV3Schema", Type::Deduced)])),
        ("selectableFields", atomic_list(granular(&[("jsonPath", text())]))),
        ("served", flag()),
        ("storage", flag()),
        ("subresources", granular(&[("scale", scale), ("status", Type::Deduced)])),
    ])
}

fn custom_resource_definition() -> Vec<(&'static str, Type)> {
    let names = || {
        let texts = ["kind", "listKind", "plural", "singular"].map(|name| (name, text()));
        let lists = ["categories", "shortNames"].map(|name| (name, atomic_list(text())));
        object(texts.into_iter().chain(lists), false)
    };
    let texts = ["group", "scope"].map(|name| (name, text()));
    let others = [
        ("conversion", conversion()),
        ("names", names()),
        ("preserveUnknownFields", flag()),
        ("versions", atomic_list(definition_version())),
    ];
    let status = [
        ("acceptedNames", names()),
        ("conditions", conditions()),
        ("observedGeneration", number()),
        ("storedVersions", atomic_list(text())),
    ];
    vec![("spec", object(texts.into_iter().chain(others), false)), ("status", granular(&status))]
}
