//! Mounts and the volumes behind them: the manifest's own, then one named volume per data path (P16).

use koan_crds::v1alpha1::PersistenceMode;

use super::identity::{NO_PRODUCT, Ownership, volume_name};
use crate::recipe::Recipe;
use crate::step::VolumeSpec;
use crate::validate::{ValidService, VolumeSource};
use crate::workload::{Mount, MountSource};

/// Folder of the project below which bind mounts of data lie.
const DATA_FOLDER: &str = ".koan/data";

/// Mounts of a workload, sorted by target, and the volumes that they need, sorted by name.
pub(super) fn mounts(
    service: &ValidService,
    ownership: &Ownership,
    recipe: Option<&Recipe>,
    data_paths: &[&str],
) -> (Vec<Mount>, Vec<VolumeSpec>) {
    let product = recipe.map_or(NO_PRODUCT, |recipe| recipe.id);
    let mut volumes = Vec::new();
    let mut named = |path: &str, key: &str| {
        let name = volume_name(&ownership.owner, product, key);
        volumes.push(VolumeSpec { name: name.clone(), path: path.to_owned(), owner: ownership.owner.clone() });
        MountSource::Volume(name)
    };
    let mut mounts: Vec<Mount> = Vec::new();
    for volume in &service.volumes {
        let source = match &volume.source {
            VolumeSource::Named(Some(name)) => named(&volume.target, name),
            VolumeSource::Named(None) => named(&volume.target, &volume.target),
            VolumeSource::Host(path) => MountSource::Host(path.clone()),
            VolumeSource::Tmpfs(size) => MountSource::Tmpfs(*size),
        };
        mounts.push(Mount { target: volume.target.clone(), source, read_only: volume.read_only });
    }
    let own = service.persistence.paths.as_ref();
    let paths: Vec<&str> = own.map_or_else(|| data_paths.to_vec(), |paths| paths.iter().map(String::as_str).collect());
    for path in paths {
        if mounts.iter().any(|mount| mount.target.trim_end_matches('/') == path.trim_end_matches('/')) {
            continue;
        }
        let source = match (service.persistence.mode, &service.project) {
            (PersistenceMode::Bind, Some(project)) => MountSource::Host(bind_path(service, project, path)),
            (PersistenceMode::Bind, None) | (PersistenceMode::Named | PersistenceMode::Ephemeral, _) => named(path, path),
        };
        mounts.push(Mount { target: path.to_owned(), source, read_only: false });
    }
    mounts.sort_by(|one, other| one.target.cmp(&other.target));
    volumes.sort_by(|one, other| one.name.cmp(&other.name));
    volumes.dedup_by(|one, other| one.name == other.name);
    (mounts, volumes)
}

fn bind_path(service: &ValidService, project: &str, path: &str) -> String {
    let folder = path.trim_matches('/').replace('/', "-");
    format!("{}/{DATA_FOLDER}/{}/{folder}", project.trim_end_matches('/'), service.service)
}
