//! One result as a JSON line and as a row of the table (PERF-5).

use super::apiserver;
use super::measure::{Conditions, RELEASE, Sample, judge};
use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

/// What is the same for all results of one run.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    /// Profile that the program was built with.
    pub(crate) profile: String,
    /// Load average of the last minute at the start.
    pub(crate) load: f64,
    /// Cores, processor, kernel, file system.
    pub(crate) host: Value,
    /// Commit of the working tree; `+` marks uncommitted changes.
    pub(crate) commit: String,
    /// Compiler.
    pub(crate) rustc: String,
    /// Instant of the start, UTC.
    pub(crate) date: String,
}

/// What was measured against what.
#[derive(Clone, Debug)]
pub(crate) struct Claim {
    /// Row of performance.md.
    pub(crate) id: &'static str,
    /// What was run.
    pub(crate) workload: String,
    /// Unit of the figures.
    pub(crate) unit: Unit,
    /// The figure that the ratio divides by, and what it is called.
    pub(crate) against: (String, f64),
    /// Largest ratio that passes.
    pub(crate) target: f64,
}

/// How figures are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Unit {
    /// Seconds, shown in milliseconds.
    #[serde(rename = "s")]
    Seconds,
    /// Bytes, shown in MB.
    #[serde(rename = "B")]
    Bytes,
    /// Share of one core, shown in percent.
    #[serde(rename = "cores")]
    Cores,
    /// Events in a second.
    #[serde(rename = "1/s")]
    PerSecond,
    /// A number.
    #[serde(rename = "1")]
    Count,
    /// One time divided by another.
    #[serde(rename = "s/s")]
    Ratio,
}

impl Unit {
    /// A figure with its unit; what is far below a millisecond keeps more digits.
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Seconds if value.abs() < FINE => format!("{:.3} ms", value * 1000.0),
            Self::Seconds => format!("{:.1} ms", value * 1000.0),
            Self::Bytes => format!("{:.1} MB", value / 1e6),
            Self::Cores => format!("{:.2} %", value * 100.0),
            Self::PerSecond => format!("{value:.1} /s"),
            Self::Count => format!("{value}"),
            Self::Ratio => format!("{value:.2}"),
        }
    }
}

/// Seconds below which a time is shown in microseconds.
const FINE: f64 = 0.001;

/// Heading of the table.
const HEADING: &str =
    "| id | workload | median (min–max, n) | against | ratio | target | verdict |\n|---|---|---|---|---|---|---|";

/// A result: the line of the record, from which the row of the table is made.
#[derive(Clone, Debug)]
pub(crate) struct Record(pub(crate) Value);

impl Record {
    /// Judges a sample; `floors` are those of the same run, by name.
    pub(crate) fn new(run: &Run, claim: &Claim, sample: &Sample, floors: &[(&str, Sample)]) -> Self {
        let ratio = sample.median() / claim.against.1;
        let spreads: Vec<Sample> = floors.iter().map(|(_, floor)| floor.clone()).collect();
        let cores = run.host["cores"].as_u64().and_then(|cores| usize::try_from(cores).ok()).unwrap_or(1);
        // What is counted does not depend on what else runs.
        let load = if matches!(claim.unit, Unit::Bytes | Unit::Count) { 0.0 } else { run.load };
        let verdict = judge(ratio, claim.target, &spreads, Conditions { load, cores, profile: &run.profile });
        let spread = |sample: &Sample| json!({"median": sample.median(), "min": sample.min(), "max": sample.max()});
        let floor: Map<String, Value> = floors.iter().map(|(name, floor)| ((*name).to_owned(), spread(floor))).collect();
        Self(json!({
            "id": claim.id, "workload": claim.workload, "unit": claim.unit, "subject": "koan", "profile": run.profile,
            "peer": claim.against.0, "floor": floor, "median": sample.median(), "min": sample.min(), "max": sample.max(),
            "n": sample.count(), "peerMedian": claim.against.1, "ratio": ratio, "target": claim.target, "verdict": verdict.word(),
            "host": run.host, "load": run.load, "commit": run.commit, "rustc": run.rustc, "date": run.date,
        }))
    }

