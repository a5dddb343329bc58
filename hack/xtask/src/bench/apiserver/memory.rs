//! Memory at rest, with many objects, and the size of the programs (PERF-12, PERF-15, PERF-45).

use super::comparison::Comparison;
use super::load::{self, Volume};
use super::objects;
use super::run::{Bench, Figure, Side};
use crate::bench::measure::Sample;
use crate::bench::process::resident;
use crate::bench::subject::Subject;
use anyhow::Result;
use std::path::PathBuf;
use std::time::Duration;

/// Time between the last write and the look.
const SETTLE: Duration = Duration::from_secs(5);
/// Objects of 2 kB.
const MANY: Volume = Volume { count: 10_000, width: 16 };

/// Runs the part. Memory is RSS: a second server of the same program runs beside, and would halve a share (PSS). The reference is looked at as it is after what this run wrote to it, and filled once.
///
/// # Errors
/// A server fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let program = &bench.setting.program;
    let (mut idle, mut full, mut extended) = (Sample::default(), Sample::default(), Sample::default());
    for _ in 0..bench.setting.repetitions(0.0) {
        let subject = Subject::start(program, None)?;
        std::thread::sleep(SETTLE);
        idle.push(resident(subject.process())?);
        fill(&Side { endpoint: subject.endpoint()?, processes: Vec::new(), kubeconfig: PathBuf::new() })?;
        std::thread::sleep(SETTLE);
        full.push(resident(subject.process())?);
        drop(subject);
        let subject = Subject::start_with(program, &["--no-controller", "--extended-kinds"])?;
        std::thread::sleep(SETTLE);
        extended.push(resident(subject.process())?);
    }
    let (mut empty, mut filled) = (Sample::default(), Sample::default());
    if let (Some(reference), Some(side)) = (&bench.reference, &bench.theirs) {
        reference.restart(true)?;
        std::thread::sleep(SETTLE);
        let memory = || -> Result<f64> { reference.processes()?.into_iter().map(resident).sum() };
        empty.push(memory()?);
        fill(side)?;
        std::thread::sleep(SETTLE);
        filled.push(memory()?);
    }
    let none = Sample::default;
    Ok(vec![
        Figure::size("PERF-15", "memory at rest (RSS)", 25e6).of(idle, empty),
        Figure::size("PERF-45", "with 10,000 objects of 2 kB (RSS)", 60e6).of(full, filled),
        Figure { bar: None, ..Figure::size("API-5", "at rest with extended kinds (RSS)", 0.0) }.of(extended, none()),
        Figure::size("PERF-12", "program", 30e6).of(size(std::slice::from_ref(program))?, peers(bench)?),
    ])
}

fn fill(side: &Side) -> Result<()> {
    side.namespace("many")?;
    load::run(&side.endpoint, MANY, |_, index| objects::create("many", &format!("map-{index}"), objects::TWO_KILOBYTES))?;
    Ok(())
}

fn peers(bench: &Bench<'_>) -> Result<Sample> {
    let Some(reference) = &bench.reference else { return Ok(Sample::default()) };
    let programs: std::io::Result<Vec<PathBuf>> =
        reference.processes()?.iter().map(|process| std::fs::read_link(format!("/proc/{process}/exe"))).collect();
    size(&programs?)
}

/// Bytes of programs, together.
fn size(programs: &[PathBuf]) -> Result<Sample> {
    let bytes: std::io::Result<u64> = programs.iter().map(|path| Ok(std::fs::metadata(path)?.len())).sum();
    Ok(std::iter::once(f64::from(u32::try_from(bytes?)?)).collect())
}
