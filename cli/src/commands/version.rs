use clap::Args;

use super::Run;
use crate::failure::Failure;
use crate::output::{VersionReport, emit};

/// Print the version
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(run: &Run) -> Result<u8, Failure> {
    emit(&VersionReport::of_this_program(), run.globals.format());
    Ok(0)
}
