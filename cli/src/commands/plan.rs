use clap::Args;

use super::planning::{self, Manner};
use super::{Run, prepare, target};
use crate::failure::Failure;
use crate::output::{emit, say};

/// Show what `up` would do, without doing it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Plan as if host services were looked for again
    #[arg(long)]
    redetect: bool,
    /// Exit with 1 if there is anything to do
    #[arg(long)]
    check: bool,
    /// Show each field of the manifest that differs from the stack that is there
    #[arg(long)]
    diff: bool,
    /// Show engine, evidence, gates and ports with their reasons
    #[arg(long)]
    explain: bool,
}

/// Exit code of `--check` where steps exist.
const STEPS_EXIST: u8 = koan_crds::vocabulary::ExitCode::General as u8;

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let prepared = prepare::prepare(run)?;
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let session = target::session(run).await?;
    let manner = Manner { explained: arguments.explain, diff: arguments.diff, redetect: arguments.redetect, offline: false };
    let mut steps = 0;
    let mut failure = None;
    for stack in prepared.stacks() {
        let outlook = planning::plan(run, session.as_ref(), &prepared.found.documents, stack, manner).await?;
        outlook.warn(run.globals.quiet, &prepared.warnings);
        steps += outlook.report.steps.len();
        emit(&outlook.report, run.globals.format());
        failure = failure.or(outlook.failure);
    }
    match failure {
        Some(failure) => Err(failure),
        None if arguments.check && steps > 0 => Ok(STEPS_EXIST),
        None => Ok(0),
    }
}
