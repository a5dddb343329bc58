//! The bench: starts both servers, asks them in turn, gathers the figures.

use super::comparison::{Better, Comparison};
use super::reference::Reference;
use super::{changes, events, kubectl, memory, objects, reads, start, writes};
use crate::bench::endpoint::Endpoint;
use crate::bench::floor;
use crate::bench::measure::Sample;
use crate::bench::record::{Record, Unit};
use crate::bench::setting::{Outcome, Setting};
use crate::bench::subject::Subject;
use anyhow::Result;
use std::path::PathBuf;

/// A part of the bench that can be run alone: `--workload NAME`.
type Part = (&'static str, fn(&Bench<'_>) -> Result<Vec<Comparison>>);

/// The parts, in this order.
const PARTS: [Part; 7] = [
    ("writes", writes::run),
    ("reads", reads::run),
    ("events", events::run),
    ("changes", changes::run),
    ("kubectl", kubectl::run),
    ("memory", memory::run),
    ("start", start::run),
];

/// One of the two servers.
pub(super) struct Side {
    pub(super) endpoint: Endpoint,
    /// The processes that answer.
    pub(super) processes: Vec<u32>,
    pub(super) kubeconfig: PathBuf,
}

/// What a part works with.
pub(super) struct Bench<'a> {
    pub(super) setting: &'a Setting,
    pub(super) ours: Side,
    pub(super) theirs: Option<Side>,
    pub(super) reference: Option<Reference>,
    /// Median seconds of one fdatasync where the stores are.
    pub(super) sync: f64,
}

/// What a figure is called, and what it must reach.
#[derive(Clone, Copy)]
pub(super) struct Figure {
    pub(super) id: &'static str,
    pub(super) name: &'static str,
    pub(super) unit: Unit,
    pub(super) better: Better,
    pub(super) bar: Option<f64>,
}

impl Figure {
    /// A time that must not be longer than the bar.
    pub(super) const fn time(id: &'static str, name: &'static str, bar: f64) -> Self {
        Self { id, name, unit: Unit::Seconds, better: Better::Less, bar: Some(bar) }
    }

    /// A rate that must not be lower than the bar.
    pub(super) const fn rate(id: &'static str, name: &'static str, bar: f64) -> Self {
        Self { id, name, unit: Unit::PerSecond, better: Better::More, bar: Some(bar) }
    }

    /// A size that must not be larger than the bar.
    pub(super) const fn size(id: &'static str, name: &'static str, bar: f64) -> Self {
        Self { id, name, unit: Unit::Bytes, better: Better::Less, bar: Some(bar) }
    }

    /// A time that is told and not judged.
    pub(super) const fn told(id: &'static str, name: &'static str) -> Self {
        Self { id, name, unit: Unit::Seconds, better: Better::Less, bar: None }
    }

    /// The figure as it was measured.
    pub(super) fn of(self, ours: Sample, reference: Sample) -> Comparison {
        let Self { id, name, unit, better, bar } = self;
        Comparison { id, figure: name.to_owned(), unit, better, bar, ours, reference }
    }
}

impl Bench<'_> {
    /// Measures `figures` on both sides in turn: one round to warm up and then the repetitions. `measure` is told the round, and
    /// answers one value for each figure.
    ///
    /// # Errors
    /// A side cannot be measured.
    pub(super) fn both<const N: usize>(
        &self,
        figures: [Figure; N],
        mut measure: impl FnMut(&Side, usize) -> Result<[f64; N]>,
    ) -> Result<Vec<Comparison>> {
        let (mut ours, mut theirs) = (vec![Sample::default(); N], vec![Sample::default(); N]);
        for round in 0..=self.setting.repetitions(0.0) {
            for (side, samples) in self.theirs.iter().zip([&mut theirs]).chain([(&self.ours, &mut ours)]) {
                let values = measure(side, round)?;
                if round > 0 {
                    samples.iter_mut().zip(values).for_each(|(sample, value)| sample.push(value));
                }
            }
        }
        Ok(figures
            .into_iter()
            .zip(ours.into_iter().zip(theirs))
            .map(|(figure, (ours, theirs))| figure.of(ours, theirs))
            .collect())
    }
}

impl Side {
    /// Makes a namespace, which may be there already.
    ///
    /// # Errors
    /// The server refuses.
    pub(super) fn namespace(&self, name: &str) -> Result<()> {
        self.endpoint.connect()?.request("POST", "/api/v1/namespaces", Some(&objects::namespace(name)))?;
        Ok(())
    }
}

/// Runs the bench, beside the reference where that is asked for.
///
/// # Errors
/// A server fails.
pub(in crate::bench) fn run(setting: &Setting) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let sync = (0..setting.repetitions(0.0)).map(|_| floor::sync(folder.path())).collect::<Result<Sample>>()?.median();
    println!("fdatasync p50 {:.3} ms", sync * 1000.0);
    let reference = setting.reference.as_deref().map(Reference::start).transpose()?;
    let theirs = reference.as_ref().map(side).transpose()?;
    let subject = Subject::start(&setting.program, None)?;
    let ours = Side { endpoint: subject.endpoint()?, processes: vec![subject.process()], kubeconfig: subject.kubeconfig() };
    let bench = Bench { setting, ours, theirs, reference, sync };
    let mut records: Vec<Record> = Vec::new();
    for (name, part) in PARTS {
        if setting.workloads.is_empty() || setting.workloads.iter().any(|wanted| wanted == name) {
            eprintln!("bench apiserver {name}");
            let part: Vec<Record> = part(&bench)?.iter().map(|comparison| comparison.record(&setting.run)).collect();
            // What was measured is told at once: a later part may fail.
            part.iter().for_each(|record| eprintln!("{}", record.row()));
            records.extend(part);
        }
    }
    Ok(Outcome::Measured(records))
}

fn side(reference: &Reference) -> Result<Side> {
    Ok(Side { endpoint: reference.endpoint()?, processes: reference.processes()?, kubeconfig: reference.kubeconfig() })
}
