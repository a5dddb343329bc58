//! `hack/rooms.toml`: which room owes a requirement, and whether that room exists yet.

use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::path::Path;

/// The map of requirements and event blocks to rooms.
pub(crate) struct Rooms {
    /// Room → a path of the repository that exists once the room has its code.
    paths: BTreeMap<String, String>,
    /// Requirement id or prefix (`P`, `SEC`, `DET`) → room.
    ids: BTreeMap<String, String>,
    /// First event id of a block → room.
    events: BTreeMap<u32, String>,
    exists: BTreeMap<String, bool>,
}

impl Rooms {
    /// Reads `hack/rooms.toml` below `root`.
    ///
    /// # Errors
    /// The file is missing, is not of the form `[section]` and `key = "value"`, or names a room without a path.
    pub(crate) fn load(root: &Path) -> Result<Self> {
        let path = root.join("hack/rooms.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        Self::parse(&text, |room| root.join(room).exists()).with_context(|| path.display().to_string())
    }

    fn parse(text: &str, exists: impl Fn(&str) -> bool) -> Result<Self> {
        let mut sections = read_sections(text)?;
        let mut take = |name: &str| sections.remove(name).unwrap_or_default();
        let (paths, ids, blocks) = (take("rooms"), take("ids"), take("events"));
        let mut events = BTreeMap::new();
        for (first, room) in blocks {
            events.insert(first.parse().with_context(|| format!("event block {first}"))?, room);
        }
        for room in ids.values().chain(events.values()) {
            if !paths.contains_key(room) {
                bail!("room {room} has no path in [rooms]");
            }
        }
        let exists = paths.iter().map(|(room, path)| (room.clone(), exists(path))).collect();
        Ok(Self { paths, ids, events, exists })
    }

    /// Room of a requirement: by its id, else by its prefix.
    pub(crate) fn of_id(&self, id: &str) -> Option<&str> {
        let prefix = id.trim_end_matches(|symbol: char| symbol.is_ascii_digit()).trim_end_matches('-');
        self.ids.get(id).or_else(|| self.ids.get(prefix)).map(String::as_str)
    }

    /// Room of an event: that of the block that begins at or before its id.
    pub(crate) fn of_event(&self, id: u32) -> Option<&str> {
        self.events.range(..=id).next_back().map(|(_, room)| room.as_str())
    }

    /// True when the room's path exists.
    pub(crate) fn exists(&self, room: &str) -> bool {
        self.exists.get(room).copied().unwrap_or_default()
    }

    /// Path of a room, for messages.
    pub(crate) fn path(&self, room: &str) -> &str {
        self.paths.get(room).map(String::as_str).unwrap_or_default()
    }
}

fn read_sections(text: &str) -> Result<BTreeMap<String, BTreeMap<String, String>>> {
    let mut sections: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    let mut section = String::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.split(" #").next().unwrap_or_default().trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut section);
        } else if let Some((key, value)) = line.split_once('=') {
            let unquoted = |word: &str| word.trim().trim_matches('"').to_owned();
            sections.entry(section.clone()).or_default().insert(unquoted(key), unquoted(value));
        } else {
            bail!("line {}: neither `[section]` nor `key = \"value\"`", number + 1);
        }
    }
    Ok(sections)
}

#[cfg(test)]
mod tests {
    use super::Rooms;

    const MAP: &str = "[rooms]\ncore = \"a\" # the pure one\nlater = \"b\"\n[ids]\nSEC = \"later\"\nSEC-3 = \"core\"\n[events]\n48000 = \"core\"\n48040 = \"later\"\n";

    #[test]
    fn an_id_outranks_its_prefix() {
        let rooms = Rooms::parse(MAP, |path| path == "a").expect("a valid map");
        assert_eq!(rooms.of_id("SEC-3"), Some("core"));
        assert_eq!(rooms.of_id("SEC-31"), Some("later"));
        assert_eq!(rooms.of_id("P1"), None);
        assert_eq!(rooms.of_event(48_022), Some("core"));
        assert_eq!(rooms.of_event(48_041), Some("later"));
        assert!(rooms.exists("core") && !rooms.exists("later"));
    }

    #[test]
    fn a_room_without_a_path_is_refused() {
        assert!(Rooms::parse("[ids]\nP1 = \"nowhere\"\n", |_| true).is_err());
    }
}
