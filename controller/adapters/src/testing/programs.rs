//! Servers that have no process form of their own, started for tests alone.

use koan_core::recipe::ProcessRecipe;
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;

use crate::texts::credential;

/// Where such a server keeps its data.
const DATA: &str = "/data";

/// A program of `PATH` with its words and variables: `<data>` is its data folder, `<token>` its token, `<file:PATH>` a file and
/// every other name between such brackets a port.
pub(crate) fn program(
    name: &'static [&'static str; 1],
    words: &[&str],
    variables: &[(&str, &str)],
    files: &[(&str, &str)],
) -> ProcessRecipe {
    let [server] = name;
    let own = Text(vec![Part::ProgramFolder((*server).to_owned()), Part::Plain(format!("/{server}"))]);
    ProcessRecipe {
        programs: name,
        folders: &[],
        package: server,
        prepare: Vec::new(),
        files: files.iter().map(|(path, pattern)| ((*path).to_owned(), 0o400, text(pattern))).collect(),
        command: [own].into_iter().chain(words.iter().map(|word| text(word))).collect(),
        env: variables.iter().map(|(name, pattern)| ((*name).to_owned(), text(pattern))).collect(),
        stop_signal: StopSignal::Term,
        data_paths: &[DATA],
    }
}

fn text(pattern: &str) -> Text {
    let part = |hole: &str| match (hole, hole.strip_prefix("file:")) {
        (_, Some(path)) => Part::File(path.to_owned()),
        ("data", None) => Part::DataFolder(DATA.to_owned()),
        ("token", None) => Part::Value(credential("token")),
        (port, None) => Part::Port(port.to_owned()),
    };
    let mut parts = Vec::new();
    for (index, piece) in pattern.split(['<', '>']).enumerate() {
        parts.push(if index % 2 == 1 { part(piece) } else { Part::Plain(piece.to_owned()) });
    }
    Text(parts)
}
