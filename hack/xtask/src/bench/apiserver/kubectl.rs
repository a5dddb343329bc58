//! `kubectl get` with a cold and with a warm cache of discovery, on both servers.

use super::comparison::{Better, Comparison};
use super::run::{Bench, Figure};
use crate::bench::measure::Sample;
use crate::bench::record::Unit;
use anyhow::{Context as _, Result, ensure};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

/// Runs the part; without kubectl nothing.
///
/// # Errors
/// kubectl fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Vec<Comparison>> {
    let Some(program) = std::env::var_os("KOAN_BENCH_KUBECTL").map(PathBuf::from).filter(|path| path.exists()) else {
        println!("SKIPPED apiserver kubectl: no kubectl; KOAN_BENCH_KUBECTL=PATH, such as hack/kubectl prints it");
        return Ok(Vec::new());
    };
    let figures = [told("kubectl get, cold cache"), told("kubectl get, warm cache")];
    let mut rows = bench.both(figures, |side, _| {
        let cache = tempfile::tempdir()?;
        let timed = || -> Result<f64> {
            let mut command = Command::new(&program);
            command.args(["get", "configmaps", "--namespace", "default"]).arg("--cache-dir").arg(cache.path());
            command.env("KUBECONFIG", &side.kubeconfig).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            let began = Instant::now();
            let ended = command.status().with_context(|| format!("running {}", program.display()))?;
            ensure!(ended.success(), "kubectl get ended with {ended}");
            Ok(began.elapsed().as_secs_f64())
        };
        Ok([timed()?, timed()?])
    })?;
    // The bar is the reference of this run.
    for row in &mut rows {
        row.bar = Some(row.reference.median()).filter(|_| row.reference != Sample::default());
    }
    Ok(rows)
}

const fn told(name: &'static str) -> Figure {
    Figure { id: "PERF-63", name, unit: Unit::Seconds, better: Better::Less, bar: None }
}
