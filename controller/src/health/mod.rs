//! Koan's own readiness probes: proportional before the first success, steady afterwards (PERF-81, K-7).
//!
//! The board keeps what was found about each service's present workload; a restart begins anew and proves again. A probe
//! wakes the service only when its verdict turns. It writes nothing and judges no condition.

mod board;
mod cadence;
mod forms;

#[cfg(test)]
mod tests;

pub(crate) use board::{Board, Means, Place, Target};
