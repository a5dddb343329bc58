//! The home: its state directory, its server, and a client for whichever target a command means (CLI-8).

mod connect;
mod directory;
mod process;
mod wire;

pub(crate) use connect::{Session, Start, api, connect, start_server};
pub(crate) use directory::{Home, instance_of, prepare};
pub(crate) use process::{ServerRecord, stop_server, tail};
pub(crate) use wire::Told;
