//! One stored event in two shapes: `v1` is what is stored, `events.k8s.io/v1` is made from it and folded back into it.

use serde_json::{Map, Value};

use super::extended;
use super::resource::{CoreKind, Resource};
use crate::go_types;

/// Field names of the two shapes, stored shape first; fields that are not here have one name in both.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

/// What the field `stored` of an event is called in the shape of `resource`.
pub(super) fn served(resource: &Resource, stored: &'static str) -> &'static str {
    let renamed = RENAMED.iter().find(|(old, _)| *old == stored).filter(|_| resource.core() == Some(CoreKind::EventV1));
    renamed.map_or(stored, |(_, new)| new)
}

/// The version of the newer shape.
const NEWER: &str = "events.k8s.io/v1";

/// Writes what the shape of `version` writes and leaves out what it leaves out.
fn whole(version: &str, value: &mut Value) {
    if let (Some(root), Some(map)) = (go_types::root(version, "Event"), value.as_object_mut()) {
        super::core_rules::whole_of(root, map);
    }
}

/// Whether objects of `resource` are served byte for byte as they are stored.
pub(crate) fn is_stored_shape(resource: &Resource) -> bool {
    match &resource.origin {
        super::Origin::Core(CoreKind::Plain) => !extended::is_other_shape(resource),
        super::Origin::Core(kind) => *kind != CoreKind::EventV1,
        super::Origin::Custom { storage_version, .. } => *storage_version == resource.version,
    }
}

/// Turns an object of `resource` into the shape that the store keeps.
pub(crate) fn to_storage(resource: &Resource, value: &mut Value) {
    match resource.core() {
        Some(CoreKind::EventV1) => {
            rename(value, "v1", |name| RENAMED.iter().find(|(_, new)| *new == name).map(|(old, _)| *old));
            whole("v1", value);
        }
        Some(CoreKind::Plain) => extended::to_storage(resource, value),
        Some(_) => {}
        None => {
            if let super::Origin::Custom { storage_version, .. } = &resource.origin
                && *storage_version != resource.version
            {
                set_version(value, &format!("{}/{storage_version}", resource.group));
                if let Some(schema) = resource.compiled().ok().and_then(|compiled| compiled.stored.as_ref()) {
                    schema.reshape(value);
                }
            }
        }
    }
}

/// Turns a stored object into the shape that `resource` serves.
pub(crate) fn from_storage(resource: &Resource, value: &mut Value) {
    match resource.core() {
        Some(CoreKind::EventV1) => {
            rename(value, NEWER, |name| RENAMED.iter().find(|(old, _)| *old == name).map(|(_, new)| *new));
            whole(NEWER, value);
        }
        Some(CoreKind::Plain) => extended::from_storage(resource, value),
        Some(_) => {}
        None => {
            if let super::Origin::Custom { storage_version, mixed } = &resource.origin
                && *storage_version != resource.version
            {
                set_version(value, &resource.api_version());
                if *mixed && let Ok(compiled) = resource.compiled() {
                    compiled.schema.reshape(value);
                }
            }
        }
    }
}

fn set_version(value: &mut Value, version: &str) {
    if let Some(map) = value.as_object_mut() {
        map.insert("apiVersion".to_owned(), Value::String(version.to_owned()));
    }
}

fn rename(value: &mut Value, version: &str, other: impl Fn(&str) -> Option<&'static str>) {
    let Some(map) = value.as_object_mut() else { return };
    let renamed: Map<String, Value> =
        std::mem::take(map).into_iter().map(|(name, field)| (other(&name).map_or(name, str::to_owned), field)).collect();
    *map = renamed;
    set_version(value, version);
}
