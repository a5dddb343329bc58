//! The resources that a CustomResourceDefinition serves: one for each served version.

use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::registry::priority;
use super::resource::{Origin, Resource, Scale, Written};

/// Completes a decoded definition: the names and the conversion that follow from others, a status of its own. A new storage
/// version is noted as one that objects may be stored under.
pub(super) fn complete(definition: &mut Value, old: Option<&Value>) {
    super::reshape_schemas(definition);
    let Some(map) = definition.as_object_mut() else { return };
    if let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) {
        complete_spec(spec);
    }
    let storage = map.get("spec").and_then(storage_version).map(str::to_owned);
    let changed = old.is_none_or(|old| map.get("spec") != old.get("spec"));
    let blank = || json!({"conditions": null, "acceptedNames": {"plural": "", "kind": ""}, "storedVersions": []});
    let status = map.entry("status").or_insert(Value::Null);
    if old.is_none() || !status.is_object() {
        *status = blank();
    }
    if !status["storedVersions"].is_array() {
        status["storedVersions"] = json!([]);
    }
    if let (Some(stored), Some(storage)) = (status["storedVersions"].as_array_mut(), storage)
        && (stored.is_empty() || (changed && !stored.iter().any(|version| *version == storage)))
    {
        stored.push(Value::String(storage));
    }
}

fn complete_spec(spec: &mut Map<String, Value>) {
    let empty = |value: Option<&Value>| value.and_then(Value::as_str).unwrap_or_default().is_empty();
    let names = spec.entry("names").or_insert_with(|| json!({}));
    if let Some(names) = names.as_object_mut() {
        let kind = names.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        if empty(names.get("singular")) && !kind.is_empty() {
            names.insert("singular".to_owned(), Value::String(kind.to_lowercase()));
        }
        if empty(names.get("listKind")) && !kind.is_empty() {
            names.insert("listKind".to_owned(), Value::String(format!("{kind}List")));
        }
        names.retain(|_, value| !value.as_array().is_some_and(Vec::is_empty));
    }
    spec.entry("conversion").or_insert_with(|| json!({"strategy": "None"}));
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.remove("preserveUnknownFields");
    }
    for version in spec.get_mut("versions").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut) {
        for flag in ["served", "storage"] {
            version.entry(flag).or_insert(Value::Bool(false));
        }
        version.retain(|field, value| {
            let empty = *value == Value::Bool(false) && field == "deprecated";
            !empty && !value.as_array().is_some_and(Vec::is_empty)
        });
    }
}

/// Every verb of a custom kind, in the reference's order.
const VERBS: [&str; 8] = ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];

/// The served resources of `definition`; empty while it is not established and while it names no served version.
pub(crate) fn resources_of(definition: &Value) -> Vec<Resource> {
    if !condition(definition, "Established") {
        return Vec::new();
    }
    let spec = &definition["spec"];
    let versions = spec["versions"].as_array().map(Vec::as_slice).unwrap_or_default();
    versions
        .iter()
        .filter(|version| version["served"] == Value::Bool(true))
        .map(|version| resource(definition, version, versions))
        .collect()
}

/// The resource under which the objects of an established definition are stored, whether its version is served or not.
pub(crate) fn stored_resource_of(definition: &Value) -> Option<Resource> {
    if !condition(definition, "Established") {
        return None;
    }
    let versions = definition["spec"]["versions"].as_array()?;
    let stored = versions.iter().find(|version| version["storage"] == Value::Bool(true))?;
    Some(resource(definition, stored, versions))
}

/// Whether the condition `kind` of a definition is true.
pub(crate) fn condition(definition: &Value, kind: &str) -> bool {
    let conditions = definition["status"]["conditions"].as_array().into_iter().flatten();
    conditions.filter(|condition| condition["type"] == kind).any(|condition| condition["status"] == "True")
}

/// The name of the version that objects are stored under.
pub(crate) fn storage_version(spec: &Value) -> Option<&str> {
    let mut versions = spec["versions"].as_array()?.iter();
    versions.find(|version| version["storage"] == Value::Bool(true))?["name"].as_str()
}

fn schema_of(version: &Value) -> &Value {
    &version["schema"]["openAPIV3Schema"]
}

fn resource(definition: &Value, version: &Value, versions: &[Value]) -> Resource {
    let spec = &definition["spec"];
    let names = &definition["status"]["acceptedNames"];
    let storage_version = storage_version(spec).unwrap_or_default().to_owned();
    let (group, kind, plural) = (text(&spec["group"]), text(&names["kind"]), text(&names["plural"]));
    let others = versions.iter().filter(|other| other["name"] != version["name"]);
    let mixed = versions.iter().any(|other| schema_of(other) != schema_of(version));
    let siblings: Vec<(String, Written)> =
        others.map(|other| (format!("{group}/{}", text(&other["name"])), Written::new(schema_of(other)))).collect();
    let singular = names["singular"].as_str().map_or_else(|| kind.to_lowercase(), str::to_owned);
    let list_kind = names["listKind"].as_str().map_or_else(|| format!("{kind}List"), str::to_owned);
    let deprecation = (version["deprecated"] == Value::Bool(true)).then(|| {
        version["deprecationWarning"].as_str().map_or_else(|| deprecated((&group, &kind), version, versions), str::to_owned)
    });
    Resource {
        storage: Arc::from(format!("{group}/{plural}")),
        version: text(&version["name"]),
        list_kind,
        singular,
        short_names: texts(&names["shortNames"]),
        categories: texts(&names["categories"]),
        namespaced: spec["scope"] == "Namespaced",
        verbs: VERBS.to_vec(),
        origin: Origin::Custom { storage_version, mixed },
        status: version["subresources"]["status"].is_object(),
        scale: scale(&version["subresources"]["scale"]),
        columns: version["additionalPrinterColumns"].as_array().cloned().unwrap_or_default(),
        selectable: version["selectableFields"]
            .as_array()
            .map(|fields| fields.iter().map(|field| text(&field["jsonPath"])).collect())
            .unwrap_or_default(),
        schema: Written::new(schema_of(version)),
        siblings,
        others: &[],
        deprecation,
        terminating: condition(definition, "Terminating"),
        compiled: OnceLock::new(),
        group,
        kind,
        plural,
    }
}

/// What is said of a deprecated version: the best one that is not, if it is newer, is named.
fn deprecated((group, kind): (&str, &str), version: &Value, versions: &[Value]) -> String {
    let name = text(&version["name"]);
    let usable = |other: &&Value| other["served"] == Value::Bool(true) && other["deprecated"] != Value::Bool(true);
    let names = versions.iter().filter(usable).map(|other| text(&other["name"]));
    let newer = names.filter(|other| priority(other) > priority(&name)).max_by_key(|other| priority(other));
    let instead = newer.map(|other| format!("; use {group}/{other} {kind}")).unwrap_or_default();
    format!("{group}/{name} {kind} is deprecated{instead}")
}

fn scale(scale: &Value) -> Option<Scale> {
    scale.is_object().then(|| Scale {
        spec_path: text(&scale["specReplicasPath"]),
        status_path: text(&scale["statusReplicasPath"]),
        selector_path: scale["labelSelectorPath"].as_str().map(str::to_owned),
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().map(|entries| entries.iter().map(text).collect()).unwrap_or_default()
}
