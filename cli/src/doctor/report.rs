use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::output::{Document, Header, table};

/// Result of one check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub(crate) enum Verdict {
    Ok,
    Warn,
    Fail,
    Skip,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Check {
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) status: Verdict,
    pub(crate) detail: String,
    /// What to do; on everything that is not Ok.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) remedy: Option<String>,
}

impl Check {
    /// A check that passed.
    pub(crate) fn ok(id: &str, title: &str, detail: impl Into<String>) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), status: Verdict::Ok, detail: detail.into(), remedy: None }
    }

    /// A check that did not.
    pub(crate) fn not_ok(id: &str, title: &str, status: Verdict, detail: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { id: id.to_owned(), title: title.to_owned(), status, detail: detail.into(), remedy: Some(remedy.into()) }
    }
}

/// `koan doctor`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DoctorReport {
    #[serde(flatten)]
    header: Header,
    pub(crate) checks: Vec<Check>,
    summary: String,
}

impl DoctorReport {
    /// Report of these checks.
    pub(crate) fn of(checks: Vec<Check>) -> Self {
        let count = |status: Verdict| checks.iter().filter(|check| check.status == status).count();
        let summary = format!(
            "{} ok, {} warnings, {} failures, {} skipped",
            count(Verdict::Ok),
            count(Verdict::Warn),
            count(Verdict::Fail),
            count(Verdict::Skip)
        );
        Self { header: Header::of("DoctorReport"), checks, summary }
    }
}

impl Document for DoctorReport {
    fn human(&self, _: bool) -> String {
        let rows: Vec<Vec<String>> = self
            .checks
            .iter()
            .flat_map(|check| {
                let line = vec![format!("{:?}", check.status), check.id.clone(), check.detail.clone()];
                let remedy = check.remedy.as_ref().map(|remedy| vec![String::new(), String::new(), format!("hint: {remedy}")]);
                std::iter::once(line).chain(remedy)
            })
            .collect();
        table(&rows) + &self.summary + "\n"
    }

    fn names(&self) -> Vec<String> {
        self.checks.iter().map(|check| check.id.clone()).collect()
    }
}
