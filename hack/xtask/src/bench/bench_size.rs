//! Bench `size`: bytes of the stripped release program (PERF-12).

use super::measure::Sample;
use super::record::{Claim, Record, Unit};
use super::setting::{Outcome, Setting};
use anyhow::Result;

/// Guide of PERF-12, in bytes.
const GUIDE: f64 = 30e6;
/// Profiles that strip the program.
const STRIPPED: [&str; 2] = ["release", "release-thin"];

/// Runs the bench.
///
/// # Errors
/// The program cannot be read.
pub(crate) fn run(setting: &Setting) -> Result<Outcome> {
    if !STRIPPED.contains(&setting.run.profile.as_str()) {
        let profile = &setting.run.profile;
        return Ok(Outcome::Skipped(format!("profile {profile} is not stripped; cargo build --release --package koan")));
    }
    let bytes = f64::from(u32::try_from(std::fs::metadata(&setting.program)?.len())?);
    let against = ("guide".to_owned(), GUIDE);
    let claim = Claim { id: "PERF-12", workload: "stripped program".to_owned(), unit: Unit::Bytes, against, target: 1.0 };
    let sample: Sample = [bytes].into_iter().collect();
    Ok(Outcome::Measured(vec![Record::new(&setting.run, &claim, &sample, &[])]))
}
