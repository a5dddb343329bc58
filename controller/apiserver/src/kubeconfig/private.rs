//! Files that only their owner may read: written under a temporary name, then renamed.

use std::fs::{DirBuilder, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::KubeconfigError;

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> KubeconfigError {
    let path = path.to_owned();
    move |cause| KubeconfigError::File { path, cause }
}

/// Makes `path` as a private directory, or checks that it is one.
///
/// # Errors
/// It is a link, belongs to someone else or lets others in.
pub(crate) fn directory(path: &Path) -> Result<(), KubeconfigError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed(path))?;
    check(path)
}

/// Refuses a link, a foreign owner and a mode that lets others in.
pub(crate) fn check(path: &Path) -> Result<(), KubeconfigError> {
    let metadata = std::fs::symlink_metadata(path).map_err(failed(path))?;
    let mode = metadata.mode() & 0o777;
    let ours = metadata.uid() == rustix::process::geteuid().as_raw();
    if metadata.file_type().is_symlink() || !ours || mode & 0o077 != 0 {
        return Err(KubeconfigError::Exposed { path: path.to_owned(), mode, owner: metadata.uid() });
    }
    Ok(())
}

/// Writes `bytes` to `path` at once, mode 0600. A link or a wider file at that place is refused.
///
/// # Errors
/// The file cannot be written, or what stands there is not private.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), KubeconfigError> {
    if std::fs::symlink_metadata(path).is_ok() {
        check(path)?;
    }
    let temporary = temporary(path);
    // A leftover of a run that was killed between its two steps.
    let _ = std::fs::remove_file(&temporary);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).map_err(failed(&temporary))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(failed(&temporary))?;
    std::fs::rename(&temporary, path).map_err(failed(path))
}

fn temporary(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}.tmp", std::process::id()));
    path.with_file_name(name)
}
