//! The server as its clients meet it: one binary, one module for each topic.

mod client;
mod support;
mod traps;
