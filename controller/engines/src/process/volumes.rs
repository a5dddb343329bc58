//! Data folders: volumes in every sense of S-2.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};

use jiff::Timestamp;
use koan_core::identity::ObjectId;
use koan_core::inventory::VolumeRecord;
use koan_core::outcome::Done;
use koan_core::step::{ObjectRef, VolumeSpec};
use koan_exec::Account;
use serde::{Deserialize, Serialize};

use super::durable;
use super::error::ProcessError;
use super::layout::{Layout, PASSABLE, PRIVATE, VolumePlaces};
use super::workloads;
use crate::declared::same_place;

/// Most volumes of one instance that are looked at.
const MAX_VOLUMES: usize = 10_000;

/// What is known of a data folder; it lies outside that folder, where no server can change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(flatten)]
    record: VolumeRecord,
    /// Its removal was begun: what is left of it is no data any more.
    removing: bool,
}

/// Makes a data folder unless it is there. What is known of it is written first, so that a crash leaves nothing unknown (P2).
pub(crate) fn ensure(layout: &Layout, spec: &VolumeSpec) -> Result<Done, ProcessError> {
    let places = layout.volume(&spec.name)?;
    let id = Some(ObjectId(spec.name.clone()));
    match durable::read::<Metadata>(&places.metadata)? {
        Some(known) if !same_place(&known.record.owner, &spec.owner) => {
            return Err(workloads::foreign(&spec.name, &known.record.owner, &spec.owner));
        }
        Some(known) if known.removing => finish_removal(&places)?,
        Some(_known) if places.folder.is_dir() => return Ok(Done { id, ..Done::default() }),
        Some(_known) => {
            durable::folder(&places.folder, PRIVATE)?;
            return Ok(Done { changed: true, id, ..Done::default() });
        }
        None => {}
    }
    if fs::symlink_metadata(&places.folder).is_ok() {
        let state = format!("lies at {} already, and nothing says that Koan made it", places.folder.display());
        return Err(ProcessError::Conflict { object: spec.name.clone(), state });
    }
    durable::folder(layout.data(), PASSABLE)?;
    durable::folder(&layout.volumes(), PRIVATE)?;
    let record = VolumeRecord {
        name: spec.name.clone(),
        owner: spec.owner.clone(),
        path: spec.path.clone(),
        created_at: Timestamp::now().to_string(),
    };
    durable::replace(&places.metadata, &Metadata { record, removing: false })?;
    durable::folder(&places.folder, PRIVATE)?;
    Ok(Done { changed: true, id, ..Done::default() })
}

/// Removes a data folder after a fresh comparison of instance, full name and creation time (S-2, S-3).
pub(crate) fn remove(layout: &Layout, object: &ObjectRef, created_at: &str) -> Result<Done, ProcessError> {
    let places = layout.volume(&object.name)?;
    let Some(mut known) = durable::read::<Metadata>(&places.metadata)? else { return Ok(Done::default()) };
    let same = known.record.name == object.name && object.id.as_ref().is_none_or(|id| id.0 == object.name);
    if !same_place(&known.record.owner, &object.owner) {
        return Err(workloads::foreign(&object.name, &known.record.owner, &object.owner));
    }
    if !same || known.record.created_at != created_at {
        let (object, made) = (object.name.clone(), known.record.created_at);
        return Err(ProcessError::OtherAge { object, made, wanted: created_at.to_owned() });
    }
    let users: Vec<String> = workloads::list(layout)?
        .into_iter()
        .filter(|(stored, _places)| workloads::volumes(&stored.spec).contains(&object.name))
        .map(|(stored, _places)| stored.spec.object)
        .collect();
    if !users.is_empty() {
        let state = format!("is in use by {}", users.join(", "));
        return Err(ProcessError::Conflict { object: object.name.clone(), state });
    }
    known.removing = true;
    durable::replace(&places.metadata, &known)?;
    finish_removal(&places)?;
    Ok(Done { changed: true, ..Done::default() })
}

fn finish_removal(places: &VolumePlaces) -> Result<(), ProcessError> {
    durable::remove_folder(&places.folder)?;
    durable::remove_file(&places.mark)?;
    durable::remove_file(&places.metadata)
}

/// Every data folder, sorted by name; one whose removal was begun counts until it is gone.
pub(crate) fn list(layout: &Layout) -> Result<Vec<VolumeRecord>, ProcessError> {
    let folder = layout.volumes();
    let entries = match fs::read_dir(&folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(|source| ProcessError::io("read", &folder, source))?,
    };
    let mut found = Vec::new();
    for entry in entries.take(MAX_VOLUMES) {
        let path = entry.map_err(|source| ProcessError::io("read", &folder, source))?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match durable::read::<Metadata>(&path) {
            Ok(Some(known)) => found.push(known.record),
            Ok(None) => {}
            Err(error) => tracing::warn!(%error, "a volume is left out of the inventory"),
        }
    }
    found.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(found)
}

/// Makes a data folder usable by the account that the server runs as; a folder with data of somebody else is refused.
pub(crate) fn hand_over(
    layout: &Layout,
    name: &str,
    object: &str,
    account: Option<&Account>,
) -> Result<VolumePlaces, ProcessError> {
    let places = layout.volume(name)?;
    let failed = |source| ProcessError::io("use", &places.folder, source);
    let metadata = match fs::symlink_metadata(&places.folder) {
        Ok(metadata) if metadata.is_dir() => metadata,
        Ok(_other) => return Err(failed(io::Error::other("it is no folder"))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ProcessError::Absent { object: format!("volume {name}, which {object} mounts") });
        }
        Err(error) => return Err(failed(error)),
    };
    let (uid, gid) = match account {
        Some(account) => (account.uid, account.gid),
        None => (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw()),
    };
    if metadata.uid() == uid {
        return Ok(places);
    }
    if fs::read_dir(&places.folder).map_err(failed)?.next().is_some() {
        let state = format!("holds data of user {}, and {object} runs as user {uid}", metadata.uid());
        return Err(ProcessError::Conflict { object: name.to_owned(), state });
    }
    chown(&places.folder, Some(uid), Some(gid)).map_err(failed)?;
    Ok(places)
}
