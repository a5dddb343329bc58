//! Which manifest a command means (CLI-9).

use std::io::Read;
use std::path::{Path, PathBuf};

use super::overrides;
use super::read::{Document, read_all};
use crate::failure::Failure;

/// Candidates in one folder, each group a rank of its own.
const CANDIDATES: [&[&str]; 2] = [&["koan.yaml", "koan.yml"], &[".koan/koan.yaml"]];
/// Largest input that is read before the limit of the reader answers.
const MAX_READ: u64 = 3 * 1024 * 1024 + 1;

/// The documents of a manifest and the folder that it belongs to.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    /// Documents in order.
    pub(crate) documents: Vec<Document>,
    /// Real path of the project folder; relative paths of the manifest start here.
    pub(crate) project: PathBuf,
    /// What the person should know about the files that were read.
    pub(crate) notices: Vec<String>,
}

/// Reads the manifest of a run with everything that overrides it (CLI-25).
///
/// # Errors
/// As [`locate`], and what the overrides hold.
pub(crate) fn find(files: &[PathBuf], working: &Path) -> Result<Found, Failure> {
    let mut found = locate(files, working)?;
    found.notices = overrides::of_project(&found.project, &mut found.documents)?;
    Ok(found)
}

/// Reads `-f` files, each laid over those before it, else the first candidate from the working folder upwards to the repository root.
///
/// # Errors
/// [`Failure::NoManifest`] with every place looked at, [`Failure::TwoManifests`], or what reading found.
fn locate(files: &[PathBuf], working: &Path) -> Result<Found, Failure> {
    if files.is_empty() {
        return search(working);
    }
    let mut documents = Vec::new();
    for file in files {
        let mut further = Vec::new();
        for path in expand(file)? {
            further.extend(read_path(&path)?);
        }
        overrides::fold(&mut documents, further);
    }
    let first = files.iter().find(|file| file.as_os_str() != "-");
    let project = match first {
        Some(path) if path.is_dir() => path.clone(),
        Some(path) => path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(working).to_path_buf(),
        None => working.to_path_buf(),
    };
    let project = working.join(project);
    Ok(Found { documents, project: project.canonicalize().unwrap_or(project), notices: Vec::new() })
}

fn search(working: &Path) -> Result<Found, Failure> {
    let mut looked = Vec::new();
    for folder in working.ancestors() {
        for group in CANDIDATES {
            let present: Vec<PathBuf> = group.iter().map(|name| folder.join(name)).filter(|path| path.is_file()).collect();
            match present.as_slice() {
                [] => looked.extend(group.iter().map(|name| folder.join(name))),
                [path] => {
                    return Ok(Found {
                        documents: read_path(path)?,
                        project: folder.canonicalize().unwrap_or_else(|_| folder.to_path_buf()),
                        notices: Vec::new(),
                    });
                }
                [one, two, ..] => return Err(Failure::TwoManifests { one: one.clone(), two: two.clone() }),
            }
        }
        if folder.join(".git").exists() {
            break;
        }
    }
    let compose = ["compose.yaml", "compose.yml", "docker-compose.yml"].iter().any(|name| working.join(name).exists());
    Err(Failure::NoManifest { looked, compose })
}

/// A folder stands for the manifests directly in it, in the order of their names.
fn expand(file: &Path) -> Result<Vec<PathBuf>, Failure> {
    if !file.is_dir() {
        return Ok(vec![file.to_path_buf()]);
    }
    let entries = std::fs::read_dir(file).map_err(|source| Failure::ReadFile { path: file.to_path_buf(), source })?;
    let mut paths: Vec<PathBuf> = entries
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml" || e == "yml" || e == "json"))
        .collect();
    paths.sort();
    if paths.is_empty() {
        return Err(Failure::NoManifest { looked: vec![file.to_path_buf()], compose: false });
    }
    Ok(paths)
}

fn read_path(path: &Path) -> Result<Vec<Document>, Failure> {
    read_all(&path.display().to_string(), &read_bytes(path)?)
}

/// The bytes of a file, `-` for standard input; one beyond the reader's limit is cut, and refused by the reader.
pub(crate) fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let fail = |source| Failure::ReadFile { path: path.to_path_buf(), source };
    let mut bytes = Vec::new();
    if path.as_os_str() == "-" {
        std::io::stdin().lock().take(MAX_READ).read_to_end(&mut bytes).map_err(fail)?;
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_READ).read_to_end(&mut bytes)).map_err(fail)?;
    }
    Ok(bytes)
}
