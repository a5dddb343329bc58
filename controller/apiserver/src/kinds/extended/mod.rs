//! The built-in kinds of the reference as plain data, for tests of other people's controllers (API-5): their schemas come from
//! `k8s-openapi`, how their lists merge from the reference's own documents; no controller acts on them.
//!
//! Off, nothing of it is read: the rows are constants, and a schema is made when the kind is first used.

mod defaults;
mod rules;
mod scaler;
mod table;

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, OnceLock};

use schemars::generate::{SchemaGenerator, SchemaSettings};
use serde_json::{Map, Value, json};

pub(super) use self::defaults::{blank, complete, settle};
pub(super) use self::rules::validate;
pub(super) use self::scaler::{from_storage, is_other_shape, to_storage};
use self::table::{ROWS, Row};
use super::builtin::{self, ALL_VERBS};
use super::resource::{CoreKind, Origin, Resource, Scale, Written};
use crate::go_types;

/// How lists and maps of the reference's types merge: one line for each schema and field (`.` for the schema itself), list type
/// or `map:` and the map type, map keys, patch strategy, merge key.
const MERGING: &str = include_str!("merging.txt");
/// Kinds that are served otherwise without the extended mode: there as mirrors, here as data.
const REPLACED: [&str; 2] = ["pods", "services"];
/// Deepest nesting of types that is followed.
const MAX_DEPTH: usize = 40;

/// Keys of lists that the reference's types give a default: struct, field, value.
const KEY_DEFAULTS: [(&str, &str, &str); 3] = [
    ("core.v1.ContainerPort", "protocol", "TCP"),
    ("core.v1.LocalObjectReference", "name", ""),
    ("core.v1.ServicePort", "protocol", "TCP"),
];

/// Kinds whose generation the reference does not count.
const WITHOUT_GENERATION: [&str; 22] = [
    "apiservices",
    "certificatesigningrequests",
    "clusterrolebindings",
    "clusterroles",
    "componentstatuses",
    "controllerrevisions",
    "csidrivers",
    "csinodes",
    "csistoragecapacities",
    "endpoints",
    "horizontalpodautoscalers",
    "limitranges",
    "nodes",
    "persistentvolumeclaims",
    "persistentvolumes",
    "resourcequotas",
    "rolebindings",
    "roles",
    "runtimeclasses",
    "services",
    "storageclasses",
    "volumeattachments",
];

/// One line of [`MERGING`].
#[derive(Debug, Clone)]
struct Merging {
    kind: &'static str,
    keys: Vec<&'static str>,
    strategy: &'static str,
    merge_key: &'static str,
}

static MERGES: LazyLock<HashMap<(&str, &str), Merging>> = LazyLock::new(|| MERGING.lines().filter_map(merging).collect());

fn merging(line: &'static str) -> Option<((&'static str, &'static str), Merging)> {
    let mut words = line.split(' ');
    let mut word = || words.next();
    let (schema, field, kind, keys) = (word()?, word()?, word()?, word()?);
    let keys = if keys == "-" { Vec::new() } else { keys.split(',').collect() };
    Some(((schema, field), Merging { kind, keys, strategy: word()?, merge_key: word()? }))
}

/// `own`, and every kind that is not among them.
pub(super) fn resources(own: Vec<Arc<Resource>>) -> Vec<Arc<Resource>> {
    let known = |row: &Row| own.iter().any(|resource| resource.group == row.group && resource.plural == row.plural);
    let added: Vec<Arc<Resource>> =
        ROWS.iter().filter(|row| REPLACED.contains(&row.plural) || !known(row)).map(|row| Arc::new(resource(row))).collect();
    let replaced = |resource: &Resource| resource.group.is_empty() && REPLACED.contains(&resource.plural.as_str());
    let kept = own.iter().filter(|resource| !replaced(resource)).map(|resource| match builtin::service_accounts() {
        Some(accounts) if accounts.storage == resource.storage => Arc::new(Resource { others: &["token"], ..accounts }),
        _ => Arc::clone(resource),
    });
    let mut all: Vec<Arc<Resource>> = kept.chain(added).collect();
    all.sort_by(|left, right| left.group.cmp(&right.group));
    all
}

