use clap::Args;

use super::{Run, target};
use crate::failure::Failure;
use crate::follow;
use crate::output::{StackStatus, emit, emit_next, say};

/// Show a stack: services, decisions, endpoints, what to do next
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Name of the stack; the manifest's, or the only one
    name: Option<String>,
    /// Print again at each change
    #[arg(short = 'w', long)]
    watch: bool,
    /// Exit with 4 if the stack is not Ready
    #[arg(long)]
    exit_code: bool,
}

/// Exit code of `--exit-code` for a stack that is not Ready.
const NOT_READY: u8 = koan_crds::vocabulary::ExitCode::Readiness as u8;

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let Some(session) = target::session(run).await? else {
        return match &arguments.name {
            Some(name) => Err(Failure::Unknown { kind: "stack", name: name.clone(), nearest: Vec::new() }),
            None => {
                say(run.globals.quiet, "no stack: no server runs for this home");
                Ok(if arguments.exit_code { NOT_READY } else { 0 })
            }
        };
    };
    let target = target::resolve(run, &session, arguments.name.as_deref()).await?;
    let format = run.globals.format();
    if arguments.watch {
        let mut last: Option<StackStatus> = None;
        let wait = follow::watch_until(&session, &target.namespace, &target.name, |stack, specs| {
            let status = StackStatus::of(stack, specs);
            if last.as_ref() != Some(&status) {
                emit_next(&status, format);
                last = Some(status);
            }
            None::<u8>
        });
        return match follow::bounded(run.settings.timeout, wait).await {
            Some(answer) => answer,
            None => Ok(0),
        };
    }
    let loaded = follow::load(&session, &target.namespace, &target.name).await?;
    let Some((stack, specs)) = loaded else {
        return Err(Failure::Unknown { kind: "stack", name: target.name, nearest: Vec::new() });
    };
    let status = StackStatus::of(&stack, &specs);
    emit(&status, format);
    Ok(if arguments.exit_code && !status.is_ready() { NOT_READY } else { 0 })
}
