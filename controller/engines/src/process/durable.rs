//! Small files that are either old or new, never half written, and folders that only their owner enters.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ProcessError;

/// Number of the next draft of this process.
static DRAFTS: AtomicU32 = AtomicU32::new(0);
/// Largest file of our own that is read back.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Permission bits of files of our own.
const PRIVATE_FILE: u32 = 0o600;

/// Replaces a file as a whole; the new content is on disk before the name changes.
pub(crate) fn replace(path: &Path, value: &impl Serialize) -> Result<(), ProcessError> {
    let finish = || -> io::Result<()> {
        let draft = draft(path, value)?;
        fs::rename(&draft, path)?;
        sync_folder(path)
    };
    finish().map_err(|source| ProcessError::io("write", path, source))
}

/// Makes a file as a whole; false where another one has the name.
pub(crate) fn create(path: &Path, value: &impl Serialize) -> Result<bool, ProcessError> {
    let finish = || -> io::Result<bool> {
        let draft = draft(path, value)?;
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft)?;
        match linked {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
            Ok(()) => sync_folder(path).map(|()| true),
        }
    };
    finish().map_err(|source| ProcessError::io("write", path, source))
}

/// The content under a name that nobody else uses.
fn draft(path: &Path, value: &impl Serialize) -> io::Result<PathBuf> {
    let unique = format!("{}-{}.new", std::process::id(), DRAFTS.fetch_add(1, Ordering::Relaxed));
    let draft = path.with_extension(unique);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(&draft)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    Ok(draft)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
}

/// Reads a file back; `None` where there is none.
pub(crate) fn read<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, ProcessError> {
    let failed = |source| ProcessError::io("read", path, source);
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error)),
        Ok(metadata) if metadata.len() > MAX_FILE => return Err(failed(io::Error::other("the file is larger than 4 MiB"))),
        Ok(_fits) => {}
    }
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| failed(error.into())),
    }
}

/// Makes a folder; it and each parent that was missing get exactly these permission bits, whatever the mask of this process is.
pub(crate) fn folder(path: &Path, mode: u32) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::io("make", path, source);
    if let Some(parent) = path.parent()
        && !parent.is_dir()
    {
        folder(parent, mode)?;
    }
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other.map_err(failed)?,
    }
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).map_err(failed)
}

/// Removes a file; one that is gone is fine.
pub(crate) fn remove_file(path: &Path) -> Result<(), ProcessError> {
    absent_is_fine(fs::remove_file(path)).map_err(|source| ProcessError::io("remove", path, source))
}

/// Removes a folder with all that is in it, without following links; one that is gone is fine.
pub(crate) fn remove_folder(path: &Path) -> Result<(), ProcessError> {
    absent_is_fine(fs::remove_dir_all(path)).map_err(|source| ProcessError::io("remove", path, source))
}

fn absent_is_fine(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