fn resource(row: &Row) -> Resource {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect();
    let scale = row.scale.then(|| Scale {
        spec_path: ".spec.replicas".to_owned(),
        status_path: ".status.replicas".to_owned(),
        selector_path: Some(".spec.selector".to_owned()),
    });
    Resource {
        group: row.group.to_owned(),
        version: row.version.to_owned(),
        kind: row.kind.to_owned(),
        list_kind: format!("{}List", row.kind),
        plural: row.plural.to_owned(),
        singular: row.kind.to_lowercase(),
        short_names: owned(row.short_names),
        categories: owned(row.categories),
        namespaced: row.namespaced,
        verbs: if row.kind == "ComponentStatus" { vec!["get", "list"] } else { ALL_VERBS.to_vec() },
        // What is a mirror elsewhere is data here, and kept as such.
        storage: if REPLACED.contains(&row.plural) {
            Arc::from(format!("extended/{}", row.plural))
        } else {
            Arc::from(format!("{}/{}", row.group, row.plural))
        },
        origin: Origin::Core(CoreKind::Plain),
        status: row.status,
        scale,
        columns: Vec::new(),
        selectable: Vec::new(),
        schema: Written::new(&Value::Null),
        siblings: Vec::new(),
        others: row.others,
        deprecation: None,
        terminating: false,
        compiled: OnceLock::new(),
    }
}

/// Whether the reference counts the generation of a kind.
pub(super) fn counts_generation(plural: &str) -> bool {
    !WITHOUT_GENERATION.contains(&plural)
}

fn find(group: &str, version: &str, kind: &str) -> Option<&'static Row> {
    ROWS.iter().find(|row| row.group == group && row.version == version && row.kind == kind)
}

/// Adds the schema of a kind to `generator`; false where there is no such kind.
pub(crate) fn add(generator: &mut SchemaGenerator, api_version: &str, kind: &str) -> bool {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let row = find(group, version, kind);
    row.inspect(|row| (row.add)(generator)).is_some()
}

/// The extensions of a field of the reference's types, or of a type itself (field `.`).
pub(crate) fn extensions(schema: &str, field: &str) -> Option<Value> {
    let found = MERGES.get(&(schema, field))?;
    let mut out = json!({});
    match found.kind.strip_prefix("map:") {
        Some(kind) => out["x-kubernetes-map-type"] = json!(kind),
        None if found.kind != "-" => out["x-kubernetes-list-type"] = json!(found.kind),
        None => {}
    }
    if !found.keys.is_empty() {
        out["x-kubernetes-list-map-keys"] = json!(found.keys);
    }
    if found.strategy != "-" {
        out["x-kubernetes-patch-strategy"] = json!(found.strategy);
    }
    if found.merge_key != "-" {
        out["x-kubernetes-patch-merge-key"] = json!(found.merge_key);
    }
    Some(out)
}

/// The structural schema of a kind, made from its type.
pub(super) fn schema(resource: &Resource) -> Value {
    let Some(row) = find(&resource.group, &resource.version, &resource.kind) else { return json!({"type": "object"}) };
    let mut generator = SchemaSettings::openapi3().into_generator();
    (row.add)(&mut generator);
    let definitions: BTreeMap<String, Value> = generator.take_definitions(false).into_iter().collect();
    let suffix = format!(".{}.{}", row.version, row.kind);
    let Some(root) = definitions.keys().find(|name| name.ends_with(&suffix) && is_of(name, row.group)) else {
        return json!({"type": "object"});
    };
    let mut schema = Inline { definitions: &definitions }.named(root, 0);
    if let Some(schema) = schema.as_object_mut() {
        schema.remove("nullable");
    }
    schema["properties"]["metadata"] = json!({"type": "object"});
    for field in ["apiVersion", "kind"] {
        schema["properties"][field] = json!({"type": "string"});
    }
    schema
}

/// Whether a schema of this name belongs to `group`.
fn is_of(name: &str, group: &str) -> bool {
    let first = if group.is_empty() { "core" } else { group.split('.').next().unwrap_or_default() };
    name.split('.').any(|part| part == first)
}

/// Puts each referenced schema in the place of its reference.
struct Inline<'a> {
    definitions: &'a BTreeMap<String, Value>,
}

