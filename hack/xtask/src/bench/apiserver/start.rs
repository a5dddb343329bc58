//! Spawn to `/readyz`, with nothing and with 5,000 objects in the store (API-5, PERF-10).

use super::comparison::Comparison;
use super::load::{self, Volume};
use super::objects;
use super::run::{Bench, Figure};
use crate::bench::endpoint::Endpoint;
use crate::bench::measure::Sample;
use crate::bench::subject::Subject;
use anyhow::Result;

/// Objects of 1 kB in the store.
const STORED: Volume = Volume { count: 5_000, width: 16 };

/// Runs the part; the reference is started anew each time, and so comes last.
///
/// # Errors
/// A server does not get ready.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let program = &bench.setting.program;
    let (mut empty, mut extended, mut theirs) = (Sample::default(), Sample::default(), Sample::default());
    for round in 0..=bench.setting.repetitions(0.0) {
        let ours = Subject::start(program, None)?.started;
        let kinds = Subject::start_with(program, &["--no-controller", "--extended-kinds"])?.started;
        let reference = bench.reference.as_ref().map(|reference| reference.restart(true)).transpose()?;
        if round > 0 {
            empty.push(ours);
            extended.push(kinds);
            reference.into_iter().for_each(|seconds| theirs.push(seconds));
        }
    }
    let (full, full_theirs) = stored(bench)?;
    Ok(vec![
        Figure::time("PERF-10", "start to /readyz, empty", 0.1).of(empty, theirs),
        Figure::time("PERF-10", "start to /readyz, 5,000 objects", 0.3).of(full, full_theirs),
        Figure::time("API-5", "start to /readyz with extended kinds, empty", 0.1).of(extended, Sample::default()),
    ])
}

fn stored(bench: &Bench<'_>) -> Result<(Sample, Sample)> {
    let program = &bench.setting.program;
    let mut subject = Subject::start(program, None)?;
    fill(&subject.endpoint()?)?;
    if let Some(reference) = &bench.reference {
        fill(&reference.endpoint()?)?;
    }
    let (mut ours, mut theirs) = (Sample::default(), Sample::default());
    for round in 0..=bench.setting.repetitions(0.0) {
        subject = subject.restart(program)?;
        let reference = bench.reference.as_ref().map(|reference| reference.restart(false)).transpose()?;
        if round > 0 {
            ours.push(subject.started);
            reference.into_iter().for_each(|seconds| theirs.push(seconds));
        }
    }
    Ok((ours, theirs))
}

fn fill(endpoint: &Endpoint) -> Result<()> {
    endpoint.connect()?.request("POST", "/api/v1/namespaces", Some(&objects::namespace("stored")))?;
    load::run(endpoint, STORED, |_, index| objects::create("stored", &format!("map-{index}"), objects::KILOBYTE))?;
    Ok(())
}
