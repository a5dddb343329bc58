//! One engine for Docker and Podman: their differences are rows of a dialect table (ENG-5), never a second copy.
//!
//! It runs steps on the socket that the caller names. It reads no environment, decides nothing and keeps no state that labels
//! could not rebuild.

mod build;
mod container;
mod dial;
mod dialect;
mod engine;
mod exec;
mod failure;
mod files;
mod image;
mod info;
mod inventory;
mod lifecycle;
mod logins;
mod logs;
mod network;
mod open;
mod options;
mod pane;
mod session;
mod transport;
mod volume;
mod watch;
mod width;
mod wire;

pub use dialect::Dialect;
pub use engine::Moby;
pub use logins::RegistryLogins;
pub use options::{Endpoint, EndpointError, HostFacts, MobyOptions, default_endpoints};
