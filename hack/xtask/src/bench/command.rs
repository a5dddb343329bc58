//! The command: chooses benches, runs one after the other, prints and records.

use super::floor::Engine;
use super::record::{Record, Run, append};
use super::setting::{EngineName, Outcome, Setting};
use super::{apiserver, bench_cli, bench_detection, bench_idle, bench_ready, bench_size, bench_start, bench_up, report};
use crate::workspace::{Problems, Workspace};
use anyhow::{Result, ensure};
use clap::ValueEnum;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Measures the release program: benches `start`, `size`, `idle`, `up`, `ready`, `cli`, `detection`, `apiserver`.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Benches to run, in this order
    #[arg(required_unless_present = "report")]
    names: Vec<Name>,
    /// Engine of the stacks; its socket comes from `hack/engines`
    #[arg(long, value_enum, default_value = "docker")]
    engine: EngineName,
    /// Repetitions after the warm-up; 5, and 3 for stacks over 10 s
    #[arg(long)]
    reps: Option<usize>,
    /// Only these stacks of `up`, or parts of `apiserver` (writes, reads, events, changes, kubectl, memory, start)
    #[arg(long, value_name = "STACK")]
    workload: Vec<String>,
    /// Measure the reference of hack/reference beside it, in the bench `apiserver`
    #[arg(long)]
    reference: bool,
    /// The program under test; target/release/koan
    #[arg(long, value_name = "PATH")]
    koan: Option<PathBuf>,
    /// Print the JSON lines instead of the table
    #[arg(long)]
    json: bool,
    /// Write the tables of docs/performance.md from the recorded lines
    #[arg(long)]
    report: bool,
}

/// A bench.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Name {
    Start,
    Size,
    Idle,
    Up,
    Ready,
    Cli,
    Detection,
    Apiserver,
}

impl Name {
    fn word(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Size => "size",
            Self::Idle => "idle",
            Self::Up => "up",
            Self::Ready => "ready",
            Self::Cli => "cli",
            Self::Detection => "detection",
            Self::Apiserver => "apiserver",
        }
    }

    fn measure(self, setting: &Setting) -> Result<Outcome> {
        match self {
            Self::Start => bench_start::run(setting),
            Self::Size => bench_size::run(setting),
            Self::Idle => bench_idle::run(setting),
            Self::Up => bench_up::run(setting),
            Self::Ready => bench_ready::run(setting),
            Self::Cli => bench_cli::run(setting),
            Self::Detection => bench_detection::run(setting),
            Self::Apiserver => apiserver::run(setting),
        }
    }
}

/// Runs the benches that were named.
///
/// # Errors
/// The program or the engine fails; a missing one is `SKIPPED` instead.
pub(crate) fn run(arguments: &Arguments) -> Result<Problems> {
    if cfg!(debug_assertions) && arguments.names.contains(&Name::Apiserver) {
        return optimised();
    }
    let workspace = Workspace::load()?;
    let records = workspace.root.join("target/bench");
    if !arguments.names.is_empty() {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace.root.join("target"), PathBuf::from);
        let program = arguments.koan.clone().unwrap_or_else(|| target.join("release/koan"));
        measure(arguments, &workspace.root, &records, program)?;
    }
    if arguments.report {
        report::write(&workspace.root.join("docs/performance.md"), &records)?;
    }
    Ok(Vec::new())
}

/// Runs the same command by an optimised build of this program: a generator of load that is none measures itself.
fn optimised() -> Result<Problems> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["run", "--quiet", "--release", "--package", "xtask", "--"]).args(std::env::args_os().skip(1));
    let ended = command.status()?;
    ensure!(ended.success(), "the optimised generator ended with {ended}");
    Ok(Vec::new())
}

fn measure(arguments: &Arguments, root: &Path, records: &Path, program: PathBuf) -> Result<()> {
    if !program.exists() {
        for name in &arguments.names {
            println!("SKIPPED {}: {} is not built; cargo build --release --package koan", name.word(), program.display());
        }
        return Ok(());
    }
    let program = program.canonicalize()?;
    let profile = program.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let engine = arguments.engine.socket().map(|socket| Engine::new(&socket, "").version()).transpose()?;
    let engine = engine.map(|version| format!("{:?} {version}", arguments.engine));
    let run = Run::look(root, profile, engine)?;
    let setting = Setting {
        program,
        engine: arguments.engine,
        repetitions: arguments.reps,
        workloads: arguments.workload.clone(),
        reference: arguments.reference.then(|| root.to_owned()),
        run,
    };
    let mut measured = Vec::new();
    for name in &arguments.names {
        eprintln!("bench {}", name.word());
        match name.measure(&setting)? {
            Outcome::Measured(results) => {
                append(&records.join(format!("{}.jsonl", name.word())), &results)?;
                measured.extend(results);
            }
            Outcome::Skipped(missing) => println!("SKIPPED {}: {missing}", name.word()),
        }
    }
    print(&measured, arguments.json);
    Ok(())
}

fn print(records: &[Record], is_json: bool) {
    if is_json {
        for record in records {
            println!("{}", record.0);
        }
    } else if let Some(first) = records.first() {
        let mut heading = "";
        for record in records {
            if record.heading() != heading {
                heading = record.heading();
                println!("{heading}");
            }
            println!("{}", record.row());
        }
        for record in records.iter().filter(|record| !record.floors().is_empty()) {
            println!("floors of {}: {}", record.0["workload"].as_str().unwrap_or_default(), record.floors());
        }
        println!("{}", first.circumstances());
        let misses = records.iter().filter(|record| record.0["verdict"] == "missed").count();
        println!("{misses} missed");
    }
}
