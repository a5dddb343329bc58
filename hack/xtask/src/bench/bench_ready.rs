//! Bench `ready`: from the instant at which a sleeper binds its port to Ready=True at a watcher (PERF-30).

use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use super::subject::Subject;
use super::workload::alone;
use anyhow::{Context as _, Result};

/// Boots, in milliseconds.
const BOOTS: [u32; 4] = [50, 200, 1000, 5000];
/// What PERF-30 allows at the median: this share of the boot, and these seconds.
const SHARE: f64 = 0.03;
const ALLOWANCE: f64 = 0.005;

/// Runs the bench.
///
/// # Errors
/// The engine or the server fails.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    let sleepers = match setting.sleepers()? {
        Ok(sleepers) => sleepers,
        Err(missing) => return Ok(Outcome::Skipped(missing)),
    };
    let subject = Subject::start(&setting.program, Some((sleepers.variable.0, &sleepers.variable.1)))?;
    let mut records = Vec::with_capacity(BOOTS.len());
    for boot in BOOTS {
        eprintln!("  boot of {boot} ms");
        lag(&subject, &sleepers.image, boot)?;
        let seconds = f64::from(boot) / 1000.0;
        let repetitions = 0..setting.repetitions(seconds);
        let sample = repetitions.map(|_| lag(&subject, &sleepers.image, boot)).collect::<Result<Sample>>()?;
        let against = ("3 % of boot + 5 ms:".to_owned(), SHARE * seconds + ALLOWANCE);
        let claim = Claim { id: "PERF-30", workload: format!("boot of {boot} ms"), unit: Unit::Seconds, against, target: 1.0 };
        records.push(Record::new(&setting.run, &claim, &sample, &[]));
    }
    Ok(Outcome::Measured(records))
}

/// Seconds from the bind instant to the event.
fn lag(subject: &Subject, image: &str, boot: u32) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().to_string_lossy();
    let workload = alone(boot);
    let stack = workload.stack("bench-ready", image, Some(&path));
    let (_, ready) = subject.bring_up(&stack)?;
    let text = std::fs::read_to_string(folder.path().join(&workload.sleepers[0].name)).context("the bind instant")?;
    let bound: i64 = text.trim().parse()?;
    subject.take_down(&stack)?;
    let ready = ready.tv_sec.saturating_mul(1_000_000_000).saturating_add(ready.tv_nsec);
    Ok(std::time::Duration::from_nanos(u64::try_from(ready.saturating_sub(bound))?).as_secs_f64())
}
