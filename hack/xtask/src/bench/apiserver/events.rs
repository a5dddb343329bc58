//! From a patch to its event at a client, beside a hundred watchers; and what one watcher that does not read costs the writers
//! (API-24, PERF-43, PERF-44).

use super::comparison::{Better, Comparison};
use super::load::{self, Load, Volume, quantile};
use super::objects;
use super::run::{Bench, Figure, Side};
use super::watchers::{Crowd, Timed, stalled};
use crate::bench::measure::Sample;
use crate::bench::record::Unit;
use anyhow::Result;
use std::time::Instant;

/// Watchers beside the timed one.
const OTHERS: usize = 99;
/// Patches of a repetition.
const PATCHES: usize = 200;
/// Writes that are timed with and without a reader that stalls.
const WRITES: Volume = Volume { count: 2_000, width: 4 };
/// What such a reader is sent first, so that its connection is full: larger than all buffers between the two.
const FILLING: Volume = Volume { count: 24, width: 1 };
const FILLING_BYTES: usize = 600_000;
/// How much a stalled reader may move the writers' p99 (API-24).
const STALL_BAR: f64 = 1.10;
/// Pairs for each repetition of other figures: a ratio of two p99 swings more than a median.
const PAIRS: usize = 2;

/// Runs the part.
///
/// # Errors
/// A server fails, or an event does not come.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let figures = [
        Figure::time("PERF-43", "patch sent → event at a client, 100 watchers: p50", 0.001),
        Figure::time("PERF-43", "the same: p99", 0.005),
    ];
    let mut rows = bench.both(figures, |side, round| {
        let namespace = format!("event-{round}");
        side.namespace(&namespace)?;
        latencies(side, &namespace)
    })?;
    rows.push(stall(bench)?);
    Ok(rows)
}

fn latencies(side: &Side, namespace: &str) -> Result<[f64; 2]> {
    let collection = objects::config_maps(namespace);
    let one = Volume { count: 1, width: 1 };
    load::run(&side.endpoint, one, |_, _| objects::create(namespace, "watched", objects::KILOBYTE))?;
    let _crowd = Crowd::open(&side.endpoint, &collection, OTHERS)?;
    let timed = Timed::open(&side.endpoint, &collection)?;
    let mut writer = side.endpoint.connect()?;
    let mut seconds = Vec::with_capacity(PATCHES);
    for index in 0..PATCHES {
        let mark = format!("mark-{index}.");
        let patch = objects::mark(namespace, "watched", &mark);
        let began = Instant::now();
        let (status, _) = writer.exchange(&patch.raw())?;
        anyhow::ensure!(status == 200, "PATCH: {status}");
        seconds.push(timed.arrival(&mark)?.duration_since(began).as_secs_f64());
    }
    Ok([quantile(&seconds, 0.5), quantile(&seconds, 0.99)])
}

/// The writers' p99 with a reader that stalls ÷ without one, in turn.
fn stall(bench: &Bench<'_>) -> Result<Comparison> {
    let mut ratios = Sample::default();
    for round in 0..=PAIRS * bench.setting.repetitions(0.0) {
        // Which of the two comes first changes, so that what grows with the writes moves neither.
        let (first, second) = if round % 2 == 0 { (true, false) } else { (false, true) };
        let one = writes(&bench.ours, &format!("stall-{round}"), first)?.p99;
        let other = writes(&bench.ours, &format!("stall-{round}"), second)?.p99;
        if round > 0 {
            ratios.push(if first { one / other } else { other / one });
        }
    }
    let figure = Figure {
        id: "API-24",
        name: "writers' p99 beside one stalled reader ÷ without it",
        unit: Unit::Ratio,
        better: Better::Less,
        bar: Some(STALL_BAR),
    };
    Ok(figure.of(ratios, Sample::default()))
}

fn writes(side: &Side, namespace: &str, is_stalled: bool) -> Result<Load> {
    let word = if is_stalled { "stalled" } else { "free" };
    side.namespace(namespace)?;
    let reader = is_stalled.then(|| stalled(&side.endpoint, &objects::config_maps(namespace))).transpose()?;
    load::run(&side.endpoint, FILLING, |_, index| objects::create(namespace, &format!("{word}-fill-{index}"), FILLING_BYTES))?;
    let load = load::run(&side.endpoint, WRITES, |worker, index| {
        if index < WRITES.width {
            objects::create(namespace, &format!("{word}-{worker}"), objects::KILOBYTE)
        } else {
            objects::mark(namespace, &format!("{word}-{worker}"), &index.to_string())
        }
    })?;
    drop(reader);
    Ok(load)
}
