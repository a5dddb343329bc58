//! The OpenAPI documents of one registry: made once, kept as text with their hashes.

use std::sync::{Arc, OnceLock};

use serde_json::Value;

use crate::kinds::{Registry, Resource};
use crate::openapi::{self, Described, SchemaSource};

/// One v3 document.
#[derive(Debug)]
pub(super) struct Document {
    /// `api/v1` or `apis/<group>/<version>`.
    pub(super) path: String,
    pub(super) hash: String,
    pub(super) text: Arc<str>,
    /// What it describes: while these stay, it does.
    resources: Vec<Arc<Resource>>,
}

/// All documents of a registry; the v2 one only when somebody asks.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    pub(super) groups: Vec<Document>,
    swagger: OnceLock<String>,
}

/// Subresources as an owned list, which a description borrows.
fn subresources(resource: &Resource) -> Vec<&'static str> {
    resource.subresources()
}

fn described<'a>(resource: &'a Resource, subresources: &'a [&'a str], schema: Option<&'a Value>) -> Described<'a> {
    Described {
        group: &resource.group,
        version: &resource.version,
        kind: &resource.kind,
        list_kind: &resource.list_kind,
        plural: &resource.plural,
        namespaced: resource.namespaced,
        subresources,
        selectable: &resource.selectable,
        schema: schema.map_or(SchemaSource::Builtin, SchemaSource::Custom),
    }
}

fn with_described<T>(resources: &[&Resource], make: impl FnOnce(&[Described<'_>]) -> T) -> T {
    let lists: Vec<Vec<&str>> = resources.iter().map(|resource| subresources(resource)).collect();
    let schemas: Vec<Option<Value>> =
        resources.iter().map(|resource| resource.is_custom().then(|| resource.schema.read())).collect();
    let parts = resources.iter().zip(&lists).zip(&schemas);
    let all: Vec<Described<'_>> = parts.map(|((resource, list), schema)| described(resource, list, schema.as_ref())).collect();
    make(&all)
}

impl Documents {
    /// The documents of `registry`; those of unchanged groups are taken from `known`.
    pub(crate) fn new(registry: &Registry, known: Option<&Self>) -> Self {
        let mut groups = Vec::new();
        for (group, versions) in registry.groups() {
            for version in versions {
                let resources: Vec<Arc<Resource>> = registry.of(group, version).cloned().collect();
                let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
                let same = |old: &&Document| {
                    old.resources.len() == resources.len()
                        && old.resources.iter().zip(&resources).all(|(old, new)| Arc::ptr_eq(old, new))
                };
                let old = known.and_then(|known| known.groups.iter().find(|old| old.path == path)).filter(same);
                let (text, hash) = match old {
                    Some(old) => (Arc::clone(&old.text), old.hash.clone()),
                    None => {
                        let described: Vec<&Resource> = resources.iter().map(AsRef::as_ref).collect();
                        let text = with_described(&described, |kinds| openapi::document(kinds).to_string());
                        let hash = openapi::hash(text.as_bytes());
                        (Arc::from(text), hash)
                    }
                };
                groups.push(Document { path, hash, text, resources });
            }
        }
        Self { groups, swagger: OnceLock::new() }
    }

    /// The v2 document of everything in `registry`, which is the one these documents were made from.
    pub(super) fn swagger(&self, registry: &Registry) -> &str {
        self.swagger.get_or_init(|| {
            let resources: Vec<&Resource> = registry.all().iter().map(AsRef::as_ref).collect();
            with_described(&resources, |kinds| openapi::swagger(kinds).to_string())
        })
    }
}
