//! Where everything of one instance lies.
//!
//! ```text
//! <state>/process/workloads/<object>/  spec.json  lock  output.log  output.log.1
//! <state>/process/runs/<object>.json   record of the last run; one folder, so that one watch sees each change
//! <data>/<volume>/                     data folder, 0700, of the account that runs the server
//! <data>/.volumes/<volume>.json        its owner, path and creation time; beside it the mark of a preparation
//! <runtime>/<hash of the object>/      job.json  control  trouble  files/  run/  memory/
//! ```

use std::fmt::Write;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::error::ProcessError;
use super::options::ProcessOptions;

/// Longest name of an object.
const MAX_NAME: usize = 200;
/// Bytes of the hash that name a private folder: socket paths are short.
const SHORT_HASH: usize = 6;
/// Only the owner enters.
pub(crate) const PRIVATE: u32 = 0o700;
/// Others may pass through to folders whose names they know (ENG-17).
pub(crate) const PASSABLE: u32 = 0o711;

/// Paths of one instance.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    own: PathBuf,
    data: PathBuf,
    runtime: PathBuf,
}

/// Paths of one workload.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Its folder below the state directory.
    pub(crate) folder: PathBuf,
    /// What was created.
    pub(crate) spec: PathBuf,
    /// Locked while a supervisor lives.
    pub(crate) lock: PathBuf,
    /// Output.
    pub(crate) log: PathBuf,
    /// Record of the last run.
    pub(crate) record: PathBuf,
    /// Private folder of the current run.
    pub(crate) private: PathBuf,
}

/// Paths of one volume.
#[derive(Clone, Debug)]
pub(crate) struct VolumePlaces {
    /// The data folder.
    pub(crate) folder: PathBuf,
    /// What is known of it.
    pub(crate) metadata: PathBuf,
    /// Mark of a preparation.
    pub(crate) mark: PathBuf,
}

impl Layout {
    pub(crate) fn new(options: &ProcessOptions) -> Self {
        Self { own: options.state_dir.join("process"), data: options.data_root.clone(), runtime: options.runtime_root.clone() }
    }

    /// Folder that holds one folder per workload.
    pub(crate) fn workloads(&self) -> PathBuf {
        self.own.join("workloads")
    }

    /// Folder that holds the record of each workload.
    pub(crate) fn runs(&self) -> PathBuf {
        self.own.join("runs")
    }

    /// Folder of the data folders.
    pub(crate) fn data(&self) -> &Path {
        &self.data
    }

    /// Folder of what is known of them.
    pub(crate) fn volumes(&self) -> PathBuf {
        self.data.join(".volumes")
    }

    /// Folder of the private folders.
    pub(crate) fn runtime(&self) -> &Path {
        &self.runtime
    }

    /// Paths of a workload.
    ///
    /// # Errors
    /// [`ProcessError::Name`] for a name that could lead elsewhere (SEC-20).
    pub(crate) fn workload(&self, object: &str) -> Result<Places, ProcessError> {
        check("workload", object)?;
        let folder = self.workloads().join(object);
        Ok(Places {
            spec: folder.join("spec.json"),
            lock: folder.join("lock"),
            log: folder.join("output.log"),
            record: self.runs().join(format!("{object}.json")),
            private: self.runtime.join(short(object)),
            folder,
        })
    }

    /// Paths of a volume.
    ///
    /// # Errors
    /// [`ProcessError::Name`] for a name that could lead elsewhere (SEC-20).
    pub(crate) fn volume(&self, name: &str) -> Result<VolumePlaces, ProcessError> {
        check("volume", name)?;
        let known = self.volumes();
        Ok(VolumePlaces {
            folder: self.data.join(name),
            metadata: known.join(format!("{name}.json")),
            mark: known.join(format!("{name}.preparing")),
        })
    }
}

fn short(object: &str) -> String {
    Sha256::digest(object.as_bytes()).iter().take(SHORT_HASH).fold(String::new(), |mut text, byte| {
        // Writing into a String cannot fail.
        let _infallible = write!(text, "{byte:02x}");
        text
    })
}

fn check(what: &'static str, name: &str) -> Result<(), ProcessError> {
    let first = name.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    let rest = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if first && rest && name.len() <= MAX_NAME { Ok(()) } else { Err(ProcessError::Name { what, name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SEC-20: no name leads out of its folder or looks like an option.
    #[test]
    fn a_name_stays_in_its_folder() {
        for name in ["", ".", "..", "../x", "a/b", "-rf", ".volumes", "a\0b", "a b", "ä"] {
            assert!(check("volume", name).is_err(), "{name:?}");
        }
        assert!(check("volume", "koan-shop-db-1a2b3c4d_data.0").is_ok());
    }
}
