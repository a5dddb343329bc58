//! Small files that are either old or new, never half written, and folders that only their owner enters.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::ProcessError;

/// Largest file of our own that is read back.
const MAX_FILE: u64 = 4 * 1024 * 1024;
/// Permission bits of files of our own.
const PRIVATE_FILE: u32 = 0o600;

/// Replaces a file as a whole; the new content is on disk before the name changes.
pub(crate) fn replace(path: &Path, value: &impl Serialize) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::io("write", path, source);
    let bytes = serde_json::to_vec(value).map_err(|error| failed(error.into()))?;
    let draft = path.with_extension("new");
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(PRIVATE_FILE).open(&draft)?;
        file.write_all(&bytes)?;
        file.sync_all()?;
        fs::rename(&draft, path)?;
        path.parent().map_or(Ok(()), |folder| File::open(folder)?.sync_all())
    };
    write().map_err(failed)
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

/// Makes a folder and its parents; the folder itself gets exactly these permission bits.
pub(crate) fn folder(path: &Path, mode: u32) -> Result<(), ProcessError> {
    let failed = |source| ProcessError::io("make", path, source);
    DirBuilder::new().recursive(true).mode(mode).create(path).map_err(failed)?;
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
