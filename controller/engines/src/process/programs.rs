//! Where a program lies: on `PATH`, then in the folders that recipes name, the greatest version first.

use std::cmp::Ordering;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::options::ProgramSource;

/// Most entries of one folder that a `*` looks at.
const MAX_ENTRIES: usize = 1000;
/// A file that somebody may execute.
const EXECUTABLE: u32 = 0o111;

/// A program that is nowhere.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the program {program} is neither on PATH nor in {}", if folders.is_empty() { "a known folder".to_owned() } else { folders.join(", ") })]
pub struct MissingProgram {
    /// The program.
    pub program: String,
    /// Folders beside `PATH` in which it was looked for.
    pub folders: Vec<String>,
    /// Package that brings it, where a recipe knows one.
    pub package: Option<String>,
}

/// Finds a program by its bare name. A folder that holds every program of its package comes before one that holds this program alone,
/// such as a folder of links: programs of one version belong together.
///
/// # Errors
/// [`MissingProgram`] with the package that brings it.
pub fn find_program(program: &str, path: &str, sources: &[ProgramSource]) -> Result<PathBuf, MissingProgram> {
    let sources: Vec<&ProgramSource> =
        sources.iter().filter(|source| source.programs.iter().any(|name| name == program)).collect();
    let on_path = std::env::split_paths(path).filter(|folder| folder.is_absolute());
    let in_folders = sources.iter().flat_map(|source| source.folders.iter().flat_map(|pattern| expand(pattern)));
    let holding: Vec<PathBuf> = on_path.chain(in_folders).filter(|folder| is_executable(&folder.join(program))).collect();
    let whole =
        |folder: &&PathBuf| sources.iter().any(|source| source.programs.iter().all(|name| is_executable(&folder.join(name))));
    let found = holding.iter().find(whole).or_else(|| holding.first());
    found.map(|folder| folder.join(program)).ok_or_else(|| MissingProgram {
        program: program.to_owned(),
        folders: sources.iter().flat_map(|source| source.folders.clone()).collect(),
        package: sources.first().map(|source| source.package.clone()),
    })
}

fn is_executable(file: &Path) -> bool {
    fs::metadata(file).is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & EXECUTABLE != 0)
}

/// The folders that a pattern stands for.
fn expand(pattern: &str) -> Vec<PathBuf> {
    pattern.split('/').filter(|segment| !segment.is_empty()).fold(vec![PathBuf::from("/")], |folders, segment| {
        match segment.split_once('*') {
            Some((before, after)) => folders.iter().flat_map(|folder| versions(folder, before, after)).collect(),
            None => folders.into_iter().map(|folder| folder.join(segment)).collect(),
        }
    })
}

/// Folders inside a folder whose names begin and end so, the greatest version first.
fn versions(folder: &Path, before: &str, after: &str) -> Vec<PathBuf> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .into_iter()
        .flatten()
        .take(MAX_ENTRIES)
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after))
        .collect();
    names.sort_by(|left, right| compare(right, left));
    names.into_iter().map(|name| folder.join(name)).filter(|path| path.is_dir()).collect()
}

/// Compares names number by number where both hold numbers.
fn compare(left: &str, right: &str) -> Ordering {
    let numbers =
        |text: &str| -> Vec<u64> { text.split(|c: char| !c.is_ascii_digit()).filter_map(|part| part.parse().ok()).collect() };
    numbers(left).cmp(&numbers(right)).then_with(|| left.cmp(right))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, relative: &str, mode: u32) {
        let file = root.join(relative);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, "#!/bin/sh\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
    }

    /// ENG-17: the greatest version of a recipe's folders wins by number, not by text; `PATH` comes before them.
    #[test]
    fn the_greatest_version_is_found() {
        let root = tempfile::tempdir().unwrap();
        for version in ["9.6", "15", "16", "100-broken"] {
            install(root.path(), &format!("lib/{version}/bin/postgres"), if version == "100-broken" { 0o644 } else { 0o755 });
        }
        let source = ProgramSource {
            programs: vec!["postgres".to_owned()],
            folders: vec![format!("{}/lib/*/bin", root.path().display())],
            package: "postgresql".to_owned(),
        };
        let sources = [source];
        assert_eq!(find_program("postgres", "", &sources).unwrap(), root.path().join("lib/16/bin/postgres"));
        install(root.path(), "path/postgres", 0o755);
        let path = format!("relative:{}", root.path().join("path").display());
        assert_eq!(find_program("postgres", &path, &sources).unwrap(), root.path().join("path/postgres"));
    }

    /// ENG-17: a link on `PATH` does not part a server from its other programs, and a `*` may stand inside a name.
    #[test]
    fn programs_of_one_version_stay_together() {
        let root = tempfile::tempdir().unwrap();
        install(root.path(), "path/postgres", 0o755);
        for version in ["pgsql-9", "pgsql-12", "other-99"] {
            install(root.path(), &format!("{version}/bin/postgres"), 0o755);
            install(root.path(), &format!("{version}/bin/initdb"), 0o755);
        }
        let source = ProgramSource {
            programs: vec!["postgres".to_owned(), "initdb".to_owned()],
            folders: vec![format!("{}/pgsql-*/bin", root.path().display())],
            package: "postgresql".to_owned(),
        };
        let path = root.path().join("path").display().to_string();
        assert_eq!(find_program("postgres", &path, &[source]).unwrap(), root.path().join("pgsql-12/bin/postgres"));
        assert_eq!(find_program("postgres", &path, &[]).unwrap(), root.path().join("path/postgres"));
    }

    /// ENG-17: a program that is not installed is named with its package.
    #[test]
    fn a_missing_program_names_its_package() {
        let source = ProgramSource {
            programs: vec!["redis-server".to_owned()],
            folders: vec!["/no/such/*".to_owned()],
            package: "redis-server".to_owned(),
        };
        let missing = find_program("redis-server", "/no/such/path", &[source]).unwrap_err();
        assert_eq!(missing.package.as_deref(), Some("redis-server"));
        assert_eq!(missing.folders, ["/no/such/*"]);
    }
}
