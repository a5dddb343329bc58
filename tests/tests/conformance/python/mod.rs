//! The tests of the Kubernetes client for Python that talk to a server, as its package carries them.

use koan_tests::{Component, Exceptions, Koan, component};

use crate::cases::{program, told};

fn suite(flavour: &str, exceptions: &str) {
    let Some(folder) = component("python", Component::Suite("python")) else { return };
    let koan = Koan::new();
    koan.run(&["serve", "--background", "--no-controller", "--extended-kinds"]).expect_code(0);
    let cases = told(program(&folder.join("venv/bin/python"), &koan).arg(folder.join("run.py")).arg(flavour));
    Exceptions::of(&format!("python {flavour}"), exceptions).tally(cases).settle();
}

/// API-5, API-8, API-17, API-18: the tests of the dynamic client and its discovery.
#[test]
fn the_dynamic_client_of_python() {
    suite("sync", include_str!("sync.txt"));
}

/// API-5, API-8, API-17, API-18: the same by asyncio.
#[test]
fn the_asynchronous_dynamic_client_of_python() {
    suite("aio", include_str!("aio.txt"));
}
