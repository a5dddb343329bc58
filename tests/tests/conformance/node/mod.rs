//! Programs that use the official Kubernetes client for Node.js.

mod informer;

use std::process::Command;

use koan_tests::{Component, Exceptions, Koan, Place, component};

use crate::cases::{program, told};

/// A program of the suite's folder; `None` where Node.js is missing.
fn node(koan: &Koan, name: &str) -> Option<Command> {
    let folder = component("node", Component::Suite("node"))?;
    let mut command = program(&folder.join("node"), koan);
    command.arg(folder.join(name));
    Some(command)
}

fn settle(mut command: Command, name: &str) {
    Exceptions::of(name, "").tally(told(&mut command)).settle();
}

/// API-1, API-2, API-7 to API-13, API-31: typed and dynamic calls: lists, watches, all patch types, a kind of the user's own, refusals.
#[test]
fn calls_of_the_node_client() {
    let koan = Koan::new();
    let Some(command) = node(&koan, "basics.mjs") else { return };
    koan.run(&["serve", "--background", "--no-controller"]).expect_code(0);
    settle(command, "node calls");
}

/// API-3, API-19: logs, exec and restart of the Pod of a real process.
#[test]
fn pods_by_the_node_client() {
    let Some(koan) = Place::Process.home("node") else { return };
    let Some(mut command) = node(&koan, "pods.mjs") else { return };
    let stack = "apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: shop}\nspec:\n  provisioning: {mode: Always}\n  services:\n  \
                 - name: cache\n    adapter: redis\n";
    koan.write("koan.yaml", stack);
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
    command.arg("shop-cache");
    settle(command, "node pods");
}
