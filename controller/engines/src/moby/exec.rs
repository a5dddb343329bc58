//! `exec()`: a command inside a container, bounded in time and output; its arguments never hold a secret.

use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::exec::{CreateExecOptions, StartExecResults};
use futures::StreamExt;
use koan_core::step::ObjectRef;

use super::engine::Moby;
use super::failure::status_of;
use crate::{EngineError, ExecReport, ExecRequest};

impl Moby {
    /// See [`crate::Engine::exec`].
    pub(crate) async fn run_command(&self, object: &ObjectRef, request: &ExecRequest) -> Result<ExecReport, EngineError> {
        let (id, _) = self.owned_for_read("exec in", object).await?;
        let mut output = Vec::new();
        let run = self.collect(&id, request, &mut output);
        let exit_code = match tokio::time::timeout(request.timeout, run).await {
            Ok(Ok(exit_code)) => exit_code,
            // The engine has no call that ends a command; the answer says that its end was not seen.
            Err(_) => None,
            // 409: the container does not run.
            Ok(Err(error)) if status_of(&error) == Some(409) => {
                return Err(EngineError::NotFound { engine: self.title(), object: format!("running container {}", object.name) });
            }
            Ok(Err(error)) => return Err(self.read_error("exec in", &object.name, error)),
        };
        Ok(ExecReport { exit_code, output: String::from_utf8_lossy(&output).into_owned() })
    }

    async fn collect(&self, id: &str, request: &ExecRequest, output: &mut Vec<u8>) -> Result<Option<i64>, Error> {
        let options = CreateExecOptions {
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            cmd: Some(request.command.clone()),
            ..CreateExecOptions::default()
        };
        let exec = self.transport.docker.create_exec(id, options).await?;
        if let StartExecResults::Attached { output: mut stream, .. } = self.transport.docker.start_exec(&exec.id, None).await? {
            while let Some(part) = stream.next().await {
                let bytes = match part? {
                    LogOutput::StdOut { message } | LogOutput::StdErr { message } | LogOutput::Console { message } => message,
                    LogOutput::StdIn { .. } => continue,
                };
                let room = request.output_limit.saturating_sub(output.len()).min(bytes.len());
                output.extend_from_slice(&bytes[..room]);
            }
        }
        Ok(self.transport.docker.inspect_exec(&exec.id).await?.exit_code)
    }
}
