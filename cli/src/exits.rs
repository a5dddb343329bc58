//! The exit codes as people read them: `koan help exit-codes` and `docs/cli.md` (CLI-17).

use koan_crds::vocabulary::{ConditionType, ExitCode, Reason};

/// Every code, in the order of the table.
const CODES: [ExitCode; 9] = [
    ExitCode::Ok,
    ExitCode::General,
    ExitCode::Usage,
    ExitCode::Engine,
    ExitCode::Readiness,
    ExitCode::Ports,
    ExitCode::HostService,
    ExitCode::Lossy,
    ExitCode::Bug,
];

fn meaning(code: ExitCode) -> &'static str {
    match code {
        ExitCode::Ok => "done, converged, or nothing to do",
        ExitCode::General => "failed, or a check is not met",
        ExitCode::Usage => "usage, settings, or an invalid manifest; nothing was applied",
        ExitCode::Engine => "a container engine, tool or accelerator is missing or does not answer",
        ExitCode::Readiness => "not ready in time, or failed for good",
        ExitCode::Ports => "a host port cannot be had",
        ExitCode::HostService => "a host service or credential is required and not usable",
        ExitCode::Lossy => "an export or import would lose meaning under --strict",
        ExitCode::Bug => "a bug in Koan; the message says what to report",
    }
}

/// The reasons that end with this code, in the order of the vocabulary; none for success, which has too many.
fn reasons(code: ExitCode) -> Vec<&'static str> {
    if code == ExitCode::Ok {
        return Vec::new();
    }
    let mut found: Vec<Reason> = Vec::new();
    for reason in ConditionType::ALL.into_iter().flat_map(|kind| kind.reasons().iter().copied()) {
        if ExitCode::of(reason) == code && !found.contains(&reason) {
            found.push(reason);
        }
    }
    found.into_iter().map(Reason::as_str).collect()
}

/// Code, meaning, reasons.
pub(crate) fn rows() -> Vec<(String, &'static str, String)> {
    let own = CODES.into_iter().map(|code| ((code as u8).to_string(), meaning(code), reasons(code).join(" ")));
    let signals = [("130", "interrupted (Ctrl-C); the stack goes on"), ("143", "terminated; the stack goes on")];
    own.chain(signals.map(|(code, meaning)| (code.to_owned(), meaning, String::new()))).collect()
}

/// The table as plain text.
pub(crate) fn table() -> String {
    let mut text = String::new();
    for (code, meaning, reasons) in rows() {
        text.push_str(&format!("{code:>4}  {meaning}\n"));
        if !reasons.is_empty() {
            text.push_str(&format!("      {reasons}\n"));
        }
    }
    text + "\nIf several apply, the first of 70 2 3 6 5 4 7 1 is taken.\n"
}
