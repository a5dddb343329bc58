//! Adapters: what is known of each product, and how a running one is identified, proved and checked.

mod contract;
mod elasticsearch;
mod environment;
mod etcd;
mod http;
mod kafka;
mod lines;
mod memcached;
mod mongodb;
mod mosquitto;
mod mysql;
mod nats;
mod ollama;
mod ownership;
mod postgres;
mod prober;
mod product;
mod rabbitmq;
mod redis;
mod registry;
mod scram;
#[cfg(test)]
mod testing;
mod texts;
mod tls;
mod vault;
mod weaviate;
mod wire;
#[cfg(any(test, feature = "zoo"))]
pub mod zoo;

pub use contract::Prober;
pub use environment::{environment_candidates, environment_names};
pub use ownership::{Rule, listener_name, rules};
pub use prober::LiveProber;
pub use registry::{Catalogue, EXAMPLE, FILE_PROVIDERS, FileProvider, catalogue};

/// What detection may cost, as its page in the documentation tells it (DET-12); each limit belongs to the room that keeps it.
pub mod budgets {
    pub use crate::prober::{AT_ONCE, REFUSED_LIMIT};
    pub use crate::wire::{CONNECT_LOOPBACK, GREETING, READ_LIMIT};
}
