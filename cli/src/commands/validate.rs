use clap::Args;

use super::{Run, prepare};
use crate::failure::Failure;
use crate::output::{ValidationReport, emit, say};

/// Check a manifest: every violation with its place, no I/O
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(run: &Run) -> Result<u8, Failure> {
    let prepared = prepare::prepare(run)?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let objects = prepared.found.documents.iter().map(|d| format!("{}/{}", d.kind.to_ascii_lowercase(), d.name())).collect();
    emit(&ValidationReport::valid(objects, prepared.warnings), run.globals.format());
    Ok(0)
}
