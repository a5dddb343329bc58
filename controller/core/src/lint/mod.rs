//! What is wrong with the rows of a catalogue: [`lint`] names every row, field and remedy (DET-37, DET-39). It judges data alone: no
//! registry is asked and no server started.

mod image;
mod row;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::recipe::{Maturity, Recipe};

/// One fault of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Id of the row.
    pub adapter: String,
    /// The field, as in `image.tag`.
    pub field: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}: {}: {}", self.adapter, self.field, self.message, self.remedy)
    }
}

/// Every fault of these rows, in their order. `servers` are the ids whose matrix has a real server to run against.
pub fn lint(rows: &[Recipe], servers: &BTreeSet<&str>) -> Vec<Finding> {
    let mut findings: Vec<Finding> = rows.iter().flat_map(row::faults).collect();
    findings.extend(taken_twice(rows));
    let untested = rows.iter().filter(|row| row.maturity == Maturity::Stable && !servers.contains(row.id));
    findings.extend(untested.map(|row| {
        let remedy = format!("add hack/servers.d/{}, or call the row a preview and say why", row.id);
        finding(row, "maturity", "Stable without a matrix: no real server is started for it", remedy)
    }));
    findings
}

/// Ids and aliases that name two rows, or one row twice.
fn taken_twice(rows: &[Recipe]) -> Vec<Finding> {
    let mut owners: BTreeMap<&str, &str> = BTreeMap::new();
    let mut findings = Vec::new();
    for row in rows {
        let names = std::iter::once(("id", row.id)).chain(row.aliases.iter().map(|alias| ("aliases", *alias)));
        for (field, name) in names {
            if let Some(owner) = owners.insert(name, row.id) {
                findings.push(finding(row, field, format!("`{name}` names {owner} already"), "choose another name"));
            }
        }
    }
    findings
}

fn finding(row: &Recipe, field: impl Into<String>, message: impl Into<String>, remedy: impl Into<String>) -> Finding {
    Finding { adapter: row.id.to_owned(), field: field.into(), message: message.into(), remedy: remedy.into() }
}
