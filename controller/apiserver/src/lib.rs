//! A Kubernetes-compatible API server for one machine: durable, loopback only, and for the kinds it serves not to be
//! told from a real one by a stock client.
//!
//! It runs no workload and knows no kind by itself: besides a few core kinds, everything it serves comes from
//! CustomResourceDefinitions that the embedding process hands to the [`Server`]'s builder, together with the clock, the
//! source of ids and randomness, and the journal. It imports no other crate of this workspace.

mod auth;
mod channels;
pub mod codec;
mod crds;
mod deletion;
mod discovery;
mod forward;
mod go_types;
mod handlers;
mod http;
mod journal;
mod kinds;
mod kubeconfig;
pub mod openapi;
mod paging;
pub mod patch;
mod ports;
pub mod proto;
pub mod schema;
mod selectors;
mod server;
mod spdy;
pub mod ssa;
mod status;
mod store;
pub mod table;
mod tls;
mod workloads;

pub use self::http::Body;
pub use journal::{Change, Journal, JournalError, Loaded, Memory, Row, Sqlite};
pub use kubeconfig::{ContextEntry, KubeconfigError, KubeconfigFile};
pub use ports::{Clock, Ids, OsRandom, Random, RandomIds, SystemClock};
pub use server::{Builder, ListenOptions, Listening, Mirrors, Server, ServerError, Service, SnapshotReader, Stored, prepare};
pub use status::{Class, Failure};
pub use tls::TlsError;
pub use workloads::{
    Command, Connection, Duplex, LogLine, LogLines, LogRequest, Output, PodKey, Running, TerminalSize, WorkloadError, Workloads,
};
