use std::path::PathBuf;

use clap::Args;
use koan_crds::vocabulary::ExitCode;

use super::Run;
use crate::doctor::{CHECKS, Check, DoctorReport, Verdict, collect, examine, write};
use crate::failure::{Failure, suggest};
use crate::output::{emit, say};

/// Check this machine: engines, home, ports, manifest; changes nothing
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Only this check; may be repeated
    #[arg(long = "check", value_name = "ID")]
    checks: Vec<String>,
    /// Write an archive for a report of a fault: checks, states, last logs; secrets hidden
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    for id in &arguments.checks {
        if !CHECKS.contains(&id.as_str()) {
            let nearest = suggest(id, CHECKS.iter().map(|known| (*known).to_owned()));
            return Err(Failure::Unknown { kind: "check", name: id.clone(), nearest });
        }
    }
    let wanted = |id: &str| arguments.checks.is_empty() || arguments.checks.iter().any(|check| check == id);
    let report = examine(run, &wanted).await;
    if let Some(path) = &arguments.bundle {
        let entries = collect(run, &report).await?;
        for entry in &entries {
            say(run.globals.quiet, &format!("{}: {}", path.display(), entry.name));
        }
        write(path, &entries)?;
    }
    emit(&report, run.globals.format());
    Ok(code(&report))
}

/// 3 if engines were checked and none is usable, else 1 on any failure (CLI-33).
fn code(report: &DoctorReport) -> u8 {
    let engines: Vec<&Check> = report.checks.iter().filter(|c| c.id.starts_with("engine.") && c.id != "engine.order").collect();
    let usable = engines.iter().any(|check| check.status == Verdict::Ok);
    let failed = report.checks.iter().any(|check| check.status == Verdict::Fail);
    match (engines.is_empty() || usable, failed) {
        (false, _) => ExitCode::Engine as u8,
        (true, true) => ExitCode::General as u8,
        (true, false) => ExitCode::Ok as u8,
    }
}
