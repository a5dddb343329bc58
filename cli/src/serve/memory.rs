//! One heap for all threads, and memory given back once a burst of work is over (PERF-53, PERF-15, decision 0005).
//!
//! The allocator of the system keeps what the threads of a bring-up freed: of 13.2 MB that it held after `fan10`, 5.2 MB were
//! in use, and one trim let 4.5 MB go. Each thread besides keeps up to seven freed pieces of every small size for itself while it
//! lives; strewn over the heap they held 1.1 MB of pages after `fan10`. So the workers hand over to fresh threads before the trim
//! and end. Nobody is woken at rest: only a write starts the wait.

#![allow(
    unsafe_code,
    reason = "the allocator's calls that set its heaps and give memory back have no safe wrappers; they take no pointer"
)]

use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use koan_apiserver::SnapshotReader;
use tokio::task::{JoinSet, block_in_place};
use tokio::time::{sleep, timeout};

/// Nothing was written for this long: the burst is over.
const QUIET: Duration = Duration::from_secs(3);

/// A thread that found nothing to do for this long ends: well before a burst counts as over.
pub(super) const THREAD_LIFE: Duration = Duration::from_millis(300);
/// How long the workers wait for each other at most. Who has work for longer, or on a machine that is busy itself, comes too late.
const GATHERING: Duration = Duration::from_millis(50);
/// How often they are called together after one burst.
const GATHERINGS: usize = 3;
/// How long a worker that hands over stays away from its work, which is when a fresh thread takes it.
const HAND_OVER: Duration = Duration::from_millis(5);

/// Makes one heap serve every thread; called before there is a second one. A heap of each thread's own keeps its own holes.
#[cfg(target_env = "gnu")]
pub(super) fn one_heap() {
    /// `M_ARENA_MAX` of `malloc.h`.
    const HEAPS_MAX: std::ffi::c_int = -8;
    unsafe extern "C" {
        /// Sets a parameter of the allocator; 0 where it does not know it, and then nothing changes.
        safe fn mallopt(parameter: std::ffi::c_int, value: std::ffi::c_int) -> std::ffi::c_int;
    }
    mallopt(HEAPS_MAX, 1);
}

/// Other allocators have their own ways.
#[cfg(not(target_env = "gnu"))]
pub(super) fn one_heap() {}

/// Trims once nothing was written for [`QUIET`], after the start as after each burst; never ends while the server lives.
pub(super) async fn give_back(reader: SnapshotReader, workers: usize) {
    let mut changes = reader.changes();
    loop {
        while let Ok(Ok(())) = timeout(QUIET, changes.changed()).await {}
        for _ in 0..GATHERINGS {
            if renew(workers).await == workers {
                break;
            }
        }
        sleep(THREAD_LIFE * 2).await;
        trim();
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Where threads wait until all are there.
#[derive(Default)]
struct Gate {
    arrived: Mutex<usize>,
    more: Condvar,
}

impl Gate {
    /// Blocks this thread until `all` have come; false where some did not in time.
    fn pass(&self, all: usize) -> bool {
        let mut arrived = self.arrived.lock().unwrap_or_else(PoisonError::into_inner);
        *arrived += 1;
        self.more.notify_all();
        let waited = self.more.wait_timeout_while(arrived, GATHERING, |arrived| *arrived < all);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }
}

/// Lets the workers hand their places to fresh threads: the old ones end after [`THREAD_LIFE`], and what they kept is free. One
/// that has work stays. Gives how many handed over.
async fn renew(workers: usize) -> usize {
    let gate = Arc::new(Gate::default());
    let mut renewed = JoinSet::new();
    for _ in 0..workers {
        let gate = Arc::clone(&gate);
        renewed.spawn(async move {
            // Each task holds its worker here, so every one of them is on another.
            let together = gate.pass(workers);
            if together {
                block_in_place(|| std::thread::sleep(HAND_OVER));
            }
            together
        });
    }
    renewed.join_all().await.into_iter().filter(|together| *together).count()
}

#[cfg(target_env = "gnu")]
fn trim() {
    unsafe extern "C" {
        /// Gives free pages of every arena back to the system; says whether there were any.
        safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
    }
    malloc_trim(0);
}

/// Other allocators give back by themselves.
#[cfg(not(target_env = "gnu"))]
fn trim() {}

#[cfg(test)]
mod tests {
    use super::{THREAD_LIFE, renew};
    use std::collections::BTreeSet;
    use std::sync::{Arc, Mutex};
    use std::thread::ThreadId;
    use std::time::Duration;

    /// Workers of the tested runtime.
    const WORKERS: usize = 2;
    /// Bound of the wait for threads to end.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// PERF-15, PERF-53: after a renewal none of the old workers lives, so nothing is kept for it, and the runtime works on.
    #[test]
    fn perf_15_idle_workers_give_way_to_fresh_threads() {
        let living = Arc::new(Mutex::new(BTreeSet::<String>::new()));
        let name = |id: ThreadId| format!("{id:?}");
        let (started, ended) = (Arc::clone(&living), Arc::clone(&living));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .enable_time()
            .thread_keep_alive(THREAD_LIFE)
            .on_thread_start(move || {
                started.lock().unwrap().insert(name(std::thread::current().id()));
            })
            .on_thread_stop(move || {
                ended.lock().unwrap().remove(&name(std::thread::current().id()));
            })
            .build()
            .unwrap();
        runtime.block_on(async {
            tokio::time::timeout(PATIENCE, async {
                while living.lock().unwrap().len() < WORKERS {
                    tokio::task::yield_now().await;
                }
                let old = living.lock().unwrap().clone();
                // A busy machine may not bring the workers together at once.
                while renew(WORKERS).await < WORKERS {}
                while living.lock().unwrap().iter().any(|thread| old.contains(thread)) {
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                assert_eq!(tokio::spawn(async { 7 }).await.unwrap(), 7);
            })
            .await
            .unwrap();
        });
    }
}
