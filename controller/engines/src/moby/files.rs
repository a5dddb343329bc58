//! Files that are mounted into containers: 0444 inside a 0700 folder of the state directory, made anew before each start (DET-24).

use std::collections::HashMap;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use koan_core::text::{Part, Text, Values};
use koan_core::workload::{FileEntry, PortEntry, Run, WorkloadSpec};

/// Workloads whose file texts are remembered for their next start.
const REMEMBERED_MAX: usize = 4096;

/// Writes the files of workloads and remembers their texts, which hold references only.
pub(crate) struct FileTemplates {
    root: PathBuf,
    known: Mutex<HashMap<String, Template>>,
}

#[derive(Clone)]
struct Template {
    files: Vec<FileEntry>,
    ports: Vec<PortEntry>,
}

/// Why files could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FilesError {
    /// A text needs something that a container does not have, or a value that was not given.
    #[error("{0} has no value")]
    Missing(String),
    /// The folder cannot be written.
    #[error("cannot write {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl FileTemplates {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, known: Mutex::default() }
    }

    /// Writes every file of a workload; answers the host path of each, in the order of the specification.
    pub(crate) fn write(&self, spec: &WorkloadSpec, values: &Values) -> Result<Vec<PathBuf>, FilesError> {
        let template = Template { files: spec.files.clone(), ports: spec.ports.clone() };
        let paths = self.render(&spec.object, &template, values)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= REMEMBERED_MAX {
            known.clear();
        }
        known.insert(spec.object.clone(), template);
        Ok(paths)
    }

    /// Writes the files of a workload anew, where this process knows their texts and every value was given.
    ///
    /// Files that stay as they were are still complete: they were written before `Create`.
    pub(crate) fn refresh(&self, object: &str, values: &Values) -> Result<(), FilesError> {
        let template = self.known.lock().unwrap_or_else(PoisonError::into_inner).get(object).cloned();
        match template {
            Some(template) if complete(&template, values) => self.render(object, &template, values).map(drop),
            Some(_) | None => Ok(()),
        }
    }

    /// Removes the folder of a workload.
    pub(crate) fn remove(&self, object: &str) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).remove(object);
        // An absent folder is as good as a removed one; a folder that stays is written anew at the next start.
        let _ = fs::remove_dir_all(self.root.join(object));
    }

    /// A mount source of the engine lies in this folder.
    pub(crate) fn holds(&self, source: &Path) -> bool {
        source.starts_with(&self.root)
    }

    fn render(&self, object: &str, template: &Template, values: &Values) -> Result<Vec<PathBuf>, FilesError> {
        if template.files.is_empty() {
            return Ok(Vec::new());
        }
        let folder = self.root.join(object);
        private_folder(&self.root)?;
        private_folder(&folder)?;
        let mut paths = Vec::with_capacity(template.files.len());
        for (index, file) in template.files.iter().enumerate() {
            let text = render(&file.content, values, &template.ports)?;
            let path = folder.join(index.to_string());
            replace(&path, text.expose().as_bytes(), file.mode)?;
            paths.push(path);
        }
        Ok(paths)
    }
}

/// Renders a text for a container: files lie where they are mounted, ports are those inside, published ones those of the host.
pub(crate) fn render(text: &Text, values: &Values, ports: &[PortEntry]) -> Result<koan_core::secret::Secret<String>, FilesError> {
    let place = |part: &Part| match part {
        Part::File(path) | Part::DataFolder(path) => Some(path.clone()),
        Part::Port(name) => ports.iter().find(|port| &port.name == name).map(|port| port.container.to_string()),
        Part::Published(name) => {
            let port = ports.iter().find(|port| &port.name == name);
            port.map(|port| port.host.unwrap_or(port.container).to_string())
        }
        Part::Plain(_) | Part::Value(_) | Part::Quoted(_) | Part::Hashed(_) | Part::RunFolder | Part::ProgramFolder(_) => None,
    };
    text.render(values, place).map_err(|part| FilesError::Missing(crate::missing::name_of(&part)))
}

/// The workload is a container.
pub(crate) fn container_of(spec: &WorkloadSpec) -> Option<&koan_core::workload::ContainerRun> {
    match &spec.run {
        Run::Container(run) => Some(run),
        Run::Process(_) => None,
    }
}

fn complete(template: &Template, values: &Values) -> bool {
    template.files.iter().flat_map(|file| file.content.references()).all(|reference| values.get(reference).is_some())
}

fn private_folder(path: &Path) -> Result<(), FilesError> {
    let fail = |source| FilesError::Io { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(fail)?;
    set_mode(path, 0o700).map_err(fail)
}

/// Writes beside the file and moves it there, so that a running container never reads half a file.
fn replace(path: &Path, bytes: &[u8], mode: u32) -> Result<(), FilesError> {
    let fail = |source| FilesError::Io { path: path.to_owned(), source };
    let partial = path.with_extension("partial");
    let _ = fs::remove_file(&partial);
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&partial).map_err(fail)?;
    file.write_all(bytes).map_err(fail)?;
    drop(file);
    // The container's user is not ours: everybody may read, nobody may write; only the bits for execution are kept.
    set_mode(&partial, 0o444 | (mode & 0o111)).map_err(fail)?;
    fs::rename(&partial, path).map_err(fail)
}

#[cfg(unix)]
fn set_mode(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
}

#[cfg(not(unix))]
fn set_mode(_path: &Path, _mode: u32) -> io::Result<()> {
    Ok(())
}
