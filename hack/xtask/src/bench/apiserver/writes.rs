//! Creations and applies, one by one and sixteen in flight (API-22, PERF-40, PERF-41).

use super::comparison::Comparison;
use super::load::{self, Volume};
use super::objects;
use super::run::{Bench, Figure, Side};
use crate::bench::process::processor;
use anyhow::Result;

/// Requests of a repetition.
const ONE_BY_ONE: Volume = Volume { count: 500, width: 1 };
const IN_FLIGHT: Volume = Volume { count: 2_000, width: 16 };
/// fdatasync above which the bars of the one-by-one rows depend on it, and what they allow beside it, in seconds.
const QUICK_SYNC: f64 = 0.0002;
const BESIDE_SYNC: f64 = 0.0003;

/// Runs the part.
///
/// # Errors
/// A server refuses a write.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    // A disk that syncs slowly bounds what can be done one by one.
    let by_sync = |rate: f64| if bench.sync > QUICK_SYNC { (1.0 / (bench.sync + BESIDE_SYNC)).min(rate) } else { rate };
    let creates = [
        Figure::rate("PERF-40", "ConfigMap create of 1 kB, one by one", by_sync(2_000.0)),
        Figure::time("PERF-40", "the same: p99", 0.003),
        Figure::rate("PERF-40", "ConfigMap create of 1 kB, 16 in flight", 6_000.0),
        Figure::time("PERF-40", "the same with 16 in flight: p99", 0.015),
        Figure::told("PERF-40", "the same: processor time of the server for each"),
        Figure::told("PERF-40", "the same: processor time of the generator for each"),
    ];
    let mut rows = bench.both(creates, |side, round| {
        let namespace = format!("create-{round}");
        side.namespace(&namespace)?;
        let make = |prefix: &'static str| {
            let namespace = namespace.clone();
            move |_: usize, index: usize| objects::create(&namespace, &format!("{prefix}-{index}"), objects::KILOBYTE)
        };
        let single = load::run(&side.endpoint, ONE_BY_ONE, make("single"))?;
        let before = busy(side)?;
        let many = load::run(&side.endpoint, IN_FLIGHT, make("many"))?;
        let each = (busy(side)? - before) / f64::from(u32::try_from(IN_FLIGHT.count)?);
        Ok([single.rate, single.p99, many.rate, many.p99, each, many.own])
    })?;
    rows.extend(applies(bench, by_sync(1_500.0))?);
    Ok(rows)
}

fn applies(bench: &Bench<'_>, one_by_one: f64) -> Result<Vec<Comparison>> {
    let figures = [
        Figure::rate("PERF-41", "apply of a custom resource of 1 kB, one by one", one_by_one),
        Figure::rate("PERF-41", "apply of a custom resource of 1 kB, 16 in flight", 3_000.0),
        Figure::told("PERF-41", "the same with 16 in flight: p99"),
        Figure::told("PERF-41", "the same: processor time of the server for each"),
    ];
    for side in bench.theirs.iter().chain([&bench.ours]) {
        super::changes::define(side, "widgets", "Widget")?;
    }
    bench.both(figures, |side, round| {
        let namespace = "apply";
        side.namespace(namespace)?;
        // Each turn is another value, so that no apply changes nothing.
        let make = |first: usize| {
            move |worker: usize, index: usize| objects::apply(namespace, &format!("widget-{worker}"), first + index)
        };
        let first = round * (ONE_BY_ONE.count + IN_FLIGHT.count);
        let single = load::run(&side.endpoint, ONE_BY_ONE, make(first))?;
        let before = busy(side)?;
        let many = load::run(&side.endpoint, IN_FLIGHT, make(first + ONE_BY_ONE.count))?;
        let each = (busy(side)? - before) / f64::from(u32::try_from(IN_FLIGHT.count)?);
        Ok([single.rate, many.rate, many.p99, each])
    })
}

fn busy(side: &Side) -> Result<f64> {
    side.processes.iter().map(|process| processor(*process)).sum()
}
