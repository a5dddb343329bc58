//! The server as its clients meet it: one binary, one module for each topic.

mod client;
mod deletion;
mod durability;
mod kubectl;
mod semantics;
mod support;
mod traps;
mod watches;
mod wire;
