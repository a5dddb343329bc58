//! Workloads as they were created: one folder each, whole before anything refers to it.

use std::fs;
use std::io;

use jiff::Timestamp;
use koan_core::identity::{ObjectId, Owner};
use koan_core::outcome::Done;
use koan_core::step::ObjectRef;
use koan_core::text::Values;
use koan_core::workload::{MountSource, WorkloadSpec};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::durable;
use super::error::ProcessError;
use super::layout::{Layout, PRIVATE, Places};
use super::record::{RunRecord, Situation};
use super::render;

/// Most workloads of one instance that are looked at.
const MAX_WORKLOADS: usize = 10_000;

/// A created workload; its texts hold references, never secret values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Stored {
    /// Id of this creation; it stays the same over restarts, as a container's does.
    pub(crate) id: ObjectId,
    /// When it was created.
    pub(crate) created_at: Timestamp,
    /// What was asked for.
    pub(crate) spec: WorkloadSpec,
}

/// Creates a workload, or adopts the one of the same name, owner and hash.
pub(crate) fn create(layout: &Layout, spec: &WorkloadSpec, values: &Values) -> Result<Done, ProcessError> {
    render::check(spec)?;
    let places = layout.workload(&spec.object)?;
    if let Some(stored) = durable::read::<Stored>(&places.spec)? {
        return adopt(spec, stored);
    }
    render::check_values(spec, values)?;
    durable::folder(&layout.runs(), PRIVATE)?;
    durable::folder(&layout.workloads(), PRIVATE)?;
    durable::folder(&places.folder, PRIVATE)?;
    let created_at = Timestamp::now();
    let stored = Stored { id: new_id(&spec.object, created_at), created_at, spec: spec.clone() };
    if durable::create(&places.spec, &stored)? {
        return Ok(Done { changed: true, id: Some(stored.id), ..Done::default() });
    }
    let first = durable::read::<Stored>(&places.spec)?;
    adopt(spec, first.ok_or_else(|| ProcessError::Absent { object: spec.object.clone() })?)
}

fn adopt(spec: &WorkloadSpec, stored: Stored) -> Result<Done, ProcessError> {
    owned(&spec.object, &stored.spec.owner, &spec.owner)?;
    if stored.spec.hash == spec.hash {
        return Ok(Done { id: Some(stored.id), ..Done::default() });
    }
    let state = "exists with another specification; it has to be removed first".to_owned();
    Err(ProcessError::Conflict { object: spec.object.clone(), state })
}

fn new_id(object: &str, created_at: Timestamp) -> ObjectId {
    let digest = Sha256::digest(format!("{object} {} {}", created_at.as_nanosecond(), std::process::id()).as_bytes());
    ObjectId(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Refuses an object of another instance or owner (S-3).
pub(crate) fn owned(object: &str, holder: &Owner, wanted: &Owner) -> Result<(), ProcessError> {
    if holder.instance == wanted.instance && holder.uid == wanted.uid {
        return Ok(());
    }
    Err(foreign(object, holder, wanted))
}

/// Says who holds an object that somebody else wants.
pub(crate) fn foreign(object: &str, holder: &Owner, wanted: &Owner) -> ProcessError {
    let say = |owner: &Owner| format!("{}/{} (uid {}, instance {})", owner.namespace, owner.service, owner.uid, owner.instance);
    ProcessError::Foreign { object: object.to_owned(), holder: say(holder), wanted: say(wanted) }
}

/// The stored workload that a step means, read anew; `None` where there is none (S-3).
pub(crate) fn find(layout: &Layout, object: &ObjectRef) -> Result<Option<(Stored, Places)>, ProcessError> {
    let places = layout.workload(&object.name)?;
    let Some(stored) = durable::read::<Stored>(&places.spec)? else { return Ok(None) };
    owned(&object.name, &stored.spec.owner, &object.owner)?;
    // Another id is another object of that name: the one that was meant is gone (S-8).
    let meant = object.id.as_ref().is_none_or(|id| *id == stored.id);
    Ok(meant.then_some((stored, places)))
}

/// Every workload that was created, sorted by name; one that cannot be read is reported and left out.
pub(crate) fn list(layout: &Layout) -> Result<Vec<(Stored, Places)>, ProcessError> {
    let folder = layout.workloads();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| ProcessError::io("read", &folder, source))?,
    };
    let mut found = Vec::new();
    for entry in entries.take(MAX_WORKLOADS) {
        let entry = entry.map_err(|source| ProcessError::io("read", &folder, source))?;
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        match layout.workload(&name).and_then(|places| Ok((durable::read::<Stored>(&places.spec)?, places))) {
            Ok((Some(stored), places)) => found.push((stored, places)),
            Ok((None, _)) => {}
            Err(error) => tracing::warn!(%error, workload = %name, "a workload is left out of the inventory"),
        }
    }
    found.sort_by(|left, right| left.0.spec.object.cmp(&right.0.spec.object));
    Ok(found)
}

/// What is true of the last run; `None` where it never ran.
pub(crate) fn situation(places: &Places) -> Result<Option<(RunRecord, Situation)>, ProcessError> {
    let record = durable::read::<RunRecord>(&places.record)?;
    Ok(record.map(|record| {
        let situation = record.situation();
        (record, situation)
    }))
}

/// Removes a stopped workload; its volumes stay. What was created goes last, so that a removal that was cut short is seen and done again.
pub(crate) fn remove(layout: &Layout, object: &ObjectRef) -> Result<Done, ProcessError> {
    let Some((stored, places)) = find(layout, object)? else { return Ok(Done::default()) };
    if let Some((
        _record,
        Situation::Preparing | Situation::Supervised(_) | Situation::Orphaned(_) | Situation::OrphanedStep(_),
    )) = situation(&places)?
    {
        let state = "still runs; it has to be stopped first".to_owned();
        return Err(ProcessError::Conflict { object: object.name.clone(), state });
    }
    durable::remove_folder(&places.private)?;
    durable::remove_file(&places.record)?;
    for file in [&places.log, &super::lines::older(&places.log), &places.lock] {
        durable::remove_file(file)?;
    }
    durable::remove_folder(&places.folder)?;
    Ok(Done { changed: true, id: Some(stored.id), ..Done::default() })
}

/// Names of the volumes that a workload mounts.
pub(crate) fn volumes(spec: &WorkloadSpec) -> Vec<String> {
    let volume = |source: &MountSource| match source {
        MountSource::Volume(name) => Some(name.clone()),
        MountSource::Host(_) | MountSource::Tmpfs(_) => None,
    };
    spec.mounts.iter().filter_map(|mount| volume(&mount.source)).collect()
}
