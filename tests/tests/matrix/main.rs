//! The matrix of DET-40: each adapter × mode × situation is a test `matrix_<adapter>_<mode>_<situation>`, against the real server
//! that `hack/test-servers up` started; containers are simulated.
//!
//! Every run has a network of its own, so that an adapter's usual port is free in it whatever this machine runs.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod cells;
mod counterpart;
mod house;
mod room;
mod servers;

use std::process::ExitCode;
use std::sync::{Mutex, PoisonError};

use koan_adapters::catalogue;
use koan_core::recipe::Maturity;
use koan_crds::v1alpha1::ProvisioningMode;
use libtest_mimic::{Arguments, Failed, Trial};

use cells::{Cell, Situation};

/// Modes and their word in a cell's name.
const MODES: [(ProvisioningMode, &str); 4] = [
    (ProvisioningMode::Auto, "auto"),
    (ProvisioningMode::Always, "always"),
    (ProvisioningMode::Never, "never"),
    (ProvisioningMode::Disabled, "disabled"),
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    if !arguments.list && !room::inside() {
        return room::enter();
    }
    let stable = catalogue().recipes().iter().filter(|recipe| recipe.maturity == Maturity::Stable);
    let trials = stable.flat_map(|recipe| {
        MODES.into_iter().flat_map(move |(mode, word)| {
            Situation::ALL.into_iter().map(move |situation| {
                let name = format!("matrix_{}_{word}_{}", recipe.id, situation.word());
                let cell = Cell { recipe, mode, situation };
                // Without the server a cell says nothing, unless its absence is a failure.
                let ignored = situation.needs_server() && !servers::expected(recipe);
                Trial::test(name, move || run(&cell)).with_ignored_flag(ignored)
            })
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Cells of one process that need usual ports wait for one another.
static USUAL_PORTS: Mutex<()> = Mutex::new(());

fn run(cell: &Cell) -> Result<(), Failed> {
    let alone = cell.situation.needs_usual_port().then(|| USUAL_PORTS.lock().unwrap_or_else(PoisonError::into_inner));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(cell.run());
    // Nothing of this cell asks that port any more once its runtime has ended.
    drop(runtime);
    drop(alone);
    Ok(())
}
