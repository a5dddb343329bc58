//! `cargo xtask`: the checks, generators and benches of the house, one file or folder per command. Reads the working tree,
//! never the network; only the benches talk to an engine, and to the program under test on loopback.

mod bench;
mod cli;
mod conformance;
mod crds;
mod events;
mod layers;
mod matrix;
mod rooms;
mod rows;
mod sim;
mod sizes;
mod sources;
mod spec;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks, generators and benches of the house.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Bench(bench::Arguments),
    Conformance(conformance::Arguments),
    Layers(layers::Arguments),
    Matrix(matrix::Arguments),
    Sizes(sizes::Arguments),
    Crds(crds::Arguments),
    Cli(cli::Arguments),
    Events(events::Arguments),
    Rows(rows::Arguments),
    Sim(sim::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Conformance(arguments) => conformance::run(&arguments),
        Command::Layers(arguments) => layers::run(&arguments),
        Command::Matrix(arguments) => matrix::run(&arguments),
        Command::Sizes(arguments) => sizes::run(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Cli(arguments) => cli::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Rows(arguments) => rows::run(&arguments),
        Command::Sim(arguments) => sim::run(&arguments),
    };
    match outcome {
        Ok(problems) if problems.is_empty() => ExitCode::SUCCESS,
        Ok(problems) => {
            for problem in &problems {
                eprintln!("error: {problem}");
            }
            eprintln!("{} problem(s)", problems.len());
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
