//! Errors of the command line: what failed, why, where, what to do, and the exit code (CLI-17 to CLI-20).

mod kinds;
mod print;

pub(crate) use kinds::{BUG_HINT, Failure, Location, Problem, ROOM_HINT};
#[cfg(test)]
pub(crate) use print::ErrorReport;
pub(crate) use print::{print, suggest};
