//! Bench `up`: create request sent to DevStack Ready=True at a watcher, against the lower bound of section 3 (PERF-20 to
//! PERF-22). Floor and subject take turns.

use super::floor::Round;
use super::measure::Sample;
use super::real;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting, Sleepers};
use super::subject::Subject;
use super::workload::{Floors, Workload, chain10, fan10, micro12};
use anyhow::Result;

/// Services of the workload `real`, and its target.
const SERVERS: usize = 3;
const REAL: f64 = 1.10;

#[derive(Default)]
struct FloorSamples {
    prelude: Sample,
    start: Sample,
    work: Sample,
}

impl FloorSamples {
    fn push(&mut self, round: &Round) {
        self.prelude.push(round.prelude);
        self.start.push(round.start);
        self.work.push(round.work);
    }

    fn medians(&self) -> Floors {
        Floors { prelude: self.prelude.median(), start: self.start.median(), work: self.work.median() }
    }
}

/// Runs the bench.
///
/// # Errors
/// The engine or the server fails.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let sleepers = match setting.sleepers()? {
        Ok(sleepers) => sleepers,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    let wanted = |workload: &Workload| setting.workloads.is_empty() || setting.workloads.iter().any(|name| name == workload.name);
    let workloads = [chain10(), fan10(), micro12()].into_iter().filter(wanted);
    let mut records = workloads.map(|workload| one(setting, &sleepers, &workload)).collect::<Result<Vec<_>>>()?;
    if setting.workloads.is_empty() || setting.workloads.iter().any(|name| name == "real") {
        match real::Images::of_environment() {
            Ok(images) => records.push(servers(setting, &sleepers, &images)?),
            Err(missing) => println!("SKIPPED up {}: {missing}", real::NAME),
        }
    }
    Ok(Outcome::Measured(records))
}

/// The workload `real`: the boots of its servers are floors too.
fn servers(setting: &Setting, sleepers: &Sleepers, images: &real::Images) -> Result<Record> {
    eprintln!("  {}", real::NAME);
    let subject = Subject::start(&setting.program, Some((sleepers.variable.0, &sleepers.variable.1)))?;
    let stack = images.stack("bench-real", sleepers);
    let bring_up = || -> Result<f64> {
        let (seconds, _) = subject.bring_up(&stack)?;
        subject.take_down(&stack)?;
        Ok(seconds)
    };
    let warm_up = bring_up()?;
    let (mut floors, mut sample) = (FloorSamples::default(), Sample::default());
    let (mut database, mut cache) = (Sample::default(), Sample::default());
    for _ in 0..setting.repetitions(warm_up) {
        floors.push(&sleepers.engine.round(SERVERS)?);
        database.push(sleepers.engine.boot(&images.database())?);
        cache.push(sleepers.engine.boot(&images.cache())?);
        sample.push(bring_up()?);
        eprintln!("    T {:.3} s", sample.median());
    }
    let Floors { prelude, start, .. } = floors.medians();
    let against = ("L".to_owned(), real::bound(prelude, start, database.median(), cache.median()));
    let claim = Claim { id: "PERF-22", workload: real::NAME.to_owned(), unit: Unit::Seconds, against, target: REAL };
    let floors = [
        ("P", floors.prelude),
        ("S", floors.start),
        ("w", floors.work),
        ("boot of postgres", database),
        ("boot of redis", cache),
    ];
    Ok(Record::new(&setting.run, &claim, &sample, &floors))
}

fn one(setting: &Setting, sleepers: &Sleepers, workload: &Workload) -> Result<Record> {
    eprintln!("  {}", workload.name);
    let subject = Subject::start(&setting.program, Some((sleepers.variable.0, &sleepers.variable.1)))?;
    let stack = workload.stack(&format!("bench-{}", workload.name), &sleepers.image, None);
    let bring_up = || -> Result<f64> {
        let (seconds, _) = subject.bring_up(&stack)?;
        subject.take_down(&stack)?;
        Ok(seconds)
    };
    let count = workload.sleepers.len();
    sleepers.engine.round(count)?;
    let warm_up = bring_up()?;
    let (mut floors, mut sample) = (FloorSamples::default(), Sample::default());
    for _ in 0..setting.repetitions(warm_up) {
        floors.push(&sleepers.engine.round(count)?);
        sample.push(bring_up()?);
        eprintln!("    T {:.3} s", sample.median());
    }
    let against = ("L".to_owned(), workload.bound(floors.medians()));
    let claim =
        Claim { id: workload.id, workload: workload.name.to_owned(), unit: Unit::Seconds, against, target: workload.target };
    let floors = [("P", floors.prelude), ("S", floors.start), ("w", floors.work)];
    Ok(Record::new(&setting.run, &claim, &sample, &floors))
}
