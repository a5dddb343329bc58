use clap::Args;

use crate::exits;
use crate::failure::Failure;
use crate::output::write_out;

/// What the exit codes mean
#[derive(Debug, Args)]
#[command(hide = true, help_template = "{about}\n\n{after-help}", after_help = exits::table())]
pub(crate) struct Arguments {}

pub(crate) fn run() -> Result<u8, Failure> {
    write_out(&exits::table());
    Ok(0)
}
