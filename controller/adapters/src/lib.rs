//! Adapters: what is known of each product, and how a running one is identified, proved and checked.

mod contract;
mod postgres;
mod redis;
mod registry;
mod texts;

pub use contract::Prober;
pub use registry::{Catalogue, catalogue};
