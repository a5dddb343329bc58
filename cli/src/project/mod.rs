//! What a project folder says of the services that its programs use, beside its manifest: connection strings, compose services,
//! packages. It reads a bounded number of files and starts nothing; values stay where they are.

mod configured;
mod packages;
mod scan;

pub(crate) use scan::{Seen, scan};
