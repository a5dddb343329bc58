//! Adapters: what is known of each product, and how a running one is identified, proved and checked.

mod contract;

pub use contract::Prober;
