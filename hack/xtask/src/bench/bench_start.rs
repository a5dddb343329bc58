//! Bench `start`: spawn of `koan serve` to `/readyz` true and kubeconfig written, in an empty home (PERF-10).

use super::floor;
use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use super::subject::Subject;
use anyhow::Result;

/// Guide of PERF-10, in seconds.
const GUIDE: f64 = 0.1;

/// Runs the bench.
///
/// # Errors
/// The server does not get ready.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let folder = tempfile::tempdir()?;
    let warm_up = Subject::start(&setting.program, None)?.started;
    let (mut spawn, mut sync, mut refused, mut subject) =
        (Sample::default(), Sample::default(), Sample::default(), Sample::default());
    for _ in 0..setting.repetitions(warm_up) {
        spawn.push(floor::spawn()?);
        sync.push(floor::sync(folder.path())?);
        refused.push(floor::refused());
        subject.push(Subject::start(&setting.program, None)?.started);
    }
    let against = ("guide".to_owned(), GUIDE);
    let claim = Claim { id: "PERF-10", workload: "start, empty".to_owned(), unit: Unit::Seconds, against, target: 1.0 };
    let floors = [("spawn of /bin/true", spawn), ("fdatasync", sync), ("refused connect", refused)];
    Ok(Outcome::Measured(vec![Record::new(&setting.run, &claim, &subject, &floors)]))
}
