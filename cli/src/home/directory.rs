//! The state directory: 0700, ours, and what lies in it.

use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use koan_crds::vocabulary::ExitCode;

use crate::failure::Failure;

/// Paths of one home.
#[derive(Clone, Debug)]
pub(crate) struct Home {
    pub(crate) root: PathBuf,
}

impl Home {
    /// Kubeconfig of the running server; absent while none runs.
    pub(crate) fn kubeconfig(&self) -> PathBuf {
        self.root.join("kubeconfig")
    }

    /// Who serves: process id, start time, version.
    pub(crate) fn record(&self) -> PathBuf {
        self.root.join("server.json")
    }

    /// Log of a server in the background.
    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("server.log")
    }

    /// Folder of secret files that containers mount.
    pub(crate) fn secrets(&self) -> PathBuf {
        self.root.join("files")
    }
}

/// Makes the state directory, or checks the one that is there.
///
/// # Errors
/// [`Failure::Home`] with path, mode and owner found and the command that mends it (reliability.md section 8).
pub(crate) fn prepare(root: &Path) -> Result<Home, Failure> {
    let home = Home { root: root.to_path_buf() };
    match std::fs::symlink_metadata(root) {
        Ok(found) => check(root, &found)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            std::fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(root)
                .map_err(|source| Failure::WriteFile { path: root.to_path_buf(), source })?;
        }
        Err(source) => return Err(Failure::ReadFile { path: root.to_path_buf(), source }),
    }
    Ok(home)
}

fn check(root: &Path, found: &std::fs::Metadata) -> Result<(), Failure> {
    let refuse = |message: String, hint: String| Failure::Home { message, hint, exit: ExitCode::Usage };
    if !found.is_dir() {
        return Err(refuse(
            format!("state directory {} is no directory", root.display()),
            "name another one with --home or KOAN_HOME".to_owned(),
        ));
    }
    let uid = rustix::process::geteuid().as_raw();
    if found.uid() != uid {
        return Err(refuse(
            format!("state directory {} belongs to uid {}, not to uid {uid}", root.display(), found.uid()),
            format!("chown {uid} {}   (or name another one with KOAN_HOME)", root.display()),
        ));
    }
    let mode = found.permissions().mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(refuse(
            format!("state directory {} has mode {mode:04o}; others could read its secrets", root.display()),
            format!("chmod 0700 {}", root.display()),
        ));
    }
    Ok(())
}

/// Bytes of an instance id.
const INSTANCE_BYTES: usize = 8;

/// The instance id of a home: made once, kept for ever, written on everything that Koan creates.
///
/// # Errors
/// [`Failure::WriteFile`], [`Failure::ReadFile`].
pub(crate) fn instance_of(home: &Home) -> Result<koan_core::identity::InstanceId, Failure> {
    let path = home.root.join("instance");
    match std::fs::read_to_string(&path) {
        Ok(text) if !text.trim().is_empty() => return Ok(text.trim().into()),
        Ok(_) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(source) => return Err(Failure::ReadFile { path, source }),
    }
    let mut bytes = [0; INSTANCE_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| Failure::Bug { message: format!("no randomness: {error}") })?;
    let id = koan_crds::names::hex(&bytes);
    let fail = |source| Failure::WriteFile { path: path.clone(), source };
    // Two commands may make it at the same time: the first link wins, and both read it.
    let temporary = path.with_extension(format!("{}", std::process::id()));
    std::fs::write(&temporary, &id).map_err(fail)?;
    let linked = std::fs::hard_link(&temporary, &path);
    std::fs::remove_file(&temporary).map_err(fail)?;
    match linked {
        Ok(()) => Ok(id.as_str().into()),
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => instance_of(home),
        Err(source) => Err(Failure::WriteFile { path, source }),
    }
}
