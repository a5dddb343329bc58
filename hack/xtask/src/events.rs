//! `cargo xtask events`: the code's event table equals that of the command line's page, and each event is emitted in a test.

use crate::rooms::Rooms;
use crate::workspace::{Problems, Workspace};
use crate::{sources, spec};
use anyhow::Result;
use koan_crds::events::Event;
use std::collections::BTreeMap;

/// Checks the event table and that each event is emitted by a test.
#[derive(clap::Args)]
pub(crate) struct Arguments {}

/// The table itself, whose tests name every event without emitting one.
const TABLE: &str = "crds";

/// Runs the check.
///
/// # Errors
/// A source, the page or `hack/rooms.toml` cannot be read.
pub(crate) fn run(_: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let rooms = Rooms::load(&workspace.root)?;
    let mut problems = match spec::folder(&workspace.root) {
        Some(folder) => differences(&spec::events(&folder)?, &rooms),
        None => Vec::new(),
    };
    let tests = sources::test_code(&workspace.root, &[TABLE, "hack"])?;
    let owed: Vec<Event> =
        Event::ALL.into_iter().filter(|event| rooms.of_event(event.id()).is_some_and(|room| rooms.exists(room))).collect();
    for event in &owed {
        if !sources::has_word(&tests, event.as_str()) {
            problems.push(format!("event {} {} is emitted by no test", event.id(), event.as_str()));
        }
    }
    println!("events: {} in the table, {} of rooms that exist", Event::ALL.len(), owed.len());
    Ok(problems)
}

fn differences(wanted: &BTreeMap<u32, String>, rooms: &Rooms) -> Problems {
    let coded: BTreeMap<u32, &str> = Event::ALL.into_iter().map(|event| (event.id(), event.as_str())).collect();
    let mut problems = Vec::new();
    for (id, name) in wanted {
        let room_exists = rooms.of_event(*id).is_some_and(|room| rooms.exists(room));
        match coded.get(id) {
            Some(code) if code == name => {}
            Some(code) => problems.push(format!("event {id} is {code} in the code and {name} in the table")),
            None if room_exists => problems.push(format!("event {id} {name} is not in the code")),
            None => {}
        }
    }
    problems.extend(
        coded
            .iter()
            .filter(|(id, _)| !wanted.contains_key(id))
            .map(|(id, name)| format!("event {id} {name} is not in the table")),
    );
    problems
}
