//! One printer for every failure: human lines, or one `ErrorReport` (CLI-19).

use std::error::Error;
use std::io::Write;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Failure, Location, Problem};
use crate::output::{Format, Header};
use crate::redact;

/// Most names that a suggestion lists.
const MAX_SUGGESTIONS: usize = 3;

/// What a failed command writes to stderr with `-o json` (CLI-19).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ErrorReport {
    #[serde(flatten)]
    header: Header,
    code: String,
    reason: String,
    message: String,
    causes: Vec<String>,
    location: Option<Location>,
    /// Every violation of a manifest or of settings.
    problems: Vec<Problem>,
    hints: Vec<String>,
    event_id: Option<u32>,
    exit: u8,
}

/// Prints the failure to stderr. A closed stderr is not an error of its own.
pub(crate) fn print(failure: &Failure, format: Format) {
    let text = match format {
        Format::Json | Format::Yaml => report(failure),
        Format::Human | Format::Wide | Format::Name => human(failure),
    };
    let _ = std::io::stderr().lock().write_all(redact::talk(&text).as_bytes());
}

fn causes(failure: &Failure) -> Vec<String> {
    if let Failure::Api { source, .. } = failure
        && let kube::Error::Api(status) = source.as_ref()
    {
        // The server's own words, without the shape that the client library gives them.
        return vec![status.message.clone()];
    }
    let mut chain = Vec::new();
    let mut next = failure.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if chain.last() != Some(&text) {
            chain.push(text);
        }
        next = cause.source();
    }
    chain
}

fn report(failure: &Failure) -> String {
    let problems = match failure {
        Failure::Violations { problems } | Failure::Settings { problems } => problems.clone(),
        _ => Vec::new(),
    };
    let document = ErrorReport {
        header: Header::of("ErrorReport"),
        code: failure.reason(),
        reason: failure.reason(),
        message: failure.to_string(),
        causes: [causes(failure), failure.details()].concat(),
        location: failure.location().cloned(),
        problems,
        hints: failure.hints(),
        event_id: failure.event(),
        exit: failure.exit(),
    };
    serde_json::to_string(&document).unwrap_or_default() + "\n"
}

fn human(failure: &Failure) -> String {
    let mut lines = vec![format!("error: {failure}")];
    lines.extend(causes(failure).into_iter().map(|cause| format!("  {cause}")));
    lines.extend(failure.details().into_iter().map(|detail| format!("  {detail}")));
    if let Failure::Violations { problems } | Failure::Settings { problems } = failure {
        for problem in problems {
            lines.push(format!("  {}", problem.message));
            lines.push(arrow(&problem.location));
        }
    } else if let Some(location) = failure.location() {
        lines.push(arrow(location));
    }
    lines.extend(failure.hints().into_iter().map(|hint| format!("hint: {hint}")));
    let event = failure.event().map(|id| format!(", event {id}")).unwrap_or_default();
    lines.push(format!("({}{event}, exit {})", failure.reason(), failure.exit()));
    lines.join("\n") + "\n"
}

fn arrow(location: &super::Location) -> String {
    format!(" --> {}:{}:{}  {}", location.file, location.line, location.column, location.path).trim_end().to_owned()
}

/// Names nearest to `name`, at most three.
pub(crate) fn suggest(name: &str, known: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut near: Vec<(usize, String)> =
        known.into_iter().map(|k| (distance(name, &k), k)).filter(|(d, k)| *d <= k.len().div_ceil(2)).collect();
    near.sort();
    near.into_iter().take(MAX_SUGGESTIONS).map(|(_, k)| k).collect()
}

/// Levenshtein distance over characters.
fn distance(one: &str, two: &str) -> usize {
    let two: Vec<char> = two.chars().collect();
    let mut row: Vec<usize> = (0..=two.len()).collect();
    for (i, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in two.iter().enumerate() {
            let above = row[j + 1];
            row[j + 1] = (diagonal + usize::from(a != *b)).min(above + 1).min(row[j] + 1);
            diagonal = above;
        }
    }
    row[two.len()]
}
