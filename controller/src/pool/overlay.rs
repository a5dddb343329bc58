//! Pure arithmetic on inventories: what our own steps did, and what differs between two lists.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use koan_core::identity::{ObjectId, Uid};
use koan_core::inventory::{Inventory, LivePort, NetworkRecord, VolumeRecord, WorkloadRecord, WorkloadState};
use koan_core::outcome::Done;
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_core::workload::{Run, WorkloadSpec};

use super::cache::Difference;

/// Digest and platform by image reference.
pub(super) type Images = BTreeMap<String, (Option<String>, Option<String>)>;

/// Images that are remembered; more and the memory begins anew, which costs a status its digest until the next list.
const IMAGES: usize = 1024;

/// Remembers the digest and platform that the reply about an image told.
pub(super) fn note_image(images: &mut Images, step: &Step, done: &Done) {
    let StepAction::EnsureImage(image) = &step.action else { return };
    if images.len() >= IMAGES {
        images.clear();
    }
    images.insert(image.reference.clone(), (done.image_digest.clone(), done.platform.clone()));
}

/// Takes a step that is done into an inventory.
pub(super) fn take_in(inventory: &mut Inventory, images: &Images, step: &Step, done: &Done, now: Timestamp) {
    match &step.action {
        StepAction::EnsureNetwork(network) => {
            if done.changed
                && let Some(id) = &done.id
            {
                // What else had the name went.
                let other = |known: &NetworkRecord| known.name == network.name && known.owner.uid == network.owner.uid;
                inventory.networks.retain(|known| known.id == *id || !other(known));
            }
            if let Some(id) = &done.id
                && !inventory.networks.iter().any(|known| known.id == *id)
            {
                inventory.networks.push(NetworkRecord {
                    id: id.clone(),
                    name: network.name.clone(),
                    owner: network.owner.clone(),
                    created_at: now.to_string(),
                    gateway: None,
                    endpoints: None,
                });
            }
        }
        StepAction::EnsureVolume(volume) => {
            if !inventory.volumes.iter().any(|known| known.name == volume.name) {
                inventory.volumes.push(VolumeRecord {
                    name: volume.name.clone(),
                    owner: volume.owner.clone(),
                    path: volume.path.clone(),
                    created_at: String::new(),
                });
                inventory.volumes.sort_by(|a, b| a.name.cmp(&b.name));
            }
        }
        StepAction::EnsureImage(_) => {}
        StepAction::Create(spec) => created(inventory, images, spec, done),
        StepAction::Start(object) => change(inventory, object, |record| {
            if record.state != WorkloadState::Running {
                record.state = WorkloadState::Running;
                record.started_at = Some(now);
                record.exit_code = None;
            }
        }),
        StepAction::Stop { object, .. } => change(inventory, object, |record| {
            if record.state != WorkloadState::Created {
                record.state = WorkloadState::Exited;
                record.finished_at = Some(now);
            }
        }),
        StepAction::Remove(object) => inventory.workloads.retain(|record| !is(record, object)),
        StepAction::RemoveNetwork(object) => {
            inventory.networks.retain(|record| object.id.as_ref().map_or(record.name != object.name, |id| record.id != *id));
        }
        StepAction::RemoveVolume { object, .. } => inventory.volumes.retain(|record| record.name != object.name),
    }
}

fn created(inventory: &mut Inventory, images: &Images, spec: &WorkloadSpec, done: &Done) {
    let Some(id) = &done.id else { return };
    if inventory.workloads.iter().any(|record| record.id == *id) {
        return;
    }
    inventory.workloads.retain(|record| record.name != spec.object);
    let image = match &spec.run {
        Run::Container(container) => Some(container.image.clone()),
        Run::Process(_) => None,
    };
    let (digest, platform) = image.as_ref().and_then(|image| images.get(image)).cloned().unwrap_or_default();
    let ports = spec.ports.iter().filter_map(|port| {
        Some(LivePort {
            service: spec.object.clone(),
            host: port.host?,
            container: port.container,
            protocol: port.protocol,
            address: std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST),
            owner: Some(spec.owner.clone()),
            pid: None,
        })
    });
    inventory.workloads.push(WorkloadRecord {
        id: id.clone(),
        name: spec.object.clone(),
        owner: spec.owner.clone(),
        hash: spec.hash.clone(),
        state: WorkloadState::Created,
        image,
        image_digest: done.image_digest.clone().or(digest),
        platform: done.platform.clone().or(platform),
        started_at: None,
        finished_at: None,
        exit_code: None,
        oom_killed: false,
        restarts: 0,
        cut_off: false,
        addresses: Vec::new(),
        ports: ports.collect(),
        pid: None,
        volumes: spec.mounts.iter().filter_map(volume_of).collect(),
    });
    inventory.workloads.sort_by(|a, b| a.name.cmp(&b.name));
}

