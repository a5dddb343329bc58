//! One figure of both servers against its bar: the line of the record and the row of the table (PERF-5, PERF-8).

use crate::bench::measure::{Conditions, RELEASE, Sample, judge};
use crate::bench::record::{Record, Run, Unit};
use serde_json::{Value, json};

/// Heading of the table.
pub(in crate::bench) const HEADING: &str =
    "| id | figure | Koan (min–max, n) | reference (min–max, n) | times better | bar | verdict |\n|---|---|---|---|---|---|---|";

/// Which way a figure is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Better {
    Less,
    More,
}

/// One figure of both servers.
#[derive(Clone, Debug)]
pub(in crate::bench) struct Comparison {
    /// Row of a specification.
    pub(in crate::bench) id: &'static str,
    /// What was measured.
    pub(in crate::bench) figure: String,
    pub(in crate::bench) unit: Unit,
    pub(in crate::bench) better: Better,
    /// What ours must reach; a figure without one is only told.
    pub(in crate::bench) bar: Option<f64>,
    pub(in crate::bench) ours: Sample,
    /// Empty where the reference was not asked.
    pub(in crate::bench) reference: Sample,
}

/// What the reference is called in the record.
const PEER: &str = "kube-apiserver 1.36.2 + etcd 3.6";

impl Comparison {
    /// The line of the record. The ratio says how many times better ours is.
    pub(in crate::bench) fn record(&self, run: &Run) -> Record {
        let (ours, theirs) = (self.ours.median(), self.reference.median());
        let (ratio, share) = match self.better {
            Better::Less => (theirs / ours, self.bar.map(|bar| ours / bar)),
            Better::More => (ours / theirs, self.bar.map(|bar| bar / ours)),
        };
        let cores = run.host["cores"].as_u64().and_then(|cores| usize::try_from(cores).ok()).unwrap_or(1);
        // What is counted does not depend on what else runs.
        let load = if matches!(self.unit, Unit::Bytes | Unit::Count) { 0.0 } else { run.load };
        let conditions = Conditions { load, cores, profile: &run.profile };
        let verdict = share.map_or("–", |share| judge(share, 1.0, &[], conditions).word());
        let peer = (self.reference.count() > 0).then_some(PEER);
        Record(json!({
            "id": self.id, "workload": self.figure, "unit": self.unit, "subject": "koan", "profile": run.profile, "peer": peer,
            "floor": {}, "median": ours, "min": self.ours.min(), "max": self.ours.max(), "n": self.ours.count(),
            "peerMedian": peer.map(|_| theirs), "peerMin": self.reference.min(), "peerMax": self.reference.max(),
            "peerN": self.reference.count(), "ratio": peer.filter(|_| ratio.is_finite()).map(|_| ratio), "bar": self.bar,
            "better": if self.better == Better::Less { "less" } else { "more" }, "share": share, "verdict": verdict,
            "host": run.host, "load": run.load, "commit": run.commit, "rustc": run.rustc, "date": run.date,
        }))
    }
}

/// Whether a line of the record is of this kind.
pub(in crate::bench) fn is_compared(line: &Value) -> bool {
    line.get("bar").is_some()
}

/// The row of such a line.
pub(in crate::bench) fn row(line: &Value) -> String {
    let unit: Unit = serde_json::from_value(line["unit"].clone()).unwrap_or(Unit::Seconds);
    let figure = |names: [&str; 3], count: &str| {
        let [median, min, max] = names.map(|name| unit.show(line[name].as_f64().unwrap_or_default()));
        format!("{median} ({min}–{max}, {})", line[count])
    };
    let word = |name: &str| line[name].as_str().unwrap_or_default();
    let profile = if word("profile") == RELEASE { String::new() } else { format!(" [{}]", word("profile")) };
    let theirs = match line["peer"] {
        Value::Null => "–".to_owned(),
        _ => figure(["peerMedian", "peerMin", "peerMax"], "peerN"),
    };
    let sign = if line["better"] == "more" { "≥" } else { "≤" };
    format!(
        "| {} | {}{profile} | {} | {theirs} | {} | {} | {} |",
        word("id"),
        word("workload"),
        figure(["median", "min", "max"], "n"),
        line["ratio"].as_f64().map_or("–".to_owned(), |ratio| format!("{ratio:.1}")),
        line["bar"].as_f64().map_or("–".to_owned(), |bar| format!("{sign} {}", unit.show(bar))),
        judged(word("verdict"), line["share"].as_f64())
    )
}

/// The verdict with the distance: a share of 1.2 misses its bar by a fifth.
fn judged(verdict: &str, share: Option<f64>) -> String {
    match share {
        None => verdict.to_owned(),
        Some(share) if share > 1.0 && verdict == "missed" => format!("missed by {:.0} %", (share - 1.0) * 100.0),
        Some(share) if share > 1.0 => format!("{verdict}, missed by {:.0} %", (share - 1.0) * 100.0),
        Some(_) if verdict == "pass" => verdict.to_owned(),
        Some(_) => format!("{verdict}, bar held"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Better, Comparison};
    use crate::bench::measure::Sample;
    use crate::bench::record::{Run, Unit};
    use serde_json::json;

    fn comparison(better: Better, unit: Unit, ours: f64, theirs: Option<f64>, bar: Option<f64>) -> String {
        let run = Run {
            profile: "release".into(),
            load: 0.1,
            host: json!({"cores": 2}),
            commit: "abc".into(),
            rustc: "rustc 1".into(),
            date: "2026-01-01T00:00:00Z".into(),
        };
        let sample = |value: f64| std::iter::once(value).collect::<Sample>();
        let reference = theirs.map(sample).unwrap_or_default();
        Comparison { id: "PERF-40", figure: "create".into(), unit, better, bar, ours: sample(ours), reference }.record(&run).row()
    }

    /// PERF-5, PERF-8: both servers, the ratio, the bar and a miss with its distance stand in one row.
    #[test]
    fn both_servers_and_the_bar_stand_in_one_row() {
        assert_eq!(
            comparison(Better::More, Unit::PerSecond, 1500.0, Some(300.0), Some(2000.0)),
            "| PERF-40 | create | 1500.0 /s (1500.0 /s–1500.0 /s, 1) | 300.0 /s (300.0 /s–300.0 /s, 1) | 5.0 | ≥ 2000.0 /s | missed by 33 % |"
        );
        assert_eq!(
            comparison(Better::Less, Unit::Seconds, 0.002, None, Some(0.003)),
            "| PERF-40 | create | 2.0 ms (2.0 ms–2.0 ms, 1) | – | – | ≤ 3.0 ms | pass |"
        );
        assert!(comparison(Better::Less, Unit::Seconds, 0.002, None, None).ends_with("| – | – | – |"));
    }
}
