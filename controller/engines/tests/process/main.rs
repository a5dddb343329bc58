//! The process engine with real programs; this executable itself plays the supervisor.

#[cfg(test)]
mod bed;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod run;
#[cfg(test)]
mod servers;

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

/// Plays a Koan that starts one workload and is then killed; see `crash.rs`.
#[test]
fn koan_entry() {
    if let Some(folder) = bed::folder_after(bed::KOAN_MARK) {
        crash::start_and_wait(Path::new(&folder));
    }
}
