//! Rust sources as lines: which files there are, which lines are test code, what a test is called and says.

use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use walkdir::WalkDir;

/// Folders that hold no sources of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "shared", "node_modules"];

/// A test: where it is, what its doc comment says.
pub(crate) struct Test {
    pub(crate) name: String,
    pub(crate) documentation: String,
}

/// Files below `folder` with one of the extensions, sorted; an extension of "" takes files without one.
pub(crate) fn files(folder: &Path, extensions: &[&str]) -> Vec<PathBuf> {
    WalkDir::new(folder)
        .sort_by_file_name()
        .into_iter()
        .filter_entry(|entry| !SKIPPED.iter().any(|skipped| entry.file_name() == *skipped))
        .filter_map(Result::ok)
        .filter(|entry| entry.file_type().is_file())
        .map(walkdir::DirEntry::into_path)
        .filter(|path| extensions.contains(&path.extension().and_then(|word| word.to_str()).unwrap_or("")))
        .collect()
}

/// Text of a file.
///
/// # Errors
/// The file cannot be read or is not UTF-8.
pub(crate) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))
}

/// True for files that are compiled for tests only.
pub(crate) fn is_test_file(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name == "tests.rs") || path.components().any(|part| part.as_os_str() == "tests")
}

/// The lines with their numbers, without comments and without the blocks behind `#[cfg(test)]`.
///
/// A `#[cfg(test)]` block ends at the first line that is its closing brace at the same indentation: the formatter's layout.
pub(crate) fn product_lines(text: &str) -> Vec<(usize, &str)> {
    let mut lines = Vec::new();
    let mut skipped_until: Option<String> = None;
    let mut behind_attribute = false;
    for (number, line) in text.lines().enumerate() {
        let code = line.trim();
        if let Some(end) = &skipped_until {
            if line == end {
                skipped_until = None;
            }
        } else if code.starts_with("#[cfg(test)]") || code.starts_with("#[cfg(any(test") {
            behind_attribute = true;
        } else if behind_attribute {
            behind_attribute = code.starts_with("#[") || code.starts_with("//");
            if !behind_attribute && code.ends_with('{') {
                let indentation = &line[..line.len() - line.trim_start().len()];
                skipped_until = Some(format!("{indentation}}}"));
            }
        } else if !code.starts_with("//") {
            lines.push((number + 1, line));
        }
    }
    lines
}

/// The tests of a file: functions behind an attribute whose name is `test` or ends with `::test`; in a file of tests every
/// function, since a contract suite's cases are plain functions that a macro makes tests of, once per implementation.
pub(crate) fn tests(text: &str, in_test_file: bool) -> Vec<Test> {
    let mut found = Vec::new();
    let mut documentation = String::new();
    let mut is_test = false;
    for line in text.lines().map(str::trim) {
        if let Some(words) = line.strip_prefix("///") {
            documentation.push_str(words);
            documentation.push('\n');
        } else if line.starts_with("#[") {
            is_test = is_test || is_test_attribute(line);
        } else if let Some(name) = function_name(line) {
            if is_test || in_test_file {
                found.push(Test { name: name.to_owned(), documentation: std::mem::take(&mut documentation) });
            }
            documentation.clear();
            is_test = false;
        } else if !line.starts_with("//") && !line.ends_with("]") {
            documentation.clear();
            is_test = false;
        }
    }
    found
}

fn is_test_attribute(line: &str) -> bool {
    let name = line.trim_start_matches("#[").split(['(', ']']).next().unwrap_or("").trim();
    name == "test" || name.ends_with("::test")
}

fn function_name(line: &str) -> Option<&str> {
    let words = line.trim_start_matches("pub(crate) ").trim_start_matches("pub(super) ").trim_start_matches("pub ");
    let words = words.trim_start_matches("async ");
    let name = words.strip_prefix("fn ")?;
    name.split(['(', '<']).next()
}

/// True when `word` stands in `text` with no letter, digit or underscore beside it.
pub(crate) fn has_word(text: &str, word: &str) -> bool {
    let part_of_word = |symbol: char| symbol.is_alphanumeric() || symbol == '_';
    text.match_indices(word)
        .any(|(start, _)| !text[..start].ends_with(part_of_word) && !text[start + word.len()..].starts_with(part_of_word))
}

#[cfg(test)]
mod tests;

/// Everything that is compiled for tests only, comments left out; folders of the root in `skipped` are passed over.
///
/// # Errors
/// A file cannot be read.
pub(crate) fn test_code(root: &Path, skipped: &[&str]) -> Result<String> {
    let mut code = String::new();
    for path in files(root, &["rs"]) {
        if skipped.iter().any(|folder| path.starts_with(root.join(folder))) {
            continue;
        }
        let text = read(&path)?;
        let product: BTreeSet<usize> = match is_test_file(&path) {
            true => BTreeSet::new(),
            false => product_lines(&text).into_iter().map(|(number, _)| number).collect(),
        };
        let lines =
            text.lines().zip(1..).filter(|(line, number)| !product.contains(number) && !line.trim_start().starts_with("//"));
        code.extend(lines.flat_map(|(line, _)| [line, "\n"]));
    }
    Ok(code)
}
