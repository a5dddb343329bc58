//! A custom resource and a list of a thousand ConfigMaps (PERF-42).

use super::comparison::Comparison;
use super::load::{self, Request, Volume};
use super::objects;
use super::run::{Bench, Figure};
use anyhow::Result;

/// Requests of a repetition.
const GETS: Volume = Volume { count: 500, width: 1 };
const LISTS: Volume = Volume { count: 30, width: 1 };
/// Objects of the list.
const LISTED: Volume = Volume { count: 1_000, width: 16 };

/// Runs the part.
///
/// # Errors
/// A server fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let figures = [
        Figure::time("PERF-42", "get of a custom resource of 1 kB: p50", 0.0003),
        Figure::told("PERF-42", "the same: p99"),
        Figure::time("PERF-42", "list of 1,000 ConfigMaps of 1 kB: p50", 0.005),
    ];
    for side in bench.theirs.iter().chain([&bench.ours]) {
        super::changes::define(side, "widgets", "Widget")?;
        side.namespace("read")?;
        load::run(&side.endpoint, Volume { count: 1, width: 1 }, |_, _| objects::apply("read", "one", 1))?;
        load::run(&side.endpoint, LISTED, |_, index| objects::create("read", &format!("map-{index}"), objects::KILOBYTE))?;
    }
    bench.both(figures, |side, _| {
        let get = load::run(&side.endpoint, GETS, |_, _| Request::get(objects::widget("read", "one")))?;
        let list = load::run(&side.endpoint, LISTS, |_, _| Request::get(objects::config_maps("read")))?;
        Ok([get.p50, get.p99, list.p50])
    })
}
