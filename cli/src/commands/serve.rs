use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use koan_crds::v1alpha1::GoDuration;

use super::{Run, block_on};
use crate::failure::Failure;
use crate::home::{Home, ServerRecord, prepare, start_server, stop_server};
use crate::output::{ServerProcess, ServerStatus, emit, say};
use crate::serve::{Options, serve};

/// Run the API server and the controllers of this home
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Detach from the terminal
    #[arg(long)]
    background: bool,
    /// End after this time without an object; 10m in the background
    #[arg(long, value_name = "DURATION")]
    idle_exit: Option<String>,
    /// Serve the built-in kinds of Kubernetes as plain data too, for tests of other controllers
    #[arg(long, requires = "no_controller")]
    extended_kinds: bool,
    /// Only the API server
    #[arg(long)]
    no_controller: bool,
    /// Port of the API server; the one of the last start
    #[arg(long)]
    port: Option<u16>,
}

#[derive(Clone, Copy, Debug, Subcommand)]
enum Action {
    /// Say whether a server runs
    Status,
    /// End the server; workloads go on
    Stop,
    /// Make a new certificate authority and token; the old access ends
    Rotate,
}

pub(crate) fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let home = prepare(&run.settings.home)?;
    match arguments.action {
        Some(Action::Status) => {
            let process = ServerRecord::living(&home).map(|record| ServerProcess {
                pid: record.pid,
                version: record.version,
                kubeconfig: home.kubeconfig().display().to_string(),
            });
            emit(&ServerStatus::of(process), run.globals.format());
            return Ok(0);
        }
        Some(Action::Stop) => {
            let stopped = stop_server(&home)?;
            say(run.globals.quiet, if stopped { "stopped" } else { "nothing to do: no server runs" });
            return Ok(0);
        }
        Some(Action::Rotate) => return rotate(run, &home),
        None => {}
    }
    let idle_exit = idle(arguments)?;
    if arguments.background {
        if let Some(record) = ServerRecord::living(&home) {
            say(run.globals.quiet, &format!("nothing to do: a server runs, pid {}", record.pid));
            return Ok(0);
        }
        let words = passed_on(run, arguments);
        return block_on(async { start_server(&home, &words).await.map(|()| 0) });
    }
    let controllers = !arguments.no_controller;
    let options = Options { idle_exit, controllers, extended_kinds: arguments.extended_kinds, port: arguments.port };
    serve(&home, &run.settings, &options)
}

/// What proves and grants access to the server; each is made anew where it is absent.
const ACCESS: [&str; 5] = ["ca.crt", "ca.key", "token", "viewer-token", "kubeconfig"];

/// Ends the old access (SEC-5); a server that ran runs again.
fn rotate(run: &Run, home: &Home) -> Result<u8, Failure> {
    let ran = stop_server(home)?;
    for name in ACCESS {
        let path = home.root.join(name);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(source) => return Err(Failure::WriteFile { path, source }),
        }
    }
    if ran {
        block_on(async { start_server(home, &[]).await.map(|()| 0) })?;
    }
    say(run.globals.quiet, "the old access has ended; a context that was merged before is renewed by: koan context merge");
    Ok(0)
}

/// The flags of this command that the server in the background has to know, too.
fn passed_on(run: &Run, arguments: &Arguments) -> Vec<OsString> {
    let globals = &run.globals;
    let mut words: Vec<OsString> = Vec::new();
    let mut pair = |flag: &str, value: Option<OsString>| words.extend(value.into_iter().flat_map(|v| [flag.into(), v]));
    pair("--idle-exit", arguments.idle_exit.as_ref().map(Into::into));
    pair("--port", arguments.port.map(|port| port.to_string().into()));
    let path = |path: &PathBuf| std::path::absolute(path).unwrap_or_else(|_| path.clone()).into_os_string();
    pair("--log-file", globals.log_file.as_ref().map(path));
    pair("--log-format", globals.log_format.to_possible_value().map(|value| value.get_name().into()));
    words.extend(arguments.extended_kinds.then(|| "--extended-kinds".into()));
    words.extend(arguments.no_controller.then(|| "--no-controller".into()));
    words.extend(globals.quiet.then(|| "--quiet".into()));
    words.extend(globals.trace.then(|| "--trace".into()));
    words.extend((0..globals.verbose).map(|_| "-v".into()));
    words
}

fn idle(arguments: &Arguments) -> Result<Option<Duration>, Failure> {
    let Some(text) = &arguments.idle_exit else { return Ok(None) };
    GoDuration(text.clone()).parse().map(Some).ok_or_else(|| Failure::Usage {
        message: format!("--idle-exit: `{text}` is no duration"),
        hint: "write it like 30s or 10m".to_owned(),
    })
}
