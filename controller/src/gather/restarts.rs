//! How often a workload was started again: the memory behind crash loops. Losing it starts the count anew.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use koan_core::conclude::{CRASH_WINDOW, restart_delay};
use koan_core::facts::RestartRecord;
use koan_core::identity::Uid;
use tokio::time::Instant;

/// Starts that are remembered per service.
const REMEMBERED: usize = 64;

#[derive(Default)]
struct Starts {
    total: i64,
    at: VecDeque<Instant>,
}

/// Starts by owner UID.
#[derive(Default)]
pub(crate) struct Restarts(Mutex<BTreeMap<Uid, Starts>>);

impl Restarts {
    /// Notes that a workload that had ended was started again.
    pub(crate) fn note(&self, uid: &Uid) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let starts = all.entry(uid.clone()).or_default();
        starts.total += 1;
        if starts.at.len() == REMEMBERED {
            starts.at.pop_front();
        }
        starts.at.push_back(Instant::now());
    }

    /// Forgets a service.
    pub(crate) fn forget(&self, uid: &Uid) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(uid);
    }

    /// The record of a service, with what the engine itself counted and what the status remembers.
    pub(crate) fn record(&self, uid: &Uid, counted: i64) -> (RestartRecord, Option<Duration>) {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(starts) = all.get(uid) else {
            return (RestartRecord { total: counted, recent: 0, held: false }, None);
        };
        let recent = starts.at.iter().filter(|at| at.elapsed() < CRASH_WINDOW).count();
        let recent = u32::try_from(recent).unwrap_or(u32::MAX);
        let left =
            starts.at.back().and_then(|last| restart_delay(recent).checked_sub(last.elapsed())).filter(|left| !left.is_zero());
        (RestartRecord { total: counted.max(starts.total), recent, held: left.is_some() }, left)
    }
}
