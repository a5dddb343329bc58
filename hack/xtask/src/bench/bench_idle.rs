//! Bench `idle`: memory, processor time and context switches at rest, without a stack and with ten containers running
//! (PERF-14, PERF-15, PERF-17). The window is short: the ten minutes of PERF-13 are not measured here.

use super::measure::Sample;
use super::process::{field, proportional};
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use super::subject::Subject;
use super::workload::{alone, fan10};
use anyhow::{Context as _, Result};
use std::path::PathBuf;
use std::time::Duration;

/// Time between the last activity and the window.
const SETTLE: Duration = Duration::from_secs(5);
/// The window; one probe interval of ten services fits in it twice.
const WINDOW: Duration = Duration::from_secs(10);
/// Repetitions where none are asked for: each takes over ten seconds (PERF-1).
const LONG: f64 = 15.0;
/// Guides of PERF-15 (bytes) and PERF-14 (share of a core without and with ten services, switches per second likewise).
const MEMORY: f64 = 25e6;
const PROCESSOR: [f64; 2] = [0.001, 0.002];
const SWITCHES: [f64; 2] = [2.0, 10.0];
/// What DCP needs for each container (PERF-17), and how many more run in `fan10` than in the stack of one: what the first one
/// needs once, the code of an engine's client above all, is no part of the price of a container.
const PEER_EACH: f64 = 21.6 * 1024.0 * 1024.0;
const MORE: f64 = 9.0;
/// Boot of the one sleeper, in milliseconds.
const BOOT: u32 = 200;

/// One look at a resting server.
struct Rest {
    memory: f64,
    processor: f64,
    switches: f64,
}

#[derive(Default)]
struct Samples {
    memory: Sample,
    processor: Sample,
    switches: Sample,
}

impl Samples {
    fn push(&mut self, rest: &Rest) {
        self.memory.push(rest.memory);
        self.processor.push(rest.processor);
        self.switches.push(rest.switches);
    }
}

/// Runs the bench; without an engine only the part without a stack.
///
/// # Errors
/// The server fails, or `/proc` cannot be read.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let sleepers = setting.sleepers()?;
    let (mut none, mut ten) = (Samples::default(), Samples::default());
    let (mut one, mut growth) = (Sample::default(), Sample::default());
    for _ in 0..setting.repetitions(LONG) {
        let variable = sleepers.as_ref().ok().map(|sleepers| (sleepers.variable.0, sleepers.variable.1.as_str()));
        let subject = Subject::start(&setting.program, variable)?;
        none.push(&rest(&subject)?);
        let Ok(sleepers) = &sleepers else { continue };
        let first = alone(BOOT).stack("bench-idle-one", &sleepers.image, None);
        subject.bring_up(&first)?;
        std::thread::sleep(SETTLE);
        let with_one = proportional(subject.process())?;
        one.push(with_one);
        subject.take_down(&first)?;
        let stack = fan10().stack("bench-idle", &sleepers.image, None);
        subject.bring_up(&stack)?;
        let with = rest(&subject)?;
        growth.push((with.memory - with_one) / MORE);
        ten.push(&with);
        subject.take_down(&stack)?;
    }
    let mut records = at_rest(setting, "no stack", &none, 0);
    match sleepers {
        Ok(_) => {
            let first = claim("PERF-15", "PSS, one running".to_owned(), Unit::Bytes, ("guide", MEMORY), 1.0);
            records.push(Record::new(&setting.run, &first, &one, &[]));
            records.extend(at_rest(setting, "fan10 running", &ten, 1));
            let claim = claim("PERF-17", "memory per container".to_owned(), Unit::Bytes, ("DCP (not run)", PEER_EACH), 0.01);
            records.push(Record::new(&setting.run, &claim, &growth, &[]));
        }
        Err(missing) => println!("SKIPPED idle with ten containers: {missing}"),
    }
    Ok(Outcome::Measured(records))
}

fn claim(id: &'static str, workload: String, unit: Unit, against: (&str, f64), target: f64) -> Claim {
    Claim { id, workload, unit, against: (against.0.to_owned(), against.1), target }
}

fn at_rest(setting: &Setting, workload: &str, samples: &Samples, which: usize) -> Vec<Record> {
    let title = |what: &str| format!("{what}, {workload}");
    let claims = [
        (claim("PERF-15", title("PSS"), Unit::Bytes, ("guide", MEMORY), 1.0), &samples.memory),
        (claim("PERF-14", title("processor"), Unit::Cores, ("guide", PROCESSOR[which]), 1.0), &samples.processor),
        (claim("PERF-14", title("switches"), Unit::PerSecond, ("guide", SWITCHES[which]), 1.0), &samples.switches),
    ];
    claims.iter().map(|(claim, sample)| Record::new(&setting.run, claim, sample, &[])).collect()
}

fn rest(subject: &Subject) -> Result<Rest> {
    std::thread::sleep(SETTLE);
    let process = subject.process();
    let (busy, switches) = (busy_nanoseconds(process)?, voluntary_switches(process)?);
    std::thread::sleep(WINDOW);
    let rate = |before: f64, after: f64| (after - before).max(0.0) / WINDOW.as_secs_f64();
    Ok(Rest {
        memory: proportional(process)?,
        processor: rate(busy, busy_nanoseconds(process)?) / 1e9,
        switches: rate(switches, voluntary_switches(process)?),
    })
}

fn threads(process: u32) -> Result<Vec<PathBuf>> {
    let folder = std::fs::read_dir(format!("/proc/{process}/task"))?;
    Ok(folder.filter_map(Result::ok).map(|entry| entry.path()).collect())
}

fn busy_nanoseconds(process: u32) -> Result<f64> {
    let each = threads(process)?.into_iter().map(|thread| {
        let text = std::fs::read_to_string(thread.join("schedstat"))?;
        text.split(' ').next().and_then(|word| word.parse::<f64>().ok()).context("no schedstat")
    });
    each.sum()
}

fn voluntary_switches(process: u32) -> Result<f64> {
    let each = threads(process)?.into_iter();
    each.map(|thread| field(&std::fs::read_to_string(thread.join("status"))?, "voluntary_ctxt_switches:")).sum()
}
