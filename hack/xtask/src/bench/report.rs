//! The tables of `docs/performance.md`, between markers, from the recorded lines (PERF-5).

use super::record::Record;
use anyhow::{Context as _, Result};
use std::path::Path;

/// A marker begins a table: `<!-- bench NAME -->`.
const BEGIN: &str = "<!-- bench ";
/// It ends it.
const END: &str = "<!-- end -->";

/// Rewrites the tables whose records are there; the others stay.
///
/// # Errors
/// A file cannot be read or written, or a marker does not end.
pub(crate) fn write(page: &Path, records: &Path) -> Result<()> {
    let text = std::fs::read_to_string(page).with_context(|| format!("reading {}", page.display()))?;
    let lines = |name: &str| std::fs::read_to_string(records.join(format!("{name}.jsonl"))).ok();
    Ok(std::fs::write(page, fill(&text, lines)?)?)
}

fn fill(text: &str, lines: impl Fn(&str) -> Option<String>) -> Result<String> {
    let mut rest = text;
    let mut page = String::with_capacity(text.len());
    while let Some(at) = rest.find(BEGIN) {
        let (before, marked) = rest.split_at(at);
        let (marker, inside) = marked.split_once('\n').context("a marker without a table")?;
        let end = inside.find(END).with_context(|| format!("{marker} has no {END}"))?;
        let name = marker.trim_start_matches(BEGIN).trim_end_matches("-->").trim();
        let table = lines(name).map(|lines| table(&lines)).transpose()?;
        page.push_str(before);
        page.push_str(marker);
        page.push('\n');
        page.push_str(table.as_deref().unwrap_or(&inside[..end]));
        rest = &inside[end..];
    }
    page.push_str(rest);
    Ok(page)
}

/// The newest line of each row, in the order in which rows were first recorded.
fn table(lines: &str) -> Result<String> {
    let mut newest: Vec<Record> = Vec::new();
    for line in lines.lines() {
        let record = Record(serde_json::from_str(line)?);
        let key = |record: &Record| ["id", "workload"].map(|name| record.0[name].clone());
        match newest.iter_mut().find(|known| key(known) == key(&record)) {
            Some(known) => *known = record,
            None => newest.push(record),
        }
    }
    let rows: String = newest.iter().map(|record| format!("{}\n", record.row())).collect();
    let mut notes: Vec<String> = newest
        .iter()
        .filter(|record| !record.floors().is_empty())
        .map(|record| format!("Floors of {}: {}.", record.0["workload"].as_str().unwrap_or_default(), record.floors()))
        .collect();
    let mut places: Vec<String> = newest.iter().map(Record::circumstances).collect();
    places.dedup();
    notes.extend(places.into_iter().map(|place| format!("Measured on {place}.")));
    let heading = newest.first().map(Record::heading).unwrap_or_default();
    Ok(format!("{heading}\n{rows}\n{}\n", notes.join("\n\n")))
}

#[cfg(test)]
mod tests {
    use super::fill;
    use serde_json::json;

    fn line(median: f64) -> String {
        json!({"id": "PERF-12", "workload": "program", "unit": "B", "profile": "release", "peer": "guide", "floor": {},
            "median": median, "min": median, "max": median, "n": 1, "peerMedian": 30e6, "ratio": median / 30e6, "target": 1.0,
            "verdict": "pass", "host": {"cores": 2}, "load": 0.1, "commit": "abc", "date": "now"})
        .to_string()
    }

    /// PERF-5: the page is made from the newest lines, is the same when written twice, and keeps what was not measured.
    #[test]
    fn the_page_is_made_from_the_newest_lines() {
        let page = "# Page\n<!-- bench size -->\nold\n<!-- end -->\nbetween\n<!-- bench up -->\nkept\n<!-- end -->\nafter\n";
        let lines = |name: &str| (name == "size").then(|| format!("{}\n{}\n", line(1e6), line(2e7)));
        let once = fill(page, lines).unwrap();
        assert!(once.contains("| PERF-12 | program | 20.0 MB (20.0 MB–20.0 MB, 1) | guide 30.0 MB | 0.67 | ≤ 1.00 | pass |"));
        assert!(!once.contains("old") && !once.contains("1.0 MB (") && once.contains("kept") && once.contains("between"));
        assert_eq!(fill(&once, lines).unwrap(), once);
        assert!(fill("<!-- bench up -->\nno end\n", |_| None).is_err());
    }
}
