//! The workspace as cargo sees it, and the lines that every check works on.

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand, Package};
use std::path::{Path, PathBuf};

/// What a check found wrong, one sentence each; empty means passed.
pub(crate) type Problems = Vec<String>;

/// Root of the repository and its crates.
pub(crate) struct Workspace {
    /// Absolute path of the repository.
    pub(crate) root: PathBuf,
    metadata: Metadata,
}

impl Workspace {
    /// Reads the workspace that cargo runs this program in; the one it was built in may be another clone.
    ///
    /// # Errors
    /// Not run by cargo, or `cargo metadata` fails.
    pub(crate) fn load() -> Result<Self> {
        let folder = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
        let manifest = Path::new(&folder).join("../../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(&manifest)
            .other_options(["--locked".to_owned(), "--offline".to_owned()])
            .no_deps()
            .exec()
            .with_context(|| format!("cargo metadata of {}", manifest.display()))?;
        Ok(Self { root: metadata.workspace_root.clone().into_std_path_buf(), metadata })
    }

    /// Crates of the workspace, sorted by name.
    pub(crate) fn crates(&self) -> Vec<&Package> {
        let mut crates = self.metadata.workspace_packages();
        crates.sort_by(|left, right| left.name.cmp(&right.name));
        crates
    }

    /// `path` as it is shown to people: relative to the repository.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

/// Folder of a crate.
pub(crate) fn folder(package: &Package) -> PathBuf {
    package.manifest_path.parent().map(|folder| folder.as_std_path().to_path_buf()).unwrap_or_default()
}
