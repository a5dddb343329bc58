//! Bench `detection`: what ten host services cost that are not there, or that accept and say nothing, beside one (PERF-60, DET-13).
//!
//! Asked is by the program itself, `koan plan` of services that must be the host's, from its spawn to its end: every row of the
//! catalogue in turn, on ports of the loopback. `koan up` asks again by the controllers, which reconcile eight services at a time.

use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use super::subject::{Subject, in_folder};
use crate::layers::{ADAPTERS, registry_keys};
use crate::workspace::Workspace;
use anyhow::{Context as _, Result, ensure};
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Command, Stdio};
use std::time::Instant;

/// Services of a stack.
const SERVICES: usize = 10;
/// Targets of PERF-60: ten in ones.
const ABSENT: f64 = 3.0;
const SILENT: f64 = 1.1;
/// Bars of DET-13, in seconds: the second one is the usual `detectionTimeout` and 200 ms.
const ABSENT_BAR: f64 = 0.1;
const SILENT_BAR: f64 = 5.2;
/// The share that a bar counts at.
const P95: f64 = 0.95;
/// Name of the stack.
const STACK: &str = "bench-detection";
/// A required host service is not there.
const NOT_THERE: i32 = 6;

/// What stands at the ports.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Situation {
    Absent,
    Silent,
}

/// Ten ports, and what listens there.
struct Ports {
    ports: Vec<u16>,
    /// Empty where the ports are closed.
    _listeners: Vec<TcpListener>,
}

/// Runs the bench.
///
/// # Errors
/// The catalogue cannot be read, or a command ends otherwise than with the code for a required host service.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let adapters = registry_keys(&Workspace::load()?.root.join(ADAPTERS));
    let mut records = Vec::new();
    for (situation, word, ratio, (bar, seconds)) in [
        (Situation::Absent, "absent", ABSENT, ("guide", ABSENT_BAR)),
        (Situation::Silent, "silent", SILENT, ("detectionTimeout + 200 ms:", SILENT_BAR)),
    ] {
        eprintln!("  {word}");
        let ports = Ports::of(situation)?;
        let (mut ten, mut one, mut high, mut up) = (Sample::default(), Sample::default(), Sample::default(), Sample::default());
        for repetition in 0..=setting.repetitions(0.0) {
            let batch = batch(setting, &adapters, &ports.ports)?;
            // The first one warms up.
            if repetition > 0 {
                ten.push(batch.ten.median());
                one.push(batch.one.median());
                high.push(batch.ten.share(P95));
                up.push(batch.up);
            }
        }
        let claim = |id, workload: &str, against, target| Claim {
            id,
            workload: format!("ten {word}, {workload}"),
            unit: Unit::Seconds,
            against,
            target,
        };
        let single = (format!("one {word}"), one.median());
        let floors = [("one", one)];
        records.push(Record::new(&setting.run, &claim("PERF-60", "koan plan: p50", single, ratio), &ten, &floors));
        let bars = [("DET-13", "koan plan: p95", high), ("DET-13", "koan up", up)];
        for (id, workload, sample) in bars {
            records.push(Record::new(&setting.run, &claim(id, workload, (bar.to_owned(), seconds), 1.0), &sample, &[]));
        }
    }
    Ok(Outcome::Measured(records))
}

/// Seconds of each run of one batch.
struct Batch {
    ten: Sample,
    one: Sample,
    up: f64,
}

/// Ten and one, beginning with each row of the catalogue once; then `up`, by a server that saw none of them before.
fn batch(setting: &Setting, adapters: &[String], ports: &[u16]) -> Result<Batch> {
    let folder = tempfile::Builder::new().prefix("koan-bench-").tempdir()?;
    let manifest = folder.path().join("koan.yaml");
    let plan = |count: usize, first: usize| -> Result<f64> {
        std::fs::write(&manifest, stack(adapters.iter().cycle().skip(first), &ports[..count]))?;
        timed(without_engine(&mut in_folder(&setting.program, folder.path())).arg("plan"))
    };
    let (mut ten, mut one) = (Sample::default(), Sample::default());
    for first in 0..adapters.len() {
        one.push(plan(1, first)?);
        ten.push(plan(SERVICES, first)?);
    }
    let subject = Subject::start(&setting.program, None)?;
    std::fs::write(subject.folder().join("koan.yaml"), stack(adapters.iter(), ports))?;
    let up = timed(without_engine(&mut subject.command(&setting.program)).arg("up"))?;
    Ok(Batch { ten, one, up })
}

fn without_engine(command: &mut Command) -> &mut Command {
    let nowhere = "unix:///nonexistent/engine.sock";
    command.env("DOCKER_HOST", nowhere).env("CONTAINER_HOST", nowhere)
}

/// A stack of services that must be the host's, one at each port.
fn stack<'a>(adapters: impl Iterator<Item = &'a String>, ports: &[u16]) -> String {
    let head = format!(
        "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {{name: {STACK}}}\nspec:\n  provisioning: {{mode: Never}}\n  services:\n"
    );
    let lines = adapters
        .zip(ports)
        .map(|(adapter, port)| format!("  - {{name: at-{port}, adapter: {adapter}, detection: {{ports: [{port}]}}}}\n"));
    head + &lines.collect::<String>()
}

/// Seconds until a command found no usable host service.
fn timed(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let ended = command.status().with_context(|| format!("running {command:?}"))?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(ended.code() == Some(NOT_THERE), "{command:?} ended with {ended}");
    Ok(seconds)
}

impl Ports {
    fn of(situation: Situation) -> Result<Self> {
        let bound = (0..SERVICES).map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
        let mut listeners = bound.collect::<Result<Vec<_>, _>>()?;
        let ports = listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect::<Result<_>>()?;
        match situation {
            Situation::Absent => listeners.clear(),
            Situation::Silent => listeners.iter().try_for_each(keep_silent)?,
        }
        Ok(Self { ports, _listeners: listeners })
    }
}

/// Takes every connection and answers nothing until it is closed; as long as this program runs.
fn keep_silent(listener: &TcpListener) -> Result<()> {
    let listener = listener.try_clone()?;
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut said = [0; 1024];
                while let Ok(1..) = stream.read(&mut said) {}
            });
        }
    });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::stack;

    /// DET-13: each service of the stack is another row of the catalogue at a port of its own.
    #[test]
    fn each_service_is_another_row() {
        let rows = ["redis", "postgres", "nats"].map(str::to_owned);
        let text = stack(rows.iter().cycle().skip(2), &[7, 8]);
        assert!(text.ends_with(
            "  - {name: at-7, adapter: nats, detection: {ports: [7]}}\n  - {name: at-8, adapter: redis, detection: {ports: [8]}}\n"
        ));
    }
}