    /// The heading of the table that the row belongs to.
    pub(crate) fn heading(&self) -> &'static str {
        if apiserver::is_compared(&self.0) { apiserver::HEADING } else { HEADING }
    }

    /// The row of the table; a profile that can pass nothing is named.
    pub(crate) fn row(&self) -> String {
        let Self(line) = self;
        if apiserver::is_compared(line) {
            return apiserver::row(line);
        }
        let word = |name: &str| line[name].as_str().unwrap_or_default();
        let number = |name: &str| line[name].as_f64().unwrap_or_default();
        let unit: Unit = serde_json::from_value(line["unit"].clone()).unwrap_or(Unit::Seconds);
        let profile = if word("profile") == RELEASE { String::new() } else { format!(" [{}]", word("profile")) };
        format!(
            "| {} | {}{profile} | {} ({}–{}, {}) | {} {} | {:.2} | ≤ {:.2} | {} |",
            word("id"),
            word("workload"),
            unit.show(number("median")),
            unit.show(number("min")),
            unit.show(number("max")),
            line["n"],
            word("peer"),
            unit.show(number("peerMedian")),
            number("ratio"),
            number("target"),
            word("verdict")
        )
    }

    /// One line about the floors of the same run; empty where none was needed.
    pub(crate) fn floors(&self) -> String {
        let show = |value: &Value| Unit::Seconds.show(value.as_f64().unwrap_or_default());
        let floors = self.0["floor"].as_object().into_iter().flatten();
        let each = floors
            .map(|(name, floor)| format!("{name} {} ({}–{})", show(&floor["median"]), show(&floor["min"]), show(&floor["max"])));
        each.collect::<Vec<_>>().join(", ")
    }

    /// Where and when it was measured.
    pub(crate) fn circumstances(&self) -> String {
        let word = |value: &Value| value.as_str().unwrap_or("none").to_owned();
        let (line, host) = (&self.0, &self.0["host"]);
        format!(
            "{} cores, {}, kernel {}, engine {}; load {} at the start; profile {}; commit {}; {}",
            host["cores"],
            word(&host["cpu"]),
            word(&host["kernel"]),
            word(&host["engine"]),
            line["load"],
            word(&line["profile"]),
            word(&line["commit"]),
            word(&line["date"])
        )
    }
}

/// Appends lines to a file that may not be there yet.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn append(path: &Path, records: &[Record]) -> Result<()> {
    std::fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mut file =
        OpenOptions::new().create(true).append(true).open(path).with_context(|| format!("opening {}", path.display()))?;
    let text: String = records.iter().map(|record| format!("{}\n", record.0)).collect();
    Ok(file.write_all(text.as_bytes())?)
}

impl Run {
    /// Looks at the machine and the working tree; `engine` is its name and version.
    ///
    /// # Errors
    /// `/proc` cannot be read.
    pub(crate) fn look(root: &Path, profile: String, engine: Option<String>) -> Result<Self> {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let processor = std::fs::read_to_string("/proc/cpuinfo")?;
        let model = processor.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
        let host = json!({
            "cores": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            "cpu": model.trim_start_matches(['\t', ' ', ':']),
            "kernel": std::fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
            "engine": engine,
            "fs": said("stat", &["-f", "-c", "%T", "/tmp"], root),
        });
        let changed = if said("git", &["status", "--porcelain", "--untracked-files=no"], root).is_empty() { "" } else { "+" };
        Ok(Self {
            profile,
            load: load.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or_default(),
            host,
            commit: format!("{}{changed}", said("git", &["rev-parse", "--short", "HEAD"], root)),
            rustc: said("rustc", &["--version"], root),
            date: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        })
    }
}

/// What a program says; empty where it cannot be asked.
fn said(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::{Claim, Record, Run, Unit};
    use serde_json::json;

    /// PERF-5, PERF-8: a result is one line with every named field, and a miss stands in the table with its distance.
    #[test]
    fn a_miss_stands_in_the_table_with_its_distance() {
        let run = Run {
            profile: "release".into(),
            load: 0.1,
            host: json!({"cores": 2}),
            commit: "abc".into(),
            rustc: "rustc 1".into(),
            date: "2026-01-01T00:00:00Z".into(),
        };
        let against = ("L".to_owned(), 1.0);
        let claim = Claim { id: "PERF-21", workload: "fan10".into(), unit: Unit::Seconds, against, target: 1.1 };
        let record = Record::new(&run, &claim, &[1.2, 1.3, 1.25].into_iter().collect(), &[("S", [0.2].into_iter().collect())]);
        assert_eq!(
            record.row(),
            "| PERF-21 | fan10 | 1250.0 ms (1200.0 ms–1300.0 ms, 3) | L 1000.0 ms | 1.25 | ≤ 1.10 | missed |"
        );
        for field in "id workload subject peer floor median min max n peerMedian ratio target verdict host load commit rustc date"
            .split(' ')
        {
            assert!(record.0.get(field).is_some(), "{field}");
        }
        assert_eq!(record.0["verdict"], "missed");
    }
}
