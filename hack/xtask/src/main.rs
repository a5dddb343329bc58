//! `cargo xtask`: the checks and generators of the house, one file per command. Reads the working tree, never the network.

mod crds;
mod events;
mod layers;
mod rooms;
mod rows;
mod sizes;
mod sources;
mod spec;
mod workspace;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Checks and generators of the house.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Layers(layers::Arguments),
    Sizes(sizes::Arguments),
    Crds(crds::Arguments),
    Events(events::Arguments),
    Rows(rows::Arguments),
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Layers(arguments) => layers::run(&arguments),
        Command::Sizes(arguments) => sizes::run(&arguments),
        Command::Crds(arguments) => crds::run(&arguments),
        Command::Events(arguments) => events::run(&arguments),
        Command::Rows(arguments) => rows::run(&arguments),
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
