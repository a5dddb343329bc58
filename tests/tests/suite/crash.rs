//! `kill -9` of the server at random points while a stack comes up, on real engines.

use std::process::Stdio;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use koan_tests::{Component, Engine, Koan, Kubectl, Place, answers, until};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use serde_json::Value;

/// Points of a run where `KOAN_TEST_CRASH_POINTS` is not set; the long form has 50.
const POINTS: usize = 5;
/// Services of the stack.
const SERVICES: usize = 2;

/// A small generator of the moments; the seed is printed and may be given again by `KOAN_TEST_SEED`.
struct Moments(u64);

impl Moments {
    fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.subsec_nanos().into());
        let seed = std::env::var("KOAN_TEST_SEED").ok().and_then(|text| text.parse().ok()).unwrap_or(now);
        println!("KOAN_TEST_SEED={seed}");
        Self(seed | 1)
    }

    /// A moment below a span.
    fn below(&mut self, span: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        let micros = u64::try_from(span.as_micros()).unwrap_or(u64::MAX).max(1);
        Duration::from_micros(self.0 % micros)
    }
}

fn up(koan: &Koan) {
    koan.run(&["up", "-o", "json", "--timeout", "120s"]).expect_code(0);
}

/// Data of the generated credentials.
fn login(kubectl: &Kubectl<'_>) -> Value {
    kubectl.get(&["secret", "shop-db-credentials"])["data"].clone()
}

/// Starts `up`, and kills the server after a moment of its life.
fn up_and_kill(koan: &Koan, moment: Duration) {
    let mut command = koan.command(&["up", "--timeout", "60s"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("koan runs");
    let server = until("the server runs", || koan.server());
    // The moment of the crash is what the seed varies; nothing is waited for.
    std::thread::sleep(moment);
    let pid = Pid::from_raw(server).expect("a pid");
    kill_process(pid, Signal::KILL).expect("the server is killed");
    until("the server is gone", || test_kill_process(pid).is_err().then_some(()));
    let _ = child.kill();
    let _ = child.wait();
}

fn crashes(place: Place) {
    let (Some(koan), Some(engine)) = (place.home("crash"), place.engine("crash")) else { return };
    let Some(kubectl) = Kubectl::of("crash", Component::NewerKubectl, &koan) else { return };
    koan.write("koan.yaml", &place.stack());
    let began = Instant::now();
    up(&koan);
    let span = began.elapsed();
    let password = login(&kubectl);
    let instance = instance(&koan, &kubectl, &engine);
    let points = std::env::var("KOAN_TEST_CRASH_POINTS").ok().and_then(|text| text.parse().ok()).unwrap_or(POINTS);
    let mut moments = Moments::new();
    for point in 0..points {
        koan.run(&["down", "--timeout", "60s"]).expect_code(0);
        assert_eq!(engine.containers(&instance), Vec::<String>::new(), "point {point}: nothing runs after down");
        assert_eq!(engine.networks(&instance), Vec::<String>::new(), "point {point}: no network after down");
        koan.run(&["serve", "stop"]).expect_code(0);
        let moment = moments.below(span);
        println!("point {point}: killed after {moment:?}");
        up_and_kill(&koan, moment);
        let before = engine.containers(&instance);
        let back = Instant::now();
        up(&koan);
        println!("REL-26: point {point}: ready {:?} after the next start", back.elapsed());
        let after = engine.containers(&instance);
        assert_eq!(after.len(), SERVICES, "point {point}: no orphan, nothing twice: {before:?} {after:?}");
        assert!(before.iter().all(|id| after.contains(id)), "point {point}: same containers: {before:?} {after:?}");
        let networks = engine.networks(&instance);
        assert_eq!(networks.len(), 1, "point {point}: one network: {networks:?}");
        assert_eq!(login(&kubectl), password, "point {point}: no second password");
        answers(&koan.run(&["env", "--format", "json"]).expect_code(0).json());
    }
    koan.run(&["down", "--volumes", "--yes", "--timeout", "60s"]).expect_code(0);
    assert_eq!(engine.containers(&instance), Vec::<String>::new());
    assert_eq!(engine.networks(&instance), Vec::<String>::new());
    assert_eq!(engine.volumes(&instance), Vec::<String>::new());
}

fn instance(koan: &Koan, kubectl: &Kubectl<'_>, engine: &Engine) -> String {
    assert!(koan.server().is_some());
    let specs = kubectl.get(&["servicespecs"]);
    let id = specs["items"][0]["status"]["workload"]["id"].as_str().expect("a workload").to_owned();
    engine.instance(&id)
}

/// REL-2, REL-3, S-9, S-11: killed anywhere during `up`, Koan converges with the same containers and password on Docker.
#[test]
fn a_killed_server_converges_on_docker() {
    crashes(Place::Docker);
}

/// REL-2, REL-3, S-9, S-11: the same on Podman.
#[test]
fn a_killed_server_converges_on_podman() {
    crashes(Place::Podman);
}
