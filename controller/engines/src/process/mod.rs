//! Programs of the host, each under a small supervisor that outlives Koan (ENG-10, ENG-17).
//!
//! Truth lies in folders and in the process table: a restart of Koan reads both and adopts what runs. The engine restarts nothing and
//! decides nothing; it promises neither root nor a sandbox.

mod account;
mod durable;
mod engine;
mod error;
mod exec;
mod identity;
mod inventory;
mod job;
mod layout;
mod lines;
mod logs;
mod open;
mod options;
mod private;
mod programs;
mod record;
mod render;
mod start;
mod stop;
mod supervisor;
mod volumes;
mod watch;
mod workloads;

pub use engine::ProcessEngine;
pub use koan_exec::{Helper, lead};
pub use options::{ProcessOptions, ProgramSource, SUPERVISE_ARGUMENT, SYSTEM_ACCOUNT, TERMINAL_ARGUMENT};
pub use programs::{MissingProgram, find_program};
pub use supervisor::supervise;
