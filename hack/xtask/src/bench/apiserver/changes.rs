//! What a deletion and a new definition bring about, and how soon (API-15, API-17).

use super::comparison::Comparison;
use super::load::{self, Request, Volume};
use super::objects;
use super::run::{Bench, Figure, Side};
use super::watchers::open;
use crate::bench::endpoint::Api;
use crate::bench::measure::Sample;
use anyhow::{Result, ensure};
use std::time::{Duration, Instant};

/// Where definitions are.
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
/// Dependents of one owner.
const DEPENDENTS: Volume = Volume { count: 1_000, width: 16 };
/// Pause between two looks, and the longest wait.
const LOOK: Duration = Duration::from_millis(1);
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs the part.
///
/// # Errors
/// A server fails, or something does not happen in time.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let visible = [Figure::time("API-17", "definition created → in its path, discovery, OpenAPI v2 and v3", 0.2)];
    let mut rows = bench.both(visible, |side, round| Ok([seen(side, &format!("gadget{round}s"), &format!("Gadget{round}"))?]))?;
    let mut collected = Sample::default();
    for round in 0..=bench.setting.repetitions(0.0) {
        let seconds = collect(&bench.ours, &format!("owner-{round}"))?;
        if round > 0 {
            collected.push(seconds);
        }
    }
    rows.push(Figure::time("API-15", "owner deleted → 1,000 dependents gone", 0.1).of(collected, Sample::default()));
    Ok(rows)
}

/// Creates a definition, which may be there already, and waits until its objects can be listed.
///
/// # Errors
/// The server refuses it.
pub(super) fn define(side: &Side, plural: &str, kind: &str) -> Result<()> {
    let mut api = side.endpoint.connect()?;
    api.request("POST", DEFINITIONS, Some(&objects::definition(plural, kind)))?;
    until(&mut api, &format!("/apis/bench.example.dev/v1/{plural}"), "items")
}

/// Seconds until a new definition shows everywhere.
fn seen(side: &Side, plural: &str, kind: &str) -> Result<f64> {
    let mut api = side.endpoint.connect()?;
    let began = Instant::now();
    api.expect("POST", DEFINITIONS, Some(&objects::definition(plural, kind)))?;
    until(&mut api, &format!("/apis/bench.example.dev/v1/{plural}"), "items")?;
    until(&mut api, "/apis/bench.example.dev/v1", plural)?;
    until(&mut api, "/openapi/v3/apis/bench.example.dev/v1", kind)?;
    until(&mut api, "/openapi/v2", kind)?;
    Ok(began.elapsed().as_secs_f64())
}

/// Looks at a document until it is there and holds `text`.
fn until(api: &mut Api, path: &str, text: &str) -> Result<()> {
    let began = Instant::now();
    let request = Request::get(path.to_owned());
    loop {
        let (status, body) = api.exchange(&request.raw())?;
        if status == 200 && body.windows(text.len()).any(|window| window == text.as_bytes()) {
            return Ok(());
        }
        ensure!(began.elapsed() < PATIENCE, "GET {path} does not show {text}: {status}");
        std::thread::sleep(LOOK);
    }
}

/// Seconds from the deletion of an owner to the event of its last dependent's end.
fn collect(side: &Side, namespace: &str) -> Result<f64> {
    side.namespace(namespace)?;
    let mut api = side.endpoint.connect()?;
    let collection = objects::config_maps(namespace);
    let body = serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "owner"}});
    let owner = api.expect("POST", &collection, Some(&body))?;
    load::run(&side.endpoint, DEPENDENTS, |_, index| objects::dependent(namespace, &format!("part-{index}"), &owner))?;
    let mut watcher = open(&side.endpoint, &collection)?;
    let began = Instant::now();
    api.expect("DELETE", &format!("{collection}/owner"), None)?;
    let mut gone = 0;
    while gone <= DEPENDENTS.count {
        gone += usize::from(watcher.next_text()?.starts_with(b"{\"type\":\"DELETED\""));
    }
    Ok(began.elapsed().as_secs_f64())
}
