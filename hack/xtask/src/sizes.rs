//! `cargo xtask sizes`: long files state their reason (style rule 8), and every source is reached by a `mod` (style rule 41).

use crate::sources;
use crate::workspace::{Problems, Workspace, folder};
use anyhow::Result;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Lists long files with their reasons, and finds sources that nothing compiles.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// A file with more lines needs a reason.
const LINES_WITHOUT_REASON: usize = 400;
/// What a header line of such a file contains.
const REASON: &str = "400 lines";
/// Folders whose sources are input of tests, not part of a crate.
const FIXTURES: [&str; 3] = ["fixtures", "ui", "snapshots"];

/// Runs the check.
///
/// # Errors
/// The workspace or a source cannot be read.
pub(crate) fn run(_: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let mut problems = Vec::new();
    for path in sources::files(&workspace.root, &["rs"]) {
        let text = sources::read(&path)?;
        let lines = text.lines().count();
        if lines <= LINES_WITHOUT_REASON {
            continue;
        }
        match reason(&text) {
            Some(reason) => println!("{}: {lines} lines; {reason}", workspace.shown(&path)),
            None => problems.push(format!(
                "{}: {lines} lines without a reason; split it, or say in its header: `//! Over {REASON}: <reason>`",
                workspace.shown(&path)
            )),
        }
    }
    problems.extend(orphans(&workspace)?);
    Ok(problems)
}

/// The header line that gives the reason; the header is the comment that the file begins with.
fn reason(text: &str) -> Option<&str> {
    text.lines()
        .take_while(|line| line.starts_with("//") || line.is_empty())
        .find(|line| line.contains(REASON))
        .map(|line| line.trim_start_matches(['/', '!', ' ']))
}

fn orphans(workspace: &Workspace) -> Result<Problems> {
    let mut reached = BTreeSet::new();
    for package in workspace.crates() {
        for target in &package.targets {
            reach(target.src_path.as_std_path(), true, &mut reached)?;
        }
    }
    let mut problems = Vec::new();
    for package in workspace.crates() {
        for kind in ["src", "tests", "benches", "examples"] {
            for path in sources::files(&folder(package).join(kind), &["rs"]) {
                let is_fixture = path.components().any(|part| FIXTURES.iter().any(|fixture| part.as_os_str() == *fixture));
                if !is_fixture && !reached.contains(&path) && !is_of_nested_crate(&path, package) {
                    problems.push(format!("{} is reached by no `mod`: name it or remove it", workspace.shown(&path)));
                }
            }
        }
    }
    problems.sort();
    problems.dedup();
    Ok(problems)
}

/// `tests/src` lies in the folder of its own crate and in none of another; a crate inside `src` would not.
fn is_of_nested_crate(path: &Path, package: &cargo_metadata::Package) -> bool {
    path.ancestors().skip(1).take_while(|above| *above != folder(package)).any(|above| above.join("Cargo.toml").exists())
}

/// Follows `mod` and `include!` from `path`, where modules lie beside a root or a `mod.rs`, else in a folder of its name.
fn reach(path: &Path, is_root: bool, reached: &mut BTreeSet<PathBuf>) -> Result<()> {
    if !path.exists() || !reached.insert(path.to_path_buf()) {
        return Ok(());
    }
    let text = sources::read(path)?;
    let beside = path.parent().unwrap_or(path);
    let is_door = is_root || path.file_name().is_some_and(|name| name == "mod.rs");
    let home = if is_door { beside.to_path_buf() } else { path.with_extension("") };
    let mut given_path = None;
    for line in text.lines().map(str::trim) {
        if let Some(value) = quoted_after(line, "#[path = ") {
            given_path = Some(beside.join(value));
        } else if let Some(value) = quoted_after(line, "include!(") {
            reach(&beside.join(value), false, reached)?;
        } else if let Some(name) = declared_module(line) {
            match given_path.take() {
                Some(path) => reach(&path, false, reached)?,
                None => {
                    reach(&home.join(format!("{name}.rs")), false, reached)?;
                    reach(&home.join(name).join("mod.rs"), false, reached)?;
                }
            }
        }
    }
    Ok(())
}

fn declared_module(line: &str) -> Option<&str> {
    let mut words = line.strip_suffix(';')?.rsplit(' ');
    let name = words.next()?;
    (words.next()? == "mod" && words.all(|word| word.starts_with("pub"))).then_some(name)
}

fn quoted_after<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    let (_, rest) = line.split_once(start)?;
    rest.strip_prefix('"')?.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::{declared_module, quoted_after, reason};

    #[test]
    fn a_reason_stands_in_the_header_only() {
        assert_eq!(reason("//! Parser.\n//! Over 400 lines: one table.\nfn f() {}\n"), Some("Over 400 lines: one table."));
        assert_eq!(reason("//! Parser.\nfn f() {}\n// Over 400 lines: too late.\n"), None);
    }

    #[test]
    fn declarations_are_told_from_inline_modules() {
        assert_eq!(declared_module("mod layers;"), Some("layers"));
        assert_eq!(declared_module("pub(crate) mod layers;"), Some("layers"));
        assert_eq!(declared_module("mod tests {"), None);
        assert_eq!(declared_module("use mod_name;"), None);
        assert_eq!(quoted_after("#[path = \"a/b.rs\"]", "#[path = "), Some("a/b.rs"));
    }
}
