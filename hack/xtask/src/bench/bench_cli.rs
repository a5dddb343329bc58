//! Bench `cli`: `koan --help` against the spawn of a program, `koan status` against kubectl, the converged `koan up` against
//! `koan status`, and what that `up` writes (PERF-63, PERF-64).

use super::floor;
use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use super::subject::Subject;
use super::workload::fan10;
use anyhow::{Context as _, Result, ensure};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Targets of PERF-63: `--help` in spawns of `/bin/true`, `status` in runs of kubectl; of PERF-64: `up` in runs of `status`.
const HELP: f64 = 8.0;
const STATUS: f64 = 0.5;
const UP: f64 = 3.0;
/// One write would be one too many.
const NO_WRITE: f64 = 0.0;
/// Name of the stack.
const STACK: &str = "bench-cli";

/// Runs the bench; without an engine only `--help`, without kubectl no `status`.
///
/// # Errors
/// A command fails.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let mut records = vec![help(setting)?];
    match setting.sleepers()? {
        Ok(sleepers) => {
            let subject = Subject::start(&setting.program, Some((sleepers.variable.0, &sleepers.variable.1)))?;
            let stack = fan10().stack(STACK, &sleepers.image, None);
            let manifest = subject.folder().join("koan.yaml");
            std::fs::write(&manifest, serde_json::to_string(&stack)?)?;
            // Applied by the command itself, so that the next one finds nothing to do.
            timed(subject.command(&setting.program).arg("up"))?;
            records.extend(commands(setting, &subject)?);
            subject.take_down(&stack)?;
        }
        Err(missing) => println!("SKIPPED cli status, up: {missing}"),
    }
    Ok(Outcome::Measured(records))
}

fn help(setting: &Setting) -> Result<Record> {
    let (mut floor, mut sample) = (Sample::default(), Sample::default());
    timed(Command::new(&setting.program).arg("--help"))?;
    for _ in 0..setting.repetitions(0.0) {
        floor.push(floor::spawn()?);
        sample.push(timed(Command::new(&setting.program).arg("--help"))?);
    }
    let against = ("spawn of /bin/true".to_owned(), floor.median());
    let claim = Claim { id: "PERF-63", workload: "koan --help".to_owned(), unit: Unit::Seconds, against, target: HELP };
    Ok(Record::new(&setting.run, &claim, &sample, &[("spawn of /bin/true", floor)]))
}

fn commands(setting: &Setting, subject: &Subject) -> Result<Vec<Record>> {
    let program = &setting.program;
    let kubectl = std::env::var_os("KOAN_BENCH_KUBECTL").filter(|path| Path::new(path).exists());
    let (mut status, mut up, mut peer, mut writes) = (Sample::default(), Sample::default(), Sample::default(), Sample::default());
    timed(subject.command(program).arg("status"))?;
    for _ in 0..setting.repetitions(0.0) {
        status.push(timed(subject.command(program).arg("status"))?);
        if let Some(kubectl) = &kubectl {
            peer.push(timed(subject.command(Path::new(kubectl)).args(["get", "devstacks"]))?);
        }
        let before = subject.revision()?;
        up.push(timed(subject.command(program).arg("up"))?);
        writes.push(subject.revision()? - before);
    }
    let claim = |id, workload: &str, unit, against: (&str, f64), target| Claim {
        id,
        workload: workload.to_owned(),
        unit,
        against: (against.0.to_owned(), against.1),
        target,
    };
    let mut records = Vec::new();
    if kubectl.is_some() {
        let claim = claim("PERF-63", "koan status", Unit::Seconds, ("kubectl get devstacks", peer.median()), STATUS);
        records.push(Record::new(&setting.run, &claim, &status, &[("kubectl", peer)]));
    } else {
        println!("SKIPPED cli status: no kubectl; KOAN_BENCH_KUBECTL=PATH, such as hack/kubectl prints it");
    }
    let converged = claim("PERF-64", "koan up, converged", Unit::Seconds, ("koan status", status.median()), UP);
    records.push(Record::new(&setting.run, &converged, &up, &[("koan status", status)]));
    let nothing = claim("PERF-64", "API writes of koan up, converged", Unit::Count, ("one", 1.0), NO_WRITE);
    records.push(Record::new(&setting.run, &nothing, &writes, &[]));
    Ok(records)
}

/// Seconds until a command ended well.
fn timed(command: &mut Command) -> Result<f64> {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let began = Instant::now();
    let ended = command.status().with_context(|| format!("running {command:?}"))?;
    let seconds = began.elapsed().as_secs_f64();
    ensure!(ended.success(), "{command:?} ended with {ended}");
    Ok(seconds)
}
