//! What the clients write down, each entry at the moment at which it is known.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use koan_tests::history::{Attempt, History, List, Read, Watch};

/// The common log of one stretch.
pub(super) struct Log {
    clock: Instant,
    history: Mutex<History>,
}

impl Log {
    pub(super) fn new(clock: Instant) -> Self {
        Self { clock, history: Mutex::default() }
    }

    /// Nanoseconds on the one clock of the run.
    pub(super) fn now(&self) -> u64 {
        u64::try_from(self.clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    fn history(&self) -> MutexGuard<'_, History> {
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn attempt(&self, attempt: Attempt) {
        self.history().attempts.push(attempt);
    }

    pub(super) fn read(&self, read: Read) {
        self.history().reads.push(read);
    }

    pub(super) fn watch(&self, watch: Watch) {
        self.history().watches.push(watch);
    }

    /// The first list is what the stretch began with.
    pub(super) fn list(&self, list: List) {
        let mut history = self.history();
        if history.baseline.version == 0 { history.baseline = list } else { history.lists.push(list) }
    }

    /// Everything up to now.
    pub(super) fn take(&self) -> History {
        std::mem::take(&mut self.history())
    }
}
