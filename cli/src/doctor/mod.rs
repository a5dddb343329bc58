//! What `koan doctor` looks at (CLI-33): every check with a remedy, nothing changed.

mod bundle;
mod engines;
mod kinds;
mod machine;
mod report;

use crate::commands::Run;

pub(crate) use bundle::{collect, write};
pub(crate) use report::{Check, DoctorReport, Verdict};

/// Ids of all checks, in the order of the report.
pub(crate) const CHECKS: &[&str] = &[
    "engine.docker",
    "engine.podman",
    "engine.process",
    "engine.order",
    "kube.crds",
    "home.dir",
    "home.lock",
    "home.disk",
    "ports.range",
    "ports.known",
    "net.loopback",
    "net.proxy",
    "net.hostalias",
    "manifest.valid",
    "env.unknown",
];

/// Runs the checks that are wanted.
pub(crate) async fn examine(run: &Run, wanted: &impl Fn(&str) -> bool) -> DoctorReport {
    let mut checks = Vec::new();
    if CHECKS.iter().any(|id| id.starts_with("engine.") && wanted(id)) {
        checks.extend(engines::checks(run).await);
    }
    if wanted("net.hostalias") {
        checks.push(engines::host_alias(run).await);
    }
    if wanted("kube.crds") {
        checks.push(kinds::check(run).await);
    }
    checks.extend(machine::checks(run));
    checks.retain(|check| wanted(&check.id));
    checks.sort_by_key(|check| CHECKS.iter().position(|id| *id == check.id));
    DoctorReport::of(checks)
}
