//! `cargo xtask bench`: measures the release program against floors of the same run, prints one table and writes one JSON
//! line per result (PERF-1 to PERF-8). It fails for what cannot be measured, never for what is slow.

mod apiserver;
mod bench_cli;
mod bench_detection;
mod bench_idle;
mod bench_ready;
mod bench_size;
mod bench_start;
mod bench_up;
mod command;
mod endpoint;
mod floor;
mod http;
mod measure;
mod process;
mod real;
mod record;
mod report;
mod setting;
mod subject;
mod workload;

pub(crate) use command::{Arguments, run};
