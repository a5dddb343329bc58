//! Foreign suites and stock clients against Koan's server: what developers already run works against it, but for what the
//! list of each suite excuses with a reason.

#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic, reason = "helpers of tests")]

mod cases;
mod envtest;
mod helm;
mod k9s;
mod kube_rs;
mod kubectl;
mod node;
mod python;
