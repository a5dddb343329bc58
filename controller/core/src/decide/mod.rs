//! `decide`: from a valid service and the facts to a decision, an engine and host ports; total, pure, with evidence.

mod credential;
mod engine;
mod ports;
mod sticky;
mod table;

pub use credential::{CredentialNeed, credential_need};
pub use engine::{CONTAINER_ENGINES, EngineNeed, EngineRequest, EngineVerdict, choose_engine};
pub use ports::{
    AllocatedPort, BusyPort, MovedPort, PortAllocation, PortFailure, PortPromise, allocate_ports, avoid_refused, deterministic,
    port_key,
};
pub use sticky::standing;
pub use table::{Decision, MAX_EVIDENCE, decide};
