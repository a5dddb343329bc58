//! The work queue: ordered, without doubles, bounded, with delays and backoff on one timer queue.
//!
//! Guarantees: a key waits at most once and runs at most once at a time; a key that is added while it runs, runs again;
//! keys of one kind run in the order in which they were added; of two delays of one key the shorter one counts.
//! Assumptions: the caller says the time and calls [`Queue::finish`] exactly once for each key that it took.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use super::key::{Key, Kind};

/// Keys that may wait at once; one beyond is dropped and found again by the next fresh list (REL-5).
const WAITING_LIMIT: usize = 131_072;
/// Versions of changes that are remembered for a running key; more count as a change that is not our own.
const DIRTY_LIMIT: usize = 16;
/// First delay after an error.
const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// Longest delay after errors.
const BACKOFF_LAST: Duration = Duration::from_secs(300);
/// Jitter of a backoff, in thousandths to either side.
const BACKOFF_JITTER: u64 = 100;
/// Slack of a delay at rest: longer delays are rounded up to a multiple of it, so that timers fall together (PERF-95).
const SLACK: Duration = Duration::from_millis(50);
/// Delays from this length on are at rest.
const AT_REST: Duration = Duration::from_secs(1);

/// When a key wants to run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// On the next change only.
    Rest,
    /// After a delay, or on a change.
    After(Duration),
    /// After an error: 1 s doubling to 5 min, or on a change.
    Backoff,
}

/// Why a key was added.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// Somebody asked for it.
    Asked,
    /// The object changed to this version, which may be our own write.
    Version(String),
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    ready: BTreeMap<Kind, VecDeque<Key>>,
    waiting: BTreeSet<Key>,
    running: BTreeMap<Key, Vec<Cause>>,
    timers: BTreeMap<(Instant, u64), Key>,
    due: BTreeMap<Key, (Instant, u64)>,
    failures: BTreeMap<Key, u32>,
    sequence: u64,
    origin: Option<Instant>,
}

impl Queue {
    /// Adds a key; while it runs, the cause is kept for [`Queue::finish`].
    pub(crate) fn add(&mut self, key: Key, cause: Cause) {
        if let Some(causes) = self.running.get_mut(&key) {
            if causes.len() < DIRTY_LIMIT {
                causes.push(cause);
            } else {
                causes[0] = Cause::Asked;
            }
            return;
        }
        if self.waiting.len() >= WAITING_LIMIT || !self.waiting.insert(key.clone()) {
            return;
        }
        self.drop_timer(&key);
        self.ready.entry(key.kind).or_default().push_back(key);
    }

    /// Adds a key after a delay; an earlier one stays.
    pub(crate) fn add_after(&mut self, key: Key, now: Instant, delay: Duration) {
        if self.waiting.contains(&key) {
            return;
        }
        let at = self.align(now, delay);
        if self.due.get(&key).is_some_and(|(due, _)| *due <= at) {
            return;
        }
        self.drop_timer(&key);
        self.sequence += 1;
        self.timers.insert((at, self.sequence), key.clone());
        self.due.insert(key, (at, self.sequence));
    }

    /// The next key to run, if its kind has a free place.
    pub(crate) fn take(&mut self, now: Instant) -> Option<Key> {
        self.expire(now);
        for kind in Kind::ALL {
            let in_flight = self.running.keys().filter(|key| key.kind == kind).count();
            if in_flight >= kind.width() {
                continue;
            }
            let Some(key) = self.ready.get_mut(&kind).and_then(VecDeque::pop_front) else { continue };
            assert!(self.waiting.remove(&key), "{key} was to run and did not wait");
            assert!(!self.running.contains_key(&key), "{key} would run twice at once");
            self.running.insert(key.clone(), Vec::new());
            self.check();
            return Some(key);
        }
        None
    }

    /// Ends the run of a key. `own` tells versions that we wrote ourselves; `jitter` is any number.
    pub(crate) fn finish(&mut self, key: &Key, next: Next, now: Instant, jitter: u64, own: impl Fn(&str) -> bool) {
        let causes = self.running.remove(key);
        assert!(causes.is_some(), "{key} ended and did not run");
        let causes = causes.unwrap_or_default();
        assert!(causes.len() <= DIRTY_LIMIT, "{key}: more causes than are kept");
        let again = causes.iter().any(|cause| match cause {
            Cause::Asked => true,
            Cause::Version(version) => !own(version),
        });
        let failures = match next {
            Next::Backoff => {
                let count = self.failures.entry(key.clone()).or_default();
                *count = count.saturating_add(1);
                *count
            }
            Next::Rest | Next::After(_) => {
                self.failures.remove(key);
                0
            }
        };
        if again {
            self.add(key.clone(), Cause::Asked);
            return;
        }
        match next {
            Next::Rest => {}
            Next::After(delay) => self.add_after(key.clone(), now, delay),
            Next::Backoff => self.add_after(key.clone(), now, backoff(failures, jitter)),
        }
    }

    /// When the next delay ends.
    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.timers.first_key_value().map(|((at, _), _)| *at)
    }

    /// True when nothing waits to run and nothing runs; delays may be pending.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.running.is_empty()
    }

    /// True while the key runs.
    pub(crate) fn runs(&self, key: &Key) -> bool {
        self.running.contains_key(key)
    }

    /// Forgets a key that will not come back.
    pub(crate) fn forget(&mut self, key: &Key) {
        self.drop_timer(key);
        self.failures.remove(key);
    }

    /// What holds between two calls.
    fn check(&self) {
        let ready: usize = self.ready.values().map(VecDeque::len).sum();
        assert!(ready == self.waiting.len(), "{} keys wait and {ready} are in line", self.waiting.len());
        assert!(self.timers.len() == self.due.len(), "{} delays of {} keys", self.timers.len(), self.due.len());
        assert!(self.waiting.len() <= WAITING_LIMIT, "more keys wait than may");
    }

    fn expire(&mut self, now: Instant) {
        while let Some(((at, _), _)) = self.timers.first_key_value() {
            if *at > now {
                break;
            }
            let Some((_, key)) = self.timers.pop_first() else { break };
            self.due.remove(&key);
            self.add(key, Cause::Asked);
        }
    }

    fn drop_timer(&mut self, key: &Key) {
        if let Some(slot) = self.due.remove(key) {
            self.timers.remove(&slot);
        }
    }

    fn align(&mut self, now: Instant, delay: Duration) -> Instant {
        let origin = *self.origin.get_or_insert(now);
        let at = now + delay;
        if delay < AT_REST {
            return at;
        }
        let past = at.saturating_duration_since(origin).as_millis();
        let slack = SLACK.as_millis();
        let rounded = past.div_ceil(slack) * slack;
        origin + Duration::from_millis(u64::try_from(rounded).unwrap_or(u64::MAX))
    }
}

/// Delay after `failures` errors in a row.
fn backoff(failures: u32, jitter: u64) -> Duration {
    let doubled = BACKOFF_FIRST.saturating_mul(1_u32 << failures.saturating_sub(1).min(9)).min(BACKOFF_LAST);
    let millis = u64::try_from(doubled.as_millis()).unwrap_or(u64::MAX);
    let thousandths = 1000 - BACKOFF_JITTER + jitter % (2 * BACKOFF_JITTER + 1);
    let delay = Duration::from_millis(millis * thousandths / 1000);
    assert!(delay >= BACKOFF_FIRST / 2 && delay <= BACKOFF_LAST * 2, "a backoff of {delay:?} after {failures} errors (REL-6)");
    delay
}
