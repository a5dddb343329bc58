//! Prints the reference of the command line: `commands`, `settings`, or `flags`. `cargo xtask cli` writes it into `docs/`.

use std::io::Write;

fn main() -> std::process::ExitCode {
    let text = match std::env::args().nth(1).as_deref() {
        Some("commands") => koan::reference::commands(),
        Some("settings") => koan::reference::settings(),
        Some("flags") => koan::reference::all_flags().join("\n") + "\n",
        _ => return std::process::ExitCode::FAILURE,
    };
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Ok(()) => std::process::ExitCode::SUCCESS,
        Err(_) => std::process::ExitCode::FAILURE,
    }
}
