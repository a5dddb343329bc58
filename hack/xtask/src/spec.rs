//! The specification pages beside the repository: which requirement ids and events they define. Absent on most machines.

use crate::sources;
use anyhow::Result;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where the pages are, relative to the repository.
const FOLDER: &str = "../shared/spec";
/// Prefixes of ids that a page defines in bold at the start of a bullet or of a table row.
const BOLD: [&str; 11] = ["API", "CLI", "DET", "ENG", "EXP", "INF", "INT", "K", "PERF", "REL", "SEC"];
/// Prefixes of ids that a page defines as the plain first cell of a table row.
const ROWS: [&str; 5] = ["SEC", "P", "S", "L", "D"];
const EVENT_PAGE: &str = "cli.md";

/// Folder of the pages, when it is there; else says that it is not.
pub(crate) fn folder(root: &Path) -> Option<PathBuf> {
    let folder = root.join(FOLDER);
    if folder.is_dir() {
        return Some(folder);
    }
    println!("{FOLDER} is absent: there is nothing to compare with");
    None
}

/// Ids by page, in the order of the page.
///
/// # Errors
/// A page cannot be read.
pub(crate) fn ids(folder: &Path) -> Result<BTreeMap<String, Vec<String>>> {
    let mut pages = BTreeMap::new();
    for path in sources::files(folder, &["md"]) {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut found: Vec<String> = Vec::new();
        for id in sources::read(&path)?.lines().flat_map(defined) {
            if !found.contains(&id) {
                found.push(id);
            }
        }
        pages.insert(name, found);
    }
    pages.retain(|_, found| !found.is_empty());
    Ok(pages)
}

fn defined(line: &str) -> Vec<String> {
    let Some(start) = line.strip_prefix("- ").or_else(|| line.strip_prefix("| ")) else {
        return Vec::new();
    };
    if let Some(bold) = start.strip_prefix("**") {
        return id(bold, &BOLD).into_iter().collect();
    }
    if !line.starts_with('|') {
        return Vec::new();
    }
    let cell = start.split('|').next().unwrap_or_default().trim();
    cell.split([',', '…']).map(str::trim).filter_map(|word| id(word, &ROWS).filter(|found| found == word)).collect()
}

/// The id that `text` begins with; P rows are written without a hyphen.
fn id(text: &str, prefixes: &[&str]) -> Option<String> {
    let letters = text.len() - text.trim_start_matches(|symbol: char| symbol.is_ascii_uppercase()).len();
    let (prefix, rest) = text.split_at(letters);
    let digits = if prefix == "P" { rest } else { rest.strip_prefix('-')? };
    let number: String = digits.chars().take_while(char::is_ascii_digit).collect();
    let hyphen = if prefix == "P" { "" } else { "-" };
    (prefixes.contains(&prefix) && !number.is_empty()).then(|| format!("{prefix}{hyphen}{number}"))
}

/// Event ids and names of cli.md section 10: rows of `| 48000–48005 | A · B (note) · … |`.
///
/// # Errors
/// The page cannot be read.
pub(crate) fn events(folder: &Path) -> Result<BTreeMap<u32, String>> {
    let mut events = BTreeMap::new();
    for line in sources::read(&folder.join(EVENT_PAGE))?.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let first = cells.next().and_then(|range| range.split('–').next()?.parse::<u32>().ok());
        let (Some(first), Some(names)) = (first, cells.next()) else { continue };
        for (id, name) in (first..).zip(names.split('·')) {
            let name = name.trim().split([' ', '(']).next().unwrap_or_default();
            events.insert(id, name.to_owned());
        }
    }
    Ok(events)
}

/// Every id that `text` spells.
pub(crate) fn spelled(text: &str) -> impl Iterator<Item = String> + '_ {
    let part_of_id = |symbol: char| symbol.is_ascii_alphanumeric() || symbol == '-';
    text.split(move |symbol: char| !part_of_id(symbol))
        .filter_map(|word| id(word, &BOLD).or_else(|| id(word, &ROWS)).filter(|found| found == word))
}

#[cfg(test)]
mod tests {
    use super::{defined, spelled};

    #[test]
    fn ids_are_taken_where_they_are_defined() {
        assert_eq!(defined("- **REL-11** The CI part"), ["REL-11"]);
        assert_eq!(defined("| **API-35** build | one tools module |"), ["API-35"]);
        assert_eq!(defined("| SEC-4 | 2 | web page |"), ["SEC-4"]);
        assert_eq!(defined("| P12 | finalizer patch |"), ["P12"]);
        assert_eq!(defined("| L-7, L-8 | a broken stack |"), ["L-7", "L-8"]);
        assert!(defined("see **REL-11** and P12").is_empty());
        assert!(defined("| Pod | x |").is_empty());
    }

    #[test]
    fn spelled_ids_are_whole_words() {
        assert_eq!(spelled("DET-16, SEC-1 (decision 0014): P4; K-1.").collect::<Vec<_>>(), ["DET-16", "SEC-1", "P4", "K-1"]);
        assert_eq!(spelled("SHA-256, UTF-8").count(), 0);
    }
}
