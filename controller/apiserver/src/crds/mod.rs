//! CustomResourceDefinitions as stored objects: seeded by the embedder, established, and turned into what is served.

mod check;
mod seed;

use std::sync::Arc;

pub(crate) use seed::{seed, seed_namespaces};

use crate::kinds::{self, CRDS, Registry, encode};
use crate::server::Core;
use crate::store::Scope;

/// What is served: the built-in kinds and those of every stored definition.
pub(crate) fn registry(core: &Core) -> Registry {
    let (_, definitions) = core.store.list(&Arc::from(CRDS), &Scope::All, &|object| !object.deleting());
    Registry::new(definitions.iter().flat_map(|definition| kinds::resources_of(&definition.value())).collect())
}

/// Prunes and defaults stored custom objects under the schemas that are served now. Their versions stay, and nothing is
/// written: it is how they read.
pub(crate) fn refresh_objects(core: &Core) {
    let registry = core.registry();
    for resource in registry.by_storage().into_values().filter(|resource| resource.is_custom()) {
        // A schema is compiled when it is first needed (PERF-96).
        if core.store.list(&resource.storage, &Scope::All, &|_| true).1.is_empty() {
            continue;
        }
        let Ok(compiled) = resource.compiled() else { continue };
        let schema = &compiled.schema;
        core.store.rewrite(&resource.storage, &|object| {
            let before = object.value();
            let mut after = before.clone();
            schema.prune(&mut after);
            schema.drop_nulls(&mut after);
            schema.default(&mut after);
            (after != before).then(|| encode(resource, &after).finish(object.revision))
        });
    }
}
