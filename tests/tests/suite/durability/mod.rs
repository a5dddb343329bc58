//! `kill -9` of a serving `koan` again and again under load: the clients' own logs are held against what a correct server can
//! have answered (REL-19).
//!
//! `KOAN_KILL_CYCLES`, `KOAN_KILL_MINUTES` and `KOAN_KILL_SEED` set how often, for how long at most, and from where;
//! `hack/long-run durability` does. A history with a violation is kept below `KOAN_KILL_KEEP`; `KOAN_KILL_HISTORY` names one
//! that is checked again.

mod clients;
mod log;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use koan_tests::Koan;
use koan_tests::history::{History, violations};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use rustix::process::{Pid, Signal, kill_process};

use clients::{Clients, Dice};
use log::Log;

/// Kills of a run where nothing else is said.
const CYCLES: u64 = 100;
/// Kills between two checks; the log of so many fits in memory at any rate of writes.
const STRETCH: u64 = 25;
/// The longest life of a server under load.
const LIFE: Duration = Duration::from_millis(500);
/// One server in so many is killed while it starts.
const EARLY_EVERY: u64 = 5;
/// Longest wait for a server that starts.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks at its kubeconfig.
const POLL: Duration = Duration::from_millis(2);

/// A number that the environment sets.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// A server that is killed when it goes out of scope, as everything else here.
struct Victim(Child);

impl Victim {
    fn start(koan: &Koan) -> Self {
        let mut command = koan.command(&["serve", "--no-controller"]);
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("koan runs"))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // One that has ended by itself is gone already.
        let _ = kill_process(Pid::from_child(&self.0), Signal::KILL);
        let _ = self.0.wait();
    }
}

/// What stands where a run puts its kubeconfig.
fn kubeconfig(home: &Path) -> String {
    std::fs::read_to_string(home.join("kubeconfig")).unwrap_or_default()
}

/// The kubeconfig of the run that follows the one with `before`.
async fn ready(home: &Path, before: &str) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // Every run has its own token.
        let text = kubeconfig(home);
        if !text.is_empty() && text != before {
            return text;
        }
        assert!(Instant::now() < deadline, "the server did not start in {} s", PATIENCE.as_secs());
        tokio::time::sleep(POLL).await;
    }
}

/// A client with a connection of its own that asks everything once.
async fn client(kubeconfig: &str) -> Client {
    let file = Kubeconfig::from_yaml(kubeconfig).expect("a kubeconfig");
    let mut config = Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.expect("a context");
    config.default_retry = false;
    Client::try_from(config).expect("a client")
}

/// What came of a run.
struct Tally {
    seed: u64,
    cycles: u64,
    writes: usize,
    violations: Vec<String>,
    began: Instant,
}

impl Tally {
    /// Checks a stretch and keeps it where it is wrong.
    fn check(&mut self, history: &History) {
        self.writes += history.attempts.len();
        let found = violations(history);
        if found.is_empty() {
            return;
        }
        let root = std::env::var_os("KOAN_KILL_KEEP").map_or_else(std::env::temp_dir, PathBuf::from);
        let path = root.join(format!("koan-history-{}-{}.json", self.seed, self.cycles));
        std::fs::write(&path, serde_json::to_vec(history).expect("JSON")).expect("a file for the history");
        self.violations.push(format!("{} violations, history in {}", found.len(), path.display()));
        self.violations.extend(found);
    }

    fn print(&self) {
        let seconds = self.began.elapsed().as_secs_f64();
        println!(
            "{{\"suite\":\"kill-cycles\",\"seed\":{},\"done\":{},\"failed\":{},\"minutes\":{:.2},\"writes\":{}}}",
            self.seed,
            self.cycles,
            self.violations.len(),
            seconds / 60.0,
            self.writes,
        );
    }
}

/// One stretch of kills on one home; what it leaves is the next one's baseline.
async fn stretch(koan: &Koan, clients: &mut Clients, dice: &mut Dice, tally: &mut Tally, goal: u64) {
    let log = Arc::new(Log::new(clients.clock));
    while tally.cycles < goal {
        let before = kubeconfig(&koan.home());
        let victim = Victim::start(koan);
        let moment = Duration::from_micros(dice.below(LIFE.as_micros().try_into().expect("a small number")));
        tally.cycles += 1;
        if tally.cycles.is_multiple_of(EARLY_EVERY) {
            // The moment of the crash is what the seed varies; nothing is waited for.
            tokio::time::sleep(moment).await;
            continue;
        }
        let run = ready(&koan.home(), &before).await;
        clients.look(&client(&run).await, &log).await;
        let load = clients.start(&run, &log, dice).await;
        tokio::time::sleep(moment).await;
        drop(victim);
        clients.settle(load).await;
    }
    let before = kubeconfig(&koan.home());
    let victim = Victim::start(koan);
    let run = ready(&koan.home(), &before).await;
    clients.look(&client(&run).await, &log).await;
    drop(victim);
    tally.check(&log.take());
}

/// REL-19, API-25, D-1 to D-9: over kills at random moments no acknowledged write is lost, none that was refused is there, the
/// versions of each object are one line that every reader agrees with, and every watch shows a gap-free piece of the whole.
#[tokio::test(flavor = "multi_thread")]
async fn kill_9_under_load_leaves_a_correct_history() {
    let seed = number("KOAN_KILL_SEED").unwrap_or_default();
    let cycles = number("KOAN_KILL_CYCLES").unwrap_or(CYCLES);
    let until = number("KOAN_KILL_MINUTES").map(|minutes| Instant::now() + Duration::from_secs(minutes * 60));
    let koan = Koan::new();
    let mut dice = Dice::new(seed);
    let mut clients = Clients::new();
    let mut tally = Tally { seed, cycles: 0, writes: 0, violations: Vec::new(), began: Instant::now() };
    while tally.cycles < cycles && until.is_none_or(|until| Instant::now() < until) {
        let goal = (tally.cycles + STRETCH).min(cycles);
        stretch(&koan, &mut clients, &mut dice, &mut tally, goal).await;
    }
    tally.print();
    assert!(tally.writes > 0, "nothing was written");
    assert!(tally.violations.is_empty(), "{}", tally.violations.join("\n"));
}

/// REL-19: a history that was kept is checked again.
#[test]
fn a_kept_history_is_checked_again() {
    let Some(path) = std::env::var_os("KOAN_KILL_HISTORY") else { return };
    let history: History = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    let found = violations(&history);
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// Numbers the contents that the clients write.
static TAGS: AtomicU64 = AtomicU64::new(0);

/// A content that no other write has.
fn tag() -> String {
    format!("t{}", TAGS.fetch_add(1, Ordering::Relaxed))
}
