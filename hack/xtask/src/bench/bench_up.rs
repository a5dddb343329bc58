//! Bench `up`: create request sent to DevStack Ready=True at a watcher, against the lower bound of section 3 (PERF-20 to
//! PERF-22). Floor and subject take turns.

use super::floor::Round;
use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting, Sleepers};
use super::subject::Subject;
use super::workload::{Floors, Workload, chain10, fan10, micro12};
use anyhow::Result;

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
    workloads.map(|workload| one(setting, &sleepers, &workload)).collect::<Result<Vec<_>>>().map(Outcome::Measured)
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
