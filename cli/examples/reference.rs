//! Prints the reference of the command line: `pages`, a JSON object of paths and texts, or `flags`. `cargo xtask cli` writes the pages.

use std::collections::BTreeMap;
use std::io::Write;

fn main() -> std::process::ExitCode {
    let text = match std::env::args().nth(1).as_deref() {
        Some("pages") => serde_json::json!(koan::reference::pages().into_iter().collect::<BTreeMap<_, _>>()).to_string(),
        Some("flags") => koan::reference::all_flags().join("\n") + "\n",
        _ => return std::process::ExitCode::FAILURE,
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
