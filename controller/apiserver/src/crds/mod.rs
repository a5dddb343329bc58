//! CustomResourceDefinitions as stored objects: seeded by the embedder or written by clients, checked, given their names,
//! established, and turned into what is served.

mod check;
mod naming;
mod seed;
mod settle;

use std::sync::Arc;

pub(crate) use check::{check, unrecognized_formats};
pub(crate) use seed::{seed, seed_extended, seed_namespaces};
pub(crate) use settle::{clean_up, settle, stored_resource, terminate};

use crate::kinds::{self, CRDS, Registry};
use crate::server::Core;
use crate::store::Scope;

/// What is served: the built-in kinds, the `extended` ones if asked for, and those of every stored definition.
pub(crate) fn registry(core: &Core, extended: bool) -> Registry {
    let (_, definitions) = core.store.list(&Arc::from(CRDS), &Scope::All, &|_| true);
    let served = definitions.iter().flat_map(|object| {
        let definition = object.value();
        // What the last server did not finish is finished by this one.
        if object.deleting() || !kinds::condition(&definition, "Established") {
            core.work.unsettle(object.meta.name.clone());
        }
        kinds::resources_of(&definition)
    });
    if extended { Registry::extended(served.collect()) } else { Registry::new(served.collect()) }
}

/// Lets every stored custom object read as the schemas that are served now have it.
pub(crate) fn refresh_objects(core: &Core) {
    let registry = core.registry();
    registry
        .by_storage()
        .into_values()
        .filter(|resource| resource.is_custom())
        .for_each(|resource| settle::lay_out(core, &registry, resource));
}
