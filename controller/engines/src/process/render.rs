//! Texts with holes become argument lists, files and an environment; secret values get no further than here and the job.

use std::cell::RefCell;
use std::path::{Component, Path, PathBuf};

use koan_core::text::{Part, Text, ValueRef, Values};
use koan_core::workload::{Mount, MountSource, ProcessRun, Run, WorkloadSpec};
use koan_crds::secret_like;

use super::error::ProcessError;
use super::layout::{Layout, Places};
use super::options::ProcessOptions;
use super::programs::find_program;
use crate::missing::name_of;

/// Prefixes of variables by which a loader takes foreign code (SEC-20).
const LOADER_PREFIXES: [&str; 2] = ["LD_", "DYLD_"];

/// Renders the texts of one workload.
pub(crate) struct Renderer<'a> {
    pub(crate) options: &'a ProcessOptions,
    pub(crate) layout: &'a Layout,
    pub(crate) places: &'a Places,
    pub(crate) spec: &'a WorkloadSpec,
    pub(crate) values: &'a Values,
}

/// The program of a workload.
///
/// # Errors
/// [`ProcessError::Container`] for a container.
pub(crate) fn program(spec: &WorkloadSpec) -> Result<&ProcessRun, ProcessError> {
    match &spec.run {
        Run::Process(run) => Ok(run),
        Run::Container(_) => Err(ProcessError::Container { object: spec.object.clone() }),
    }
}

/// Every check that needs no value, so that a workload that cannot run is refused before any effect (S-14).
pub(crate) fn check(spec: &WorkloadSpec) -> Result<(), ProcessError> {
    let run = program(spec)?;
    if run.command.is_empty() {
        return Err(field(spec, "process.command", "is empty"));
    }
    if run.working_dir.as_deref().is_some_and(|folder| !Path::new(folder).is_absolute()) {
        return Err(field(spec, "process.workingDir", "is no absolute path"));
    }
    for entry in &spec.env {
        check_key(&spec.object, &entry.name)?;
    }
    for file in &spec.files {
        relative(spec, &file.path)?;
    }
    let prepare = run.prepare.iter().flat_map(|step| &step.command);
    for text in run.command.iter().chain(prepare) {
        if text.references().any(is_secret) {
            return Err(field(
                spec,
                "process.command",
                "holds a secret; arguments are visible to every user: pass it by file or env",
            ));
        }
    }
    Ok(())
}

fn is_secret(reference: &ValueRef) -> bool {
    match reference {
        ValueRef::SecretKey { name: _, key } | ValueRef::Literal { key } => secret_like::key(key) || key == "url",
        ValueRef::Output { service: _, output } => secret_like::key(output) || output == "url",
        ValueRef::ConfigKey { .. } => false,
    }
}

fn check_key(object: &str, key: &str) -> Result<(), ProcessError> {
    let problem = |problem| ProcessError::Environment { object: object.to_owned(), key: key.to_owned(), problem };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    if key.is_empty() || !key.bytes().all(allowed) || key.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(problem("is no name of a variable: letters, digits, '-', '.' and '_', no digit first"));
    }
    if LOADER_PREFIXES.iter().any(|prefix| key.starts_with(prefix)) {
        return Err(problem("would make the loader take foreign code into the program"));
    }
    Ok(())
}

fn field(spec: &WorkloadSpec, field: &str, problem: impl Into<String>) -> ProcessError {
    ProcessError::Field { object: spec.object.clone(), field: field.to_owned(), problem: problem.into() }
}

/// Every value that the texts of a workload name is there, so that a lack is found before any effect.
pub(crate) fn check_values(spec: &WorkloadSpec, values: &Values) -> Result<(), ProcessError> {
    let run = program(spec)?;
    let steps = run.prepare.iter().flat_map(|step| step.command.iter().chain([&step.done_when]));
    let named = run.command.iter().chain(steps).map(|text| ("process".to_owned(), text));
    let env = spec.env.iter().map(|entry| (format!("env[{}]", entry.name), &entry.value));
    let files = spec.files.iter().map(|file| (format!("files[{}].content", file.path), &file.content));
    for (name, text) in named.chain(env).chain(files) {
        if let Some(missing) = text.references().find(|reference| values.get(reference).is_none()) {
            return Err(field(spec, &name, format!("needs {}, which is not known", name_of(&Part::Value(missing.clone())))));
        }
    }
    Ok(())
}

/// The path of a mounted file below the folder of files.
fn relative<'a>(spec: &WorkloadSpec, path: &'a str) -> Result<&'a Path, ProcessError> {
    let inside = Path::new(path).strip_prefix("/").unwrap_or(Path::new(path));
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    if plain && inside.components().next().is_some() {
        Ok(inside)
    } else {
        Err(field(spec, &format!("files[{path}].path"), "is no plain absolute path"))
    }
}

