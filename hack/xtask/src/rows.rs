//! `cargo xtask rows`: requirement ids of the specification that no test names; fails for P and SEC rows of existing rooms.

use crate::rooms::Rooms;
use crate::workspace::{Problems, Workspace};
use crate::{sources, spec};
use anyhow::Result;
use std::collections::BTreeSet;

/// Lists requirement ids without a test.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// What tests name in their documentation, and what they are called.
struct Named {
    ids: BTreeSet<String>,
    tests: Vec<String>,
}

/// Runs the check.
///
/// # Errors
/// A source, a page or `hack/rooms.toml` cannot be read.
pub(crate) fn run(_: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let rooms = Rooms::load(&workspace.root)?;
    let Some(folder) = spec::folder(&workspace.root) else { return Ok(Vec::new()) };
    let named = named(&workspace)?;
    let mut problems = Vec::new();
    for (page, ids) in spec::ids(&folder)? {
        let missing: Vec<&String> = ids.iter().filter(|id| !named.ids.contains(*id)).collect();
        let words: Vec<&str> = missing.iter().map(|id| id.as_str()).collect();
        println!("{page}: {} of {} without a test: {}", missing.len(), ids.len(), words.join(" "));
        problems.extend(ids.iter().filter_map(|id| row_without_test(id, &named, &rooms)));
    }
    Ok(problems)
}

/// P and SEC rows are proved by a test whose name carries the row and whose documentation names it.
fn row_without_test(id: &str, named: &Named, rooms: &Rooms) -> Option<String> {
    let word = if id.starts_with("SEC-") {
        id.to_lowercase().replace('-', "_")
    } else if id.starts_with('P') && !id.contains('-') {
        id.to_lowercase()
    } else {
        return None;
    };
    let Some(room) = rooms.of_id(id) else { return Some(format!("{id} has no room in hack/rooms.toml")) };
    let proved = named.ids.contains(id) && named.tests.iter().any(|test| carries(test, &word));
    (rooms.exists(room) && !proved).then(|| {
        format!("{id} has no test: {} exists, so a test `{word}_…` whose doc comment names {id} is owed", rooms.path(room))
    })
}

fn carries(test: &str, word: &str) -> bool {
    format!("_{test}_").contains(&format!("_{word}_"))
}

fn named(workspace: &Workspace) -> Result<Named> {
    let mut named = Named { ids: BTreeSet::new(), tests: Vec::new() };
    for path in sources::files(&workspace.root, &["rs"]) {
        for test in sources::tests(&sources::read(&path)?, sources::is_test_file(&path)) {
            named.ids.extend(spec::spelled(&test.documentation));
            named.tests.push(test.name);
        }
    }
    for folder in ["tests", "hack", ".ci"] {
        for path in sources::files(&workspace.root.join(folder), &["", "sh", "py"]) {
            let text = std::fs::read_to_string(&path).unwrap_or_default();
            for comment in text.lines().map(str::trim).filter(|line| line.starts_with('#')) {
                named.ids.extend(spec::spelled(comment));
            }
        }
    }
    Ok(named)
}

#[cfg(test)]
mod tests {
    use super::carries;

    #[test]
    fn a_row_is_a_whole_part_of_the_name() {
        assert!(carries("p12_the_finalizer_patch_is_accepted", "p12"));
        assert!(carries("docker_sec_4_rebinding", "sec_4"));
        assert!(!carries("sec_41_other", "sec_4"));
        assert!(!carries("step1_p1x", "p1"));
    }
}
