//! The user's kubeconfig on disk: found as client-go finds it, changed under client-go's lock, its mode kept.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::KubeconfigError;

/// How often a lock that somebody else holds is tried.
const LOCK_TRIES: usize = 20;
/// Pause between two tries.
const LOCK_PAUSE: Duration = Duration::from_millis(50);
/// The mode of a new kubeconfig.
const NEW_MODE: u32 = 0o600;
/// The largest kubeconfig that is read.
const SIZE_LIMIT: u64 = 8 * 1024 * 1024;

/// One kubeconfig of the user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeconfigFile {
    path: PathBuf,
}

/// The lock beside a kubeconfig, removed when dropped.
struct Lock(PathBuf);

impl Drop for Lock {
    fn drop(&mut self) {
        // A lock that is gone already is no lock.
        let _ = std::fs::remove_file(&self.0);
    }
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> KubeconfigError {
    let path = path.to_owned();
    move |cause| KubeconfigError::File { path, cause }
}

impl KubeconfigFile {
    /// The file to change: `explicit`, else of the colon-separated `variable` (`KUBECONFIG`) the first that exists or
    /// the last, else `home/.kube/config`.
    #[must_use]
    pub fn locate(explicit: Option<&Path>, variable: Option<&str>, home: &Path) -> Self {
        let listed: Vec<PathBuf> =
            variable.unwrap_or_default().split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
        let path = explicit
            .map(Path::to_owned)
            .or_else(|| listed.iter().find(|path| path.exists()).or(listed.last()).cloned())
            .unwrap_or_else(|| home.join(".kube/config"));
        Self { path }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its text; empty when it does not exist.
    ///
    /// # Errors
    /// It cannot be read, or is too large to be a kubeconfig.
    pub fn read(&self) -> Result<String, KubeconfigError> {
        match std::fs::metadata(&self.path) {
            Ok(metadata) if metadata.len() > SIZE_LIMIT => {
                let cause = std::io::Error::other(format!("larger than {SIZE_LIMIT} bytes"));
                return Err(KubeconfigError::File { path: self.path.clone(), cause });
            }
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
            Err(error) => return Err(failed(&self.path)(error)),
        }
        std::fs::read_to_string(&self.path).map_err(failed(&self.path))
    }

    /// Changes the text under the lock; an unchanged text is not written. A file that had nothing but what `change` takes
    /// away stays as an empty one.
    ///
    /// # Errors
    /// The lock is held by somebody else, `change` refused, or the file cannot be written. The file is then as it was.
    pub fn update(&self, change: impl FnOnce(&str) -> Result<String, KubeconfigError>) -> Result<(), KubeconfigError> {
        if let Some(parent) = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(failed(parent))?;
        }
        let _lock = self.lock()?;
        let before = self.read()?;
        let after = change(&before)?;
        if after == before {
            return Ok(());
        }
        // A link is followed, so that it stays one.
        let path = std::fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mode = std::fs::metadata(&path).map_or(NEW_MODE, |metadata| metadata.permissions().mode() & 0o777);
        let temporary = path.with_extension(format!("koan-{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary).map_err(failed(&temporary))?;
        let written = file
            .set_permissions(std::fs::Permissions::from_mode(mode))
            .and_then(|()| file.write_all(after.as_bytes()))
            .and_then(|()| file.sync_all())
            .and_then(|()| std::fs::rename(&temporary, &path));
        written.map_err(|cause| {
            let _ = std::fs::remove_file(&temporary);
            KubeconfigError::File { path, cause }
        })
    }

    fn lock(&self) -> Result<Lock, KubeconfigError> {
        let mut name = self.path.file_name().unwrap_or_default().to_owned();
        name.push(".lock");
        let path = self.path.with_file_name(name);
        for attempt in 1..=LOCK_TRIES {
            match OpenOptions::new().write(true).create_new(true).mode(NEW_MODE).open(&path) {
                Ok(_) => return Ok(Lock(path)),
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => return Err(failed(&path)(error)),
                Err(_) if attempt < LOCK_TRIES => std::thread::sleep(LOCK_PAUSE),
                Err(_) => {}
            }
        }
        Err(KubeconfigError::Locked { path })
    }
}
