//! The process engine with real programs; this executable itself plays the supervisor.

#[cfg(test)]
mod bed;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod run;
#[cfg(test)]
mod servers;
#[cfg(test)]
mod terminal;

use std::path::Path;
use std::process::ExitCode;

/// Plays the supervisor where the engine of a test started this executable with a folder behind the name of this function, and does
/// nothing in a plain run of the tests.
#[test]
fn supervisor_entry() {
    if let Some(folder) = bed::folder_after(bed::SUPERVISOR_MARK) {
        assert_eq!(koan_engines::process::supervise(Path::new(&folder)), ExitCode::SUCCESS);
    }
}

/// Becomes the command of a terminal where the engine of a test started this executable with one, and does nothing in a plain run.
#[test]
fn terminal_entry() {
    let mut arguments = std::env::args_os().skip_while(|argument| argument != bed::TERMINAL_MARK).skip(2).peekable();
    if arguments.peek().is_some() {
        let error = koan_engines::process::lead(&arguments.collect::<Vec<_>>());
        panic!("it is not run: {error}");
    }
}

/// Plays a Koan that starts one workload and is then killed; see `crash.rs`.
#[test]
fn koan_entry() {
    if let Some(folder) = bed::folder_after(bed::KOAN_MARK) {
        crash::start_and_wait(Path::new(&folder));
    }
}