impl Inline<'_> {
    fn named(&self, name: &str, depth: usize) -> Value {
        let free = || json!({"type": "object", "nullable": true, "x-kubernetes-preserve-unknown-fields": true});
        match name.rsplit("pkg.").next().unwrap_or(name) {
            "util.intstr.IntOrString" | "api.resource.Quantity" => {
                return json!({"x-kubernetes-int-or-string": true, "nullable": true});
            }
            "apis.meta.v1.Time" | "apis.meta.v1.MicroTime" => {
                return json!({"type": "string", "format": "date-time", "nullable": true});
            }
            "runtime.RawExtension" => return free(),
            _ => {}
        }
        let Some(found) = self.definitions.get(name).filter(|_| depth < MAX_DEPTH) else { return free() };
        let mut made = self.schema(found, Some(name), depth + 1);
        if let (Some(made), Some(Value::Object(extensions))) = (made.as_object_mut(), extensions(name, ".")) {
            structural(made, extensions);
        }
        made
    }

    /// The structural part of `found`: types, children, and how they merge. `owner` names the type whose fields these are.
    fn schema(&self, found: &Value, owner: Option<&str>, depth: usize) -> Value {
        let reference = found["$ref"].as_str().or_else(|| found.pointer("/allOf/0/$ref").and_then(Value::as_str));
        if let Some(target) = reference.and_then(|target| target.rsplit('/').next()) {
            return self.named(target, depth);
        }
        let mut out = Map::new();
        for field in ["type", "format"] {
            if let Some(value) = found.get(field) {
                out.insert(field.to_owned(), value.clone());
            }
        }
        if let Some(fields) = found["properties"].as_object() {
            let fields = fields.iter().map(|(name, child)| {
                let mut made = self.schema(child, None, depth);
                if let (Some(owner), Some(made)) = (owner, made.as_object_mut())
                    && let Some(Value::Object(extensions)) = extensions(owner, name)
                {
                    structural(made, extensions);
                    key_defaults(made, &child["items"]);
                }
                (name.clone(), made)
            });
            out.insert("properties".to_owned(), Value::Object(fields.collect()));
        }
        if let Some(child) = found.get("additionalProperties").filter(|child| child.is_object()) {
            out.insert("additionalProperties".to_owned(), self.schema(child, None, depth));
        }
        if let Some(child) = found.get("items").filter(|child| child.is_object()) {
            out.insert("items".to_owned(), self.schema(child, None, depth));
        }
        // Go reads `null` as nothing; what has to be there is a rule of the kind.
        out.insert("nullable".to_owned(), Value::Bool(true));
        if !out.contains_key("type") {
            out.insert("x-kubernetes-preserve-unknown-fields".to_owned(), Value::Bool(true));
        }
        if out.get("type") == Some(&json!("array")) && !out.contains_key("items") {
            out.insert("items".to_owned(), json!({"x-kubernetes-preserve-unknown-fields": true}));
        }
        Value::Object(out)
    }
}

/// Adds the extensions of a type or a field to its schema; a structural schema passes over those of patches.
fn structural(schema: &mut Map<String, Value>, extensions: Map<String, Value>) {
    schema.extend(extensions);
}

/// Gives the keys of a list that merges the values that they have where they are not said; `entry` is the reference to its type.
fn key_defaults(list: &mut Map<String, Value>, entry: &Value) {
    let keys: Vec<String> =
        serde_json::from_value(list.get("x-kubernetes-list-map-keys").cloned().unwrap_or_default()).unwrap_or_default();
    let reference = entry["$ref"].as_str().or_else(|| entry.pointer("/allOf/0/$ref").and_then(Value::as_str));
    let Some(name) = reference.and_then(|name| name.rsplit('/').next()) else { return };
    let name = name.strip_prefix("io.k8s.").unwrap_or(name);
    let name = name.strip_prefix("api.").unwrap_or(name);
    for key in keys {
        let known = KEY_DEFAULTS.iter().find(|(owner, field, _)| *owner == name && *field == key);
        let default = known.map(|(_, _, text)| json!(text)).or_else(|| go_types::kept_zero(name, &key));
        let field = list.get_mut("items").and_then(|items| items.get_mut("properties")?.get_mut(&key));
        if let (Some(default), Some(field)) = (default, field) {
            field["default"] = default;
        }
    }
}

/// The merge keys of the lists in `schema` by their paths; empty for lists of plain values.
pub(super) fn merges(schema: &Value) -> BTreeMap<String, &'static str> {
    let mut found = BTreeMap::new();
    collect(schema, "", &mut found);
    found
}

fn collect(schema: &Value, path: &str, found: &mut BTreeMap<String, &'static str>) {
    if schema["x-kubernetes-patch-strategy"].as_str().is_some_and(|strategy| strategy.split(',').any(|word| word == "merge")) {
        let key = schema["x-kubernetes-patch-merge-key"].as_str().unwrap_or_default();
        let key = MERGES.values().map(|merging| merging.merge_key).find(|known| *known == key).unwrap_or_default();
        found.insert(path.to_owned(), key);
    }
    for (name, child) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        collect(child, &path, found);
        collect(&child["items"], &path, found);
    }
}
