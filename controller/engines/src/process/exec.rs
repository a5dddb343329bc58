//! A command beside a running workload: its environment, folder and account.

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
    let ObjectId(id) = &stored.id;
    let object = || format!("running {} ({id})", stored.spec.object);
    let refused = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Refused {
        engine: NAME,
        verb: "run a command in",
        object: stored.spec.object.clone(),
        source,
    };
    let situation = workloads::situation(places).map_err(|error| refused(Box::new(error)))?;
    let Some((_record, Situation::Supervised(_) | Situation::Orphaned(_))) = situation else {
        return Err(EngineError::NotFound { engine: NAME, object: object() });
    };
    let job: Option<Job> = durable::read(&places.private.join(JOB_FILE)).map_err(|error| refused(Box::new(error)))?;
    let job = job.ok_or_else(|| EngineError::NotFound { engine: NAME, object: object() })?;
    let (program, arguments) = request.command.split_first().ok_or_else(|| refused("the command is empty".into()))?;
    let program = if program.contains('/') {
        job.folder.join(program)
    } else {
        let path = job.environment.iter().find(|(key, _value)| key == "PATH").map_or("", |(_key, value)| value.as_str());
        find_program(program, path, &[]).map_err(|error| refused(Box::new(error)))?
    };
    let report = run(Request {
        program,
        arguments: arguments.iter().map(Into::into).collect(),
        account: job.account(),
        environment: job.environment.iter().map(|(key, value)| (key.into(), value.into())).collect(),
        folder: job.folder,
        input: Vec::new(),
        deadline: request.timeout,
        output_limit: request.output_limit,
    })
    .await
    .map_err(|error| refused(Box::new(error)))?;
    let mut output = report.output;
    output.extend_from_slice(&report.errors);
    output.truncate(request.output_limit);
    let exit_code = match report.ending {
        Ending::Exited(code) => Some(i64::from(code)),
        Ending::Signalled(signal) => Some(SIGNAL_BASE + i64::from(signal)),
        Ending::DeadlineExceeded => None,
    };
    Ok(ExecReport { exit_code, output: String::from_utf8_lossy(&output).into_owned() })
}
