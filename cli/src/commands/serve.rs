use std::time::Duration;

use clap::{Args, Subcommand};
use koan_crds::v1alpha1::GoDuration;

use super::{Run, block_on};
use crate::failure::Failure;
use crate::home::{Home, ServerRecord, prepare, start_server, stop_server};
use crate::output::{say, write_out};
use crate::serve::{Options, serve};

/// Run the API server and the controllers of this home
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    /// Detach from the terminal
    #[arg(long)]
    background: bool,
    /// End after this time without an object
    #[arg(long, value_name = "DURATION")]
    idle_exit: Option<String>,
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
            match ServerRecord::living(&home) {
                Some(record) => write_out(&format!(
                    "running: pid {}, Koan {}, kubeconfig {}\n",
                    record.pid,
                    record.version,
                    home.kubeconfig().display()
                )),
                None => write_out("not running\n"),
            }
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
    if arguments.background {
        if ServerRecord::living(&home).is_none() {
            return block_on(async { start_server(&home).await.map(|()| 0) });
        }
        return Ok(0);
    }
    let options =
        Options { idle_exit: idle(arguments)?, controllers: !arguments.no_controller, port: arguments.port, level: level(run) };
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
        block_on(async { start_server(home).await.map(|()| 0) })?;
    }
    say(run.globals.quiet, "the old access has ended; a context that was merged before is renewed by: koan context merge");
    Ok(0)
}

fn idle(arguments: &Arguments) -> Result<Option<Duration>, Failure> {
    let Some(text) = &arguments.idle_exit else { return Ok(None) };
    GoDuration(text.clone()).parse().map(Some).ok_or_else(|| Failure::Usage {
        message: format!("--idle-exit: `{text}` is no duration"),
        hint: "write it like 30s or 10m".to_owned(),
    })
}

/// The log level that the verbosity flags ask for (CLI-3).
fn level(run: &Run) -> tracing::Level {
    match (run.globals.quiet, run.globals.trace, run.globals.verbose) {
        (true, _, _) => tracing::Level::ERROR,
        (_, true, _) => tracing::Level::TRACE,
        (_, _, 0 | 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    }
}
