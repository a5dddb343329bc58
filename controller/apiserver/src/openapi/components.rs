//! The schemas of a document.

use serde_json::{Map, Value, json};

use super::builtin::Collector;
use super::paths::{Described, SchemaSource, reference};

/// What the reference says of the lists of its own kinds: the name of a schema and three texts in JSON on each line.
const LISTS: &str = include_str!("lists.txt");
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const STATUS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.Status";
const META_TEXT: &str = "Standard object's metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";
const LIST_META_TEXT: &str = "Standard list metadata. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const VERSION_TEXT: &str = "APIVersion defines the versioned schema of this representation of an object. Servers should convert recognized schemas to the latest internal value, and may reject unrecognized values. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources";
const KIND_TEXT: &str = "Kind is a string value representing the REST resource this object represents. Servers may infer this from the endpoint the client submits requests to. Cannot be updated. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds";
const IDENTITY: &str = "x-kubernetes-group-version-kind";

/// `components.schemas` of `kinds`, sorted by name.
pub(super) fn of(kinds: &[Described<'_>]) -> Value {
    let mut collector = Collector::new();
    for kind in kinds {
        if let SchemaSource::Builtin = kind.schema {
            collector.add(&kind.api_version(), kind.kind);
        }
        if kind.subresources.contains(&"scale") {
            collector.add("autoscaling/v1", "Scale");
        }
    }
    let mut schemas = collector.finish();
    for kind in kinds {
        let model = kind.model(kind.kind);
        match kind.schema {
            SchemaSource::Custom(schema) => {
                schemas.insert(model.clone(), custom(schema));
            }
            SchemaSource::Builtin => {
                if let Some(required) =
                    schemas.get_mut(&model).and_then(|schema| schema.get_mut("required")).and_then(Value::as_array_mut)
                    && (kind.kind != "Event" || !kind.group.is_empty())
                {
                    required.retain(|field| field != "metadata");
                }
            }
        }
        if let Some(Value::Object(schema)) = schemas.get_mut(&model) {
            if schema.get("required").and_then(Value::as_array).is_some_and(Vec::is_empty) {
                schema.shift_remove("required");
            }
            schema.insert(IDENTITY.to_owned(), json!([kind.identity(kind.kind)]));
        }
        schemas.insert(kind.model(kind.list_kind), list(kind, &model));
        if !kind.selectable.is_empty() {
            let paths = kind.selectable.iter().map(|path| json!({"fieldPath": path.trim_start_matches('.')}));
            let paths: Value = paths.collect();
            for model in [&model, &kind.model(kind.list_kind)] {
                if let Some(Value::Object(schema)) = schemas.get_mut(model) {
                    schema.insert("x-kubernetes-selectable-fields".to_owned(), paths.clone());
                }
            }
        }
    }
    let identities = |kind: &str, groups: &[(&str, &str)]| -> Value {
        groups.iter().map(|(group, version)| json!({"group": group, "kind": kind, "version": version})).collect()
    };
    let core = ("", "v1");
    let own = kinds.first().map(|kind| (kind.group, kind.version)).filter(|own| *own != core);
    let options: Vec<(&str, &str)> = std::iter::once(core).chain(own).collect();
    for (model, kind, groups) in [(DELETE_OPTIONS, "DeleteOptions", options.as_slice()), (STATUS, "Status", &[core])] {
        if let Some(Value::Object(schema)) = schemas.get_mut(model) {
            schema.insert(IDENTITY.to_owned(), identities(kind, groups));
        }
    }
    if let Some(Value::Object(scale)) = schemas.get_mut(super::paths::SCALE) {
        scale.insert(IDENTITY.to_owned(), json!([{"group": "autoscaling", "version": "v1", "kind": "Scale"}]));
    }
    let mut sorted: Vec<(String, Value)> = schemas.into_iter().collect();
    sorted.sort_by(|left, right| left.0.cmp(&right.0));
    Value::Object(sorted.into_iter().collect())
}

fn described(model: &str, text: &str) -> Value {
    json!({"description": text, "allOf": [reference(model)]})
}

/// What the reference says of a list of its own: the list, its items, its metadata.
fn words(model: &str) -> Option<[String; 3]> {
    let line = LISTS.lines().find_map(|line| line.split_once(' ').filter(|(name, _)| *name == model))?;
    serde_json::from_str(line.1).ok()
}

fn list(kind: &Described<'_>, model: &str) -> Value {
    if let Some([own, items, metadata]) = words(&kind.model(kind.list_kind)) {
        return json!({
            "description": own,
            "type": "object",
            "required": ["items"],
            "properties": {
                "apiVersion": {"description": VERSION_TEXT, "type": "string"},
                "items": {
                    "description": items, "type": "array", "items": {"default": {}, "allOf": [reference(model)]},
                },
                "kind": {"description": KIND_TEXT, "type": "string"},
                "metadata": {"description": metadata, "default": {}, "allOf": [reference(LIST_META)]},
            },
            IDENTITY: [kind.identity(kind.list_kind)],
        });
    }
    let items = format!(
        "List of {}. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md",
        kind.plural
    );
    json!({
        "description": format!("{} is a list of {}", kind.list_kind, kind.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": {"description": VERSION_TEXT, "type": "string"},
            "items": {"description": items, "type": "array", "items": reference(model)},
            "kind": {"description": KIND_TEXT, "type": "string"},
            "metadata": described(LIST_META, LIST_META_TEXT),
        },
        IDENTITY: [kind.identity(kind.list_kind)],
    })
}

/// A CRD's schema with the fields that every object has.
fn custom(schema: &Value) -> Value {
    let mut schema = schema.clone();
    let declares = schema.get("properties").is_some();
    embed(&mut schema);
    let Some(fields) = schema.as_object_mut() else { return json!({"type": "object"}) };
    fields.entry("type").or_insert_with(|| "object".into());
    let free = fields.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
    if declares || free {
        resource_fields(fields, (VERSION_TEXT, KIND_TEXT));
    }
    schema
}

fn resource_fields(fields: &mut Map<String, Value>, (version, kind): (&str, &str)) {
    let properties = fields.entry("properties").or_insert_with(|| json!({}));
    if let Some(properties) = properties.as_object_mut() {
        properties.insert("apiVersion".to_owned(), json!({"description": version, "type": "string"}));
        properties.insert("kind".to_owned(), json!({"description": kind, "type": "string"}));
        properties.insert("metadata".to_owned(), described(OBJECT_META, META_TEXT));
    }
}

/// Gives embedded resources their fixed fields and int-or-string fields their two types.
fn embed(schema: &mut Value) {
    let Some(fields) = schema.as_object_mut() else { return };
    if let Some(properties) = fields.get_mut("properties").and_then(Value::as_object_mut) {
        properties.values_mut().for_each(embed);
    }
    for key in ["items", "additionalProperties"] {
        if let Some(child) = fields.get_mut(key) {
            embed(child);
        }
    }
    if fields.get("x-kubernetes-int-or-string") == Some(&Value::Bool(true)) {
        fields.entry("anyOf").or_insert_with(|| json!([{"type": "integer"}, {"type": "string"}]));
    }
    if fields.get("x-kubernetes-embedded-resource") != Some(&Value::Bool(true)) {
        return;
    }
    let texts = (
        "apiVersion defines the versioned schema of this representation of an object. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#resources",
        "kind is a string value representing the type of this object. In CamelCase. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#types-kinds",
    );
    resource_fields(fields, texts);
    let required = fields.entry("required").or_insert_with(|| json!([]));
    for name in ["kind", "apiVersion"] {
        if let Some(list) = required.as_array_mut()
            && !list.iter().any(|field| field == name)
        {
            list.push(name.into());
        }
    }
}
