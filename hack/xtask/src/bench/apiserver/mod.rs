//! Bench `apiserver`: the figures of the embedded API server beside the reference in one run (API-15, API-17, API-22, API-24,
//! PERF-10, PERF-15, PERF-40 to PERF-45).
//!
//! Both servers are asked by the same generator over TLS and HTTP/1.1 on kept connections, in turn. It shares the machine with
//! them, so it parses no answer and its own processor time is printed.

mod changes;
mod comparison;
mod events;
mod kubectl;
mod load;
mod memory;
mod objects;
mod reads;
mod reference;
mod run;
mod start;
mod watchers;
mod writes;

pub(super) use comparison::{HEADING, is_compared, row};
pub(super) use run::run;
