//! The embedded server as a test API server for other people's controllers (API-5): the example in Go, and what a start costs.

use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use koan_tests::{Component, Koan, Output, PATIENCE, component};

/// Pause between two looks: the start takes milliseconds.
const LOOK: Duration = Duration::from_millis(1);

/// A server in the foreground, which ends with this value.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        // One that has ended by itself needs no signal.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The resident memory of a process, in KiB.
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Starts a server; how long it took until its kubeconfig stood, and its memory then.
fn start(words: &[&str]) -> (Duration, u64) {
    let koan = Koan::new();
    let began = Instant::now();
    let server = Served(koan.command(&[&["serve", "--no-controller", "--quiet"], words].concat()).spawn().unwrap());
    let kubeconfig = koan.home().join("kubeconfig");
    while !kubeconfig.exists() {
        assert!(began.elapsed() < PATIENCE, "the server wrote no kubeconfig");
        std::thread::sleep(LOOK);
    }
    (began.elapsed(), resident(server.0.id()))
}

/// API-5: the example of a controller-runtime reconciler passes against `koan serve --no-controller --extended-kinds`.
#[test]
fn envtest_a_go_reconciler_is_tested() {
    let Some(test) = component("envtest", Component::Suite("envtest")) else { return };
    let koan = Koan::new();
    let mut command = Command::new(&test);
    command.args(["-test.v", "-test.timeout=120s"]).env("KOAN", koan.command(&[]).get_program());
    let output = Output::of(command.current_dir(Path::new("/"))).expect_code(0);
    let passed = output.stdout.lines().filter(|line| line.starts_with("--- PASS: ")).count();
    println!("envtest: {passed} run, {passed} passed, 0 listed");
    assert_eq!(passed, 1, "{output:?}");
}

/// API-5: says what a start takes with and without the extended kinds; figures of this build on this machine.
#[test]
fn envtest_a_start_is_measured() {
    for (name, words) in [("default kinds", &[][..]), ("extended kinds", &["--extended-kinds"][..])] {
        let (time, memory) = start(words);
        println!("envtest: {name}: ready after {} ms, {} KiB resident", time.as_millis(), memory);
    }
}
