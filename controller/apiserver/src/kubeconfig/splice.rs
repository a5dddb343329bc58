//! Editing one list of a kubeconfig as text: only the lines of the edited entry change, so that comments, order and
//! unknown fields of everything else stay as they are.

use serde_json::Value;

/// Marks a section header that was not in the file before.
const ABSENT: &str = " # koan: was absent";
/// Marks a section header that stood for an empty list, followed by what it was.
const EMPTY: &str = " # koan: was ";
/// Marks a file whose last line had no line feed.
const UNENDED: &str = "# koan: no final line feed";

/// The lines of one top-level list.
struct Section {
    header: usize,
    /// The first line behind the section.
    end: usize,
}

/// A kubeconfig as lines.
pub(super) struct Lines(Vec<String>);

impl Lines {
    pub(super) fn new(text: &str) -> Self {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        if !text.is_empty() && !text.ends_with('\n') {
            lines.push(UNENDED.to_owned());
        }
        Self(lines)
    }

    /// The text; an unended file is ended again only once nothing else was added.
    pub(super) fn text(&self, undo: bool) -> String {
        let mut lines = self.0.clone();
        let unended = undo && lines.iter().any(|line| line == UNENDED);
        if unended {
            lines.retain(|line| line != UNENDED);
        }
        let mut text = lines.join("\n");
        if !lines.is_empty() && !unended {
            text.push('\n');
        }
        text
    }

    fn header_of(line: &str, name: &str) -> bool {
        line.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'))
    }

    fn section(&self, name: &str) -> Option<Section> {
        let header = self.0.iter().position(|line| Self::header_of(line, name))?;
        let mut end = header + 1;
        for (index, line) in self.0.iter().enumerate().skip(header + 1) {
            if line.starts_with([' ', '-']) && !line.starts_with("---") {
                end = index + 1;
            } else if !(line.trim().is_empty() || line.starts_with('#')) {
                break;
            }
        }
        Some(Section { header, end })
    }

    /// The range of lines of the entry called `entry`.
    fn entry(&self, section: &Section, entry: &str) -> Option<(usize, usize)> {
        let indent = self.indent(section);
        let starts: Vec<usize> = (section.header + 1..section.end)
            .filter(|index| self.0[*index].strip_prefix(&indent).is_some_and(|rest| rest.starts_with('-')))
            .collect();
        starts.iter().enumerate().find_map(|(position, start)| {
            let end = starts.get(position + 1).copied().unwrap_or(section.end);
            let text = self.0[*start..end].join("\n");
            let parsed: Value = serde_saphyr::from_str(&text).ok()?;
            (parsed[0]["name"] == entry).then_some((*start, end))
        })
    }

    /// The spaces before the dashes of a section.
    fn indent(&self, section: &Section) -> String {
        self.0[section.header + 1..section.end]
            .iter()
            .find(|line| line.trim_start().starts_with('-'))
            .map(|line| line.chars().take_while(|letter| *letter == ' ').collect())
            .unwrap_or_default()
    }

    /// Puts `lines` (a list entry without indent) in the place of the entry of that name, or at the end of its list.
    pub(super) fn put(&mut self, section: &str, entry: &str, lines: &[String]) {
        let Some(found) = self.section(section) else {
            self.0.push(format!("{section}:{ABSENT}"));
            self.0.extend_from_slice(lines);
            return;
        };
        let indent = self.indent(&found);
        let indented: Vec<String> = lines.iter().map(|line| format!("{indent}{line}")).collect();
        if let Some((start, end)) = self.entry(&found, entry) {
            self.0.splice(start..end, indented);
            return;
        }
        let value = self.0[found.header][section.len() + 1..].trim().to_owned();
        let bare = value.is_empty() && found.end == found.header + 1;
        if bare || !value.is_empty() && !value.starts_with('#') {
            self.0[found.header] = format!("{section}:{EMPTY}{value}");
        }
        self.0.splice(found.end..found.end, indented);
    }

    /// Takes the entry out, and its header if the file had none before.
    pub(super) fn take(&mut self, section: &str, entry: &str) {
        let Some(found) = self.section(section) else { return };
        let Some((start, end)) = self.entry(&found, entry) else { return };
        self.0.drain(start..end);
        if found.end - (end - start) > found.header + 1 {
            return;
        }
        let header = self.0[found.header].clone();
        if header.ends_with(ABSENT) {
            self.0.remove(found.header);
        } else if let Some((_, was)) = header.split_once(EMPTY) {
            self.0[found.header] = if was.is_empty() { format!("{section}:") } else { format!("{section}: {was}") };
        } else {
            self.0[found.header] = format!("{section}: []");
        }
    }

    /// Sets a top-level scalar, remembering what it was.
    pub(super) fn set(&mut self, field: &str, value: &str) {
        match self.0.iter().position(|line| Self::header_of(line, field)) {
            None => self.0.push(format!("{field}: {value}{ABSENT}")),
            Some(index) => {
                let was = self.0[index][field.len() + 1..].trim().to_owned();
                self.0[index] = format!("{field}: {value}{EMPTY}{was}");
            }
        }
    }

    /// Puts a top-level scalar back to what it was before it was set.
    pub(super) fn unset(&mut self, field: &str) {
        let Some(index) = self.0.iter().position(|line| Self::header_of(line, field)) else { return };
        let line = self.0[index].clone();
        if line.ends_with(ABSENT) {
            self.0.remove(index);
        } else if let Some((_, was)) = line.split_once(EMPTY) {
            self.0[index] = if was.is_empty() { format!("{field}:") } else { format!("{field}: {was}") };
        } else {
            self.0[index] = format!("{field}: \"\"");
        }
    }
}
