//! Volumes over paths that an image declares and that no mount covers: named and labelled, never anonymous (P16).

use koan_core::identity::Owner;
use koan_core::step::VolumeSpec;
use koan_core::workload::{Mount, WorkloadSpec};
use koan_crds::names;

/// The volumes that a workload needs beside its mounts, for the paths that its image declares.
pub(crate) fn volumes_for<'a>(spec: &'a WorkloadSpec, paths: &'a [String]) -> impl Iterator<Item = VolumeSpec> + 'a {
    paths.iter().filter(|path| !covered(&spec.mounts, path)).map(|path| named(spec, path))
}

/// It belongs to (instance, namespace, stack, service, path), as every volume: a new owner of the same place finds it again.
fn named(spec: &WorkloadSpec, path: &str) -> VolumeSpec {
    let owner = &spec.owner;
    let stack = owner.stack.as_deref().unwrap_or_default();
    let replica = spec.replica.to_string();
    let parts = [owner.namespace.as_str(), stack, owner.service.as_str(), replica.as_str(), path.trim_matches('/')];
    let name = names::engine_object(&parts, &format!("{}/declared", owner.instance));
    VolumeSpec { name, path: path.to_owned(), owner: owner.clone() }
}

fn covered(mounts: &[Mount], path: &str) -> bool {
    mounts.iter().any(|mount| mount.target.trim_end_matches('/') == path.trim_end_matches('/'))
}

/// A volume belongs to a place; its UID names only the creator.
pub(crate) fn same_place(found: &Owner, owner: &Owner) -> bool {
    (&found.instance, &found.namespace, &found.stack, &found.service)
        == (&owner.instance, &owner.namespace, &owner.stack, &owner.service)
}
