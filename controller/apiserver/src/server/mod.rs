//! The server as its embedder sees it: built, served in process or on a loopback socket, read directly, shut down.

mod builder;
mod core;
mod error;
mod listen;
mod mirrors;
mod reader;
mod service;

pub use builder::{Builder, Server};
pub(crate) use core::{Core, Permit, stopped};
pub use error::ServerError;
pub use listen::{ListenOptions, Listening, prepare};
pub use mirrors::Mirrors;
pub use reader::{SnapshotReader, Stored};
pub use service::Service;
