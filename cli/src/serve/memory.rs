//! One heap for all threads, and memory given back once a burst of work is over (PERF-53, PERF-15, decision 0005).
//!
//! The allocator of the system keeps what the threads of a bring-up freed: of 13.2 MB that it held after `fan10`, 5.2 MB were
//! in use, and one trim let 4.5 MB go. It wakes nobody at rest: only a write starts its wait.

#![allow(
    unsafe_code,
    reason = "the allocator's calls that set its heaps and give memory back have no safe wrappers; they take no pointer"
)]

use std::time::Duration;

use koan_apiserver::SnapshotReader;
use tokio::time::timeout;

/// Nothing was written for this long: the burst is over.
const QUIET: Duration = Duration::from_secs(3);

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

/// Trims after each burst of writes; never ends while the server lives.
pub(super) async fn give_back(reader: SnapshotReader) {
    let mut changes = reader.changes();
    loop {
        trim();
        if changes.changed().await.is_err() {
            return std::future::pending().await;
        }
        while let Ok(Ok(())) = timeout(QUIET, changes.changed()).await {}
    }
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
