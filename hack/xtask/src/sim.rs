//! `cargo xtask sim`: the simulation's sweep in an optimised build; the crate's own tests run a slice of it.

use crate::workspace::{Problems, Workspace};
use anyhow::{Context, Result};
use std::process::Command;

/// Sweeps crashes and faults over every effect of every scenario.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How much: `all`, a number of plans, or seconds such as `300s`.
    #[arg(long, default_value = "all")]
    budget: String,
    /// The fresh seed; it also says where a slice begins. By default a new one, which is printed.
    #[arg(long)]
    seed: Option<u64>,
    /// Runs one plan alone: the line that a failing run printed.
    #[arg(long, value_name = "LINE")]
    replay: Option<String>,
}

/// Runs the sweep.
///
/// # Errors
/// Cargo cannot be started.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    let workspace = Workspace::load()?;
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(&workspace.root);
    command.args(["test", "--locked", "--profile", "sim", "--package", "koan-controller", "--test", "simulation"]);
    command.args(["every_scenario_keeps_the_invariants", "--", "--nocapture"]).env("KOAN_SIM_BUDGET", &arguments.budget);
    if let Some(seed) = arguments.seed {
        command.env("KOAN_SIM_SEED", seed.to_string());
    }
    if let Some(line) = &arguments.replay {
        command.env("KOAN_SIM_REPLAY", line);
    }
    let status = command.status().context("cargo cannot be started")?;
    Ok(if status.success() { Problems::new() } else { vec!["the simulation found violations, see above".to_owned()] })
}