fn volume_of(mount: &koan_core::workload::Mount) -> Option<String> {
    match &mount.source {
        koan_core::workload::MountSource::Volume(name) => Some(name.clone()),
        koan_core::workload::MountSource::Host(_) | koan_core::workload::MountSource::Tmpfs(_) => None,
    }
}

fn change(inventory: &mut Inventory, object: &ObjectRef, act: impl FnOnce(&mut WorkloadRecord)) {
    if let Some(record) = inventory.workloads.iter_mut().find(|record| is(record, object)) {
        act(record);
    }
}

fn is(record: &WorkloadRecord, object: &ObjectRef) -> bool {
    object.id.as_ref().map_or(record.name == object.name, |id| record.id == *id)
}

/// A list, save for the objects that our own steps touched since it began: those stay as the replies told them.
pub(super) fn merge(old: &Inventory, mut listed: Inventory, stepped: &BTreeSet<&str>) -> Inventory {
    keep(&old.workloads, &mut listed.workloads, |record| stepped.contains(record.name.as_str()));
    listed.workloads.sort_by(|a, b| (&a.name, &a.id).cmp(&(&b.name, &b.id)));
    keep(&old.networks, &mut listed.networks, |record| stepped.contains(record.name.as_str()));
    keep(&old.volumes, &mut listed.volumes, |record| stepped.contains(record.name.as_str()));
    listed.volumes.sort_by(|a, b| a.name.cmp(&b.name));
    listed
}

fn keep<R: Clone>(old: &[R], new: &mut Vec<R>, kept: impl Fn(&R) -> bool) {
    new.retain(|record| !kept(record));
    new.extend(old.iter().filter(|record| kept(record)).cloned());
}

/// What of a workload makes its service look again; times and addresses do not.
type Essence<'a> = (&'a str, WorkloadState, &'a str, Option<i64>, (bool, bool), u32);

/// Owners whose objects differ in a way that matters.
pub(super) fn difference(old: &Inventory, new: &Inventory) -> Difference {
    let mut owners = BTreeSet::new();
    compare(&workloads(old), &workloads(new), &mut owners);
    compare(&networks(old), &networks(new), &mut owners);
    compare(&volumes(old), &volumes(new), &mut owners);
    Difference { owners, overtaken: false }
}

fn compare<'a, K: Ord, V: PartialEq>(
    old: &BTreeMap<K, (&'a Uid, V)>,
    new: &BTreeMap<K, (&'a Uid, V)>,
    owners: &mut BTreeSet<Uid>,
) {
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key)).map(|(_, (uid, _))| *uid);
    let changed = new.iter().filter(|(key, value)| old.get(key).is_none_or(|known| known.1 != value.1)).map(|(_, (uid, _))| *uid);
    owners.extend(gone.chain(changed).cloned());
}

fn workloads(inventory: &Inventory) -> BTreeMap<&ObjectId, (&Uid, Essence<'_>)> {
    inventory
        .workloads
        .iter()
        .map(|record| {
            let essence = (
                record.name.as_str(),
                record.state,
                record.hash.0.as_str(),
                record.exit_code,
                (record.oom_killed, record.cut_off),
                record.restarts,
            );
            (&record.id, (&record.owner.uid, essence))
        })
        .collect()
}

fn networks(inventory: &Inventory) -> BTreeMap<&ObjectId, (&Uid, &str)> {
    inventory.networks.iter().map(|record| (&record.id, (&record.owner.uid, record.name.as_str()))).collect()
}

fn volumes(inventory: &Inventory) -> BTreeMap<&str, (&Uid, &str)> {
    inventory.volumes.iter().map(|record| (record.name.as_str(), (&record.owner.uid, record.path.as_str()))).collect()
}
