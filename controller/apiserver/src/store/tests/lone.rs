//! Who waits for the disk: a writer that is alone on a quick one does so itself; the order stays what it is.

use std::sync::{Arc, Mutex};
use std::thread::{current, yield_now};
use std::time::{Duration, Instant};

use futures::future::join_all;

use super::super::commit::lock;
use super::{CommitError, Company, Expected, Fixed, Store, write};
use crate::journal::{Change, Journal, JournalError, Loaded, Memory};

/// Longer than what a lone writer waits for.
const SLOW: Duration = Duration::from_millis(5);
/// Stands for a disk that panics.
const MAD: Duration = Duration::MAX;
/// Lone writes of which one finds that the disk is quick.
const TRIES: u32 = 1_000;

/// A disk that notes the thread that waited for it, and that takes its time.
struct Disk {
    memory: Memory,
    pace: Arc<Mutex<Duration>>,
    waited: Arc<Mutex<Vec<String>>>,
}

impl Journal for Disk {
    fn load(&mut self) -> Result<Loaded, JournalError> {
        self.memory.load()
    }

    fn adopt(&mut self, instance: &str) -> Result<(), JournalError> {
        self.memory.adopt(instance)
    }

    fn commit(&mut self, changes: &[Change]) -> Result<(), JournalError> {
        lock(&self.waited).push(current().name().unwrap_or_default().to_owned());
        let (begun, pace) = (Instant::now(), *lock(&self.pace));
        assert!(pace != MAD, "mad");
        while begun.elapsed() < pace {
            yield_now();
        }
        self.memory.commit(changes)
    }

    fn blocks(&self) -> bool {
        true
    }
}

struct House {
    store: Store,
    pace: Arc<Mutex<Duration>>,
    waited: Arc<Mutex<Vec<String>>>,
    shown: Arc<Mutex<Vec<u64>>>,
}

fn house() -> House {
    let (pace, waited, shown) = (Arc::default(), Arc::default(), Arc::new(Mutex::new(Vec::new())));
    let disk = Disk { memory: Memory::new(), pace: Arc::clone(&pace), waited: Arc::clone(&waited) };
    let seen = Arc::clone(&shown);
    let observer = Box::new(move |_: &_, event: &super::Event| lock(&seen).push(event.object.revision));
    let store = Store::open(Box::new(disk), Loaded::default(), Arc::new(Fixed(0)), observer).unwrap();
    House { store, pace, waited, shown }
}

impl House {
    /// Writes alone until a writer waited itself: a sync of this disk is quick, but for the times that the machine takes.
    async fn waits_itself(&self, name: &str) {
        for count in 0..TRIES {
            if !self.handed_over(&format!("{name}{count}"), Company::Alone).await {
                return;
            }
        }
        panic!("{TRIES} lone writes were handed over");
    }

    /// Makes a write; says whether the journal's own thread waited for it.
    async fn handed_over(&self, name: &str, company: Company) -> bool {
        self.store.commit_in(write(name, Expected::Absent, false), company).await.unwrap();
        lock(&self.waited).last().unwrap() == "journal"
    }
}

/// PERF-40: a writer that is alone waits for a quick disk itself; the first one, one in company and one on a slow disk do not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn perf_40_a_lone_writer_waits_for_a_quick_disk_itself() {
    let house = house();
    assert!(house.handed_over("first", Company::Alone).await, "nothing is known of the disk yet");
    house.waits_itself("a").await;
    assert!(house.handed_over("second", Company::Others).await);
    house.waits_itself("b").await;
    *lock(&house.pace) = SLOW;
    house.handed_over("third", Company::Alone).await;
    assert!(house.handed_over("fourth", Company::Alone).await, "it is slow");
    *lock(&house.pace) = Duration::ZERO;
    house.waits_itself("c").await;
}

/// PERF-40: where one thread runs all tasks, nobody blocks it.
#[tokio::test]
async fn perf_40_the_only_thread_of_a_runtime_waits_for_no_disk() {
    let house = house();
    for count in 0..TRIES {
        assert!(house.handed_over(&format!("a{count}"), Company::Alone).await);
    }
}

/// REL-2: a journal that panics under a lone writer is told like any other, and its writer gets an error.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rel_2_a_panic_under_a_lone_writer_is_told() {
    let house = house();
    house.waits_itself("a").await;
    *lock(&house.pace) = MAD;
    let made = house.store.commit_in(write("b", Expected::Absent, false), Company::Alone).await;
    assert!(matches!(made, Err(CommitError::Journal(_))), "{made:?}");
    assert!(*house.store.broken().borrow());
}

/// D-1, D-3: whoever waits for the disk, versions are shown once each and in their order.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn d_1_versions_are_shown_in_order_whoever_waits_for_the_disk() {
    let house = Arc::new(house());
    let writers = (0..8).map(|writer| {
        let house = Arc::clone(&house);
        tokio::spawn(async move {
            for count in 0..200 {
                // Some are wrong about being alone.
                let company = if (writer + count) % 3 == 0 { Company::Others } else { Company::Alone };
                let made = write(&format!("w{writer}-{count}"), Expected::Absent, false);
                let made = house.store.commit_in(made, company).await.unwrap();
                assert!(house.store.revision() >= made.revision, "nobody is told of what he cannot read");
            }
        })
    });
    join_all(writers).await.into_iter().for_each(|writer| writer.unwrap());
    let shown = lock(&house.shown);
    assert_eq!(shown.len(), 8 * 200);
    assert!(shown.is_sorted_by(|left, right| left < right));
    let waited = lock(&house.waited);
    assert!(waited.iter().any(|name| name == "journal") && waited.iter().any(|name| name != "journal"));
}
