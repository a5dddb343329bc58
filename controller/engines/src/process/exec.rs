//! A command beside a running workload: its environment, folder and account.

use std::time::Duration;

use koan_core::identity::ObjectId;
use koan_exec::{Ending, Request, run};

use super::durable;
use super::engine::NAME;
use super::job::{JOB_FILE, Job};
use super::layout::Places;
use super::programs::find_program;
use super::record::{SIGNAL_BASE, Situation};
use super::workloads::{self, Stored};
use crate::contract::{EngineError, ExecReport, ExecRequest};

/// Runs the command to its end or deadline.
pub(crate) async fn exec(stored: &Stored, places: &Places, request: &ExecRequest) -> Result<ExecReport, EngineError> {
    let child =
        Request { deadline: request.timeout, output_limit: request.output_limit, ..beside(stored, places, &request.command)? };
    let report = run(child).await.map_err(|error| refused(stored, error))?;
    let mut output = report.output;
    output.extend_from_slice(&report.errors);
    output.truncate(request.output_limit);
    Ok(ExecReport { exit_code: exit_code(report.ending), output: String::from_utf8_lossy(&output).into_owned() })
}

/// The exit code of an end; `None` where the deadline was it.
pub(super) fn exit_code(ending: Ending) -> Option<i64> {
    match ending {
        Ending::Exited(code) => Some(i64::from(code)),
        Ending::Signalled(signal) => Some(SIGNAL_BASE + i64::from(signal)),
        Ending::DeadlineExceeded => None,
    }
}

/// The error of a command that could not be run.
pub(super) fn refused(stored: &Stored, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> EngineError {
    EngineError::Refused { engine: NAME, verb: "run a command in", object: stored.spec.object.clone(), source: source.into() }
}

/// A command with the environment, folder and account of a running workload; deadline and limit are the caller's.
pub(super) fn beside(stored: &Stored, places: &Places, command: &[String]) -> Result<Request, EngineError> {
    let ObjectId(id) = &stored.id;
    let absent = || EngineError::NotFound { engine: NAME, object: format!("running {} ({id})", stored.spec.object) };
    let situation = workloads::situation(places).map_err(|error| refused(stored, error))?;
    let Some((_record, Situation::Supervised(_) | Situation::Orphaned(_))) = situation else { return Err(absent()) };
    let job: Option<Job> = durable::read(&places.private.join(JOB_FILE)).map_err(|error| refused(stored, error))?;
    let job = job.ok_or_else(absent)?;
    let (program, arguments) = command.split_first().ok_or_else(|| refused(stored, "the command is empty"))?;
    let program = if program.contains('/') {
        job.folder.join(program)
    } else {
        let path = job.environment.iter().find(|(key, _value)| key == "PATH").map_or("", |(_key, value)| value.as_str());
        find_program(program, path, &[]).map_err(|error| refused(stored, error))?
    };
    Ok(Request {
        program,
        arguments: arguments.iter().map(Into::into).collect(),
        account: job.account(),
        environment: job.environment.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        folder: job.folder,
        input: Vec::new(),
        deadline: Duration::ZERO,
        output_limit: 0,
    })
}
