//! All reads of one service in one place; the result is plain `Facts`, and nothing is judged here.

mod attempts;
mod credential;
mod engine;
mod environment;
mod logs;
mod probing;
mod references;
mod restarts;
mod world;

#[cfg(test)]
mod tests;

pub use attempts::PAUSE as PROBE_PAUSE;
pub(crate) use attempts::{Asks, remember as remember_refused};
pub(crate) use credential::{GeneratedCredential, ensure as ensure_credential};
pub(crate) use engine::{choose, told};
pub(crate) use environment::hits as environment_hits;
pub(crate) use logs::tail;
pub(crate) use probing::ask;
pub(crate) use restarts::Restarts;
pub(crate) use world::{LAUNCH_PORT, facts};