impl Renderer<'_> {
    /// One text as a string without NUL; `name` is its field path.
    ///
    /// # Errors
    /// The first part that nothing could fill.
    pub(crate) fn text(&self, name: &str, text: &Text) -> Result<String, ProcessError> {
        let trouble = RefCell::new(None);
        let place = |part: &Part| self.place(name, part).map_err(|error| trouble.replace(Some(error))).ok();
        match text.render(self.values, place) {
            Ok(secret) if secret.expose().contains('\0') => Err(field(self.spec, name, "holds a NUL byte")),
            Ok(secret) => Ok(secret.expose().clone()),
            Err(part) => Err(trouble
                .into_inner()
                .unwrap_or_else(|| field(self.spec, name, format!("needs {}, which is not known", name_of(&part))))),
        }
    }

    /// Program and arguments; a bare program name is looked up.
    pub(crate) fn command(&self, name: &str, command: &[Text]) -> Result<Vec<String>, ProcessError> {
        let mut words = Vec::with_capacity(command.len());
        for (index, text) in command.iter().enumerate() {
            words.push(self.text(&format!("{name}[{index}]"), text)?);
        }
        let first = words.first_mut().ok_or_else(|| field(self.spec, name, "is empty"))?;
        if !first.contains('/') {
            *first = self.find(first)?.display().to_string();
        } else if !Path::new(first.as_str()).is_absolute() {
            let folder = self.working_dir()?;
            *first = folder.join(first.as_str()).display().to_string();
        }
        Ok(words)
    }

    /// What the person's environment and the manifest say, and nothing else (ENG-10).
    pub(crate) fn environment(&self, other_account: bool) -> Result<Vec<(String, String)>, ProcessError> {
        let mut environment = self.options.environment.clone();
        if other_account {
            // The caller's home is closed to that account.
            environment.insert("HOME".to_owned(), self.run_folder().display().to_string());
        }
        for entry in &self.spec.env {
            check_key(&self.spec.object, &entry.name)?;
            environment.insert(entry.name.clone(), self.text(&format!("env[{}]", entry.name), &entry.value)?);
        }
        Ok(environment.into_iter().collect())
    }

    /// Working directory; the folder of the run where none is given.
    pub(crate) fn working_dir(&self) -> Result<PathBuf, ProcessError> {
        Ok(program(self.spec)?.working_dir.as_ref().map_or_else(|| self.run_folder(), PathBuf::from))
    }

    /// Private folder for sockets and the like.
    pub(crate) fn run_folder(&self) -> PathBuf {
        self.places.private.join("run")
    }

    /// Folder that stands for a mount in memory.
    pub(crate) fn memory_folder(&self, index: usize) -> PathBuf {
        self.places.private.join("memory").join(index.to_string())
    }

    /// Folder of the files.
    pub(crate) fn files_folder(&self) -> PathBuf {
        self.places.private.join("files")
    }

    /// Where a file of this path is written.
    pub(crate) fn file(&self, path: &str) -> Result<PathBuf, ProcessError> {
        Ok(self.files_folder().join(relative(self.spec, path)?))
    }

    fn find(&self, program: &str) -> Result<PathBuf, ProcessError> {
        let path = self.options.environment.get("PATH").map_or("", String::as_str);
        find_program(program, path, &self.options.programs).map_err(|missing| ProcessError::Program {
            object: self.spec.object.clone(),
            program: missing.program,
            folders: if missing.folders.is_empty() { "a known folder".to_owned() } else { missing.folders.join(", ") },
            package: missing.package,
        })
    }

    fn place(&self, name: &str, part: &Part) -> Result<String, ProcessError> {
        let unknown = || field(self.spec, name, format!("needs {}, which the workload does not have", name_of(part)));
        let path = match part {
            Part::DataFolder(target) => {
                let mut mounts = self.spec.mounts.iter().enumerate();
                let (index, mount) = mounts.find(|(_index, mount)| mount.target == *target).ok_or_else(unknown)?;
                self.source(index, mount)?
            }
            Part::RunFolder => self.run_folder(),
            Part::File(path) => {
                let known = self.spec.files.iter().any(|file| file.path == *path);
                if known { self.file(path)? } else { return Err(unknown()) }
            }
            // What a process listens on is what is published.
            Part::Port(port) | Part::Published(port) => {
                let port = self.spec.ports.iter().find(|entry| entry.name == *port).ok_or_else(unknown)?;
                return Ok(port.host.unwrap_or(port.container).to_string());
            }
            Part::ProgramFolder(program) => self.find(program)?.parent().map(Path::to_path_buf).ok_or_else(unknown)?,
            Part::Plain(_) | Part::Value(_) | Part::Quoted(_) | Part::Hashed(_) => return Err(unknown()),
        };
        Ok(path.display().to_string())
    }

    /// The folder of a mount; the mounts of a process are folders that its texts name, nothing is mounted.
    fn source(&self, index: usize, mount: &Mount) -> Result<PathBuf, ProcessError> {
        match &mount.source {
            MountSource::Volume(name) => Ok(self.layout.volume(name)?.folder),
            MountSource::Host(path) => Ok(PathBuf::from(path)),
            MountSource::Tmpfs(_) => Ok(self.memory_folder(index)),
        }
    }
}
