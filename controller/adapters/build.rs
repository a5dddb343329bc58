//! Tells the crate which adapters have a real server that their matrix runs against: a folder of `hack/servers.d` each (DET-39,
//! DET-42). Without that folder there is none.

use std::path::Path;

/// Where the servers of the tests stand, from this crate.
const SERVERS: &str = "../../hack/servers.d";

fn main() {
    println!("cargo::rerun-if-changed={SERVERS}");
    let entries = std::fs::read_dir(Path::new(SERVERS)).into_iter().flatten().filter_map(Result::ok);
    let servers = entries.filter(|entry| entry.path().join("server").is_file());
    let mut names: Vec<String> = servers.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    println!("cargo::rustc-env=KOAN_MATRIX_SERVERS={}", names.join(" "));
}
