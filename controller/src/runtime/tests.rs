use std::time::Duration;

use tokio::time::Instant;

use super::key::{Key, Kind};
use super::queue::{Cause, Next, Queue};

fn service(number: usize) -> Key {
    Key::service("default", &format!("s{number:03}"))
}

/// REL-6: at most eight reconciles per kind are in flight, keys run in the order in which they were added, each once.
#[tokio::test(start_paused = true)]
async fn queue_runs_eight_per_kind_in_order_without_doubles() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for number in 0..20 {
        queue.add(service(number), Cause::Asked);
        queue.add(service(number), Cause::Asked);
    }
    let first: Vec<Key> = std::iter::from_fn(|| queue.take(now)).collect();
    assert_eq!(first, (0..8).map(service).collect::<Vec<_>>());
    queue.finish(&first[3], Next::Rest, now, 0, |_| false);
    assert_eq!(queue.take(now), Some(service(8)));
    assert_eq!(queue.take(now), None);
}

/// REL-6: a key that is added while it runs, runs again; PERF-71: unless only our own write was seen.
#[tokio::test(start_paused = true)]
async fn queue_runs_again_after_foreign_changes_only() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.add(service(1), Cause::Asked);
    let key = queue.take(now).unwrap();
    queue.add(key.clone(), Cause::Version("7".to_owned()));
    queue.finish(&key, Next::Rest, now, 0, |version| version == "7");
    assert!(queue.is_idle());
    queue.add(key.clone(), Cause::Asked);
    let key = queue.take(now).unwrap();
    queue.add(key.clone(), Cause::Version("8".to_owned()));
    queue.finish(&key, Next::Rest, now, 0, |version| version == "7");
    assert_eq!(queue.take(now), Some(key));
}

/// REL-6: backoff is 1 s doubling to 5 min with ±10 %, and a success resets it.
#[tokio::test(start_paused = true)]
async fn queue_backs_off_from_one_second_to_five_minutes() {
    let mut queue = Queue::default();
    let mut now = Instant::now();
    queue.add(service(1), Cause::Asked);
    let mut delays = Vec::new();
    for jitter in 0..12_u64 {
        let key = queue.take(now).unwrap();
        queue.finish(&key, Next::Backoff, now, jitter * 37, |_| false);
        let due = queue.next_due().unwrap();
        delays.push(due - now);
        now = due;
    }
    for (step, delay) in delays.iter().enumerate() {
        let nominal = Duration::from_secs(1 << step.min(9)).min(Duration::from_secs(300));
        assert!(*delay >= nominal * 9 / 10 && *delay <= nominal * 11 / 10 + Duration::from_millis(50), "{step}: {delay:?}");
    }
    let key = queue.take(now).unwrap();
    queue.finish(&key, Next::Rest, now, 0, |_| false);
    queue.add(key.clone(), Cause::Asked);
    queue.take(now).unwrap();
    queue.finish(&key, Next::Backoff, now, 100, |_| false);
    assert!(queue.next_due().unwrap() - now <= Duration::from_millis(1150));
}

/// REL-6: one timer queue; of two delays of a key the shorter counts, and a change overtakes it.
#[tokio::test(start_paused = true)]
async fn queue_keeps_the_shorter_delay_and_lets_changes_overtake() {
    let now = Instant::now();
    let mut queue = Queue::default();
    queue.add_after(service(1), now, Duration::from_secs(30));
    queue.add_after(service(1), now, Duration::from_secs(5));
    queue.add_after(service(1), now, Duration::from_secs(60));
    assert_eq!(queue.next_due(), Some(now + Duration::from_secs(5)));
    queue.add(service(1), Cause::Asked);
    assert_eq!(queue.next_due(), None);
    assert_eq!(queue.take(now), Some(service(1)));
}

/// REL-6: a full kind does not keep another from running.
#[tokio::test(start_paused = true)]
async fn queue_serves_each_kind_apart() {
    let now = Instant::now();
    let mut queue = Queue::default();
    for number in 0..20 {
        queue.add(service(number), Cause::Asked);
    }
    queue.add(Key::new(Kind::Stack, "default", "shop"), Cause::Asked);
    let taken: Vec<Key> = std::iter::from_fn(|| queue.take(now)).collect();
    assert_eq!(taken.len(), 9);
    assert!(taken.iter().any(|key| key.kind == Kind::Stack));
}
