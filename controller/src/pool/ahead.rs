//! Workloads that are made ahead of their gates give way to those that start: one is made at a time, and none while a start is
//! under way (PERF-84).
//!
//! Who has to give way leaves its place in the queue of reconciles and is woken when its turn comes. Nothing depends on it: a
//! gate that opens makes its workload by the ordinary way.
//!
//! Of those that start, who has little behind it waits for who has much: starts share the cores, and on the longest path each
//! delay is one of the whole stack.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use koan_crds::v1alpha1::EngineName;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};

use crate::runtime::{Key, Wake};

/// Workloads that are made ahead at once: two cores make a second one no sooner, and a start that comes meanwhile waits less.
const AHEAD_AT_ONCE: usize = 1;
/// Services that wait for their turn; more of them are made when their gates open.
const WAITING_LIMIT: usize = 10_000;

/// A start gives way to one whose path is longer by this much at least, and by what the last start took: who waits for it then
/// does not end behind it.
const LONGER_BY: Duration = Duration::from_millis(400);
/// Longest wait for them; an engine that is so slow is not made faster by waiting.
const GIVE_WAY_MAX: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
struct Lane {
    starting: usize,
    /// Paths behind the starts that were sent and not answered.
    sent: Vec<Duration>,
    /// What the last start took.
    took: Duration,
    /// One of them was answered.
    answered: Arc<Notify>,
    making: usize,
    waiting: VecDeque<Key>,
}

impl Lane {
    fn is_free(&self) -> bool {
        self.starting == 0 && self.making < AHEAD_AT_ONCE
    }

    fn has_room(&self, path: Duration) -> bool {
        let longer = path.saturating_add(LONGER_BY.max(self.took));
        self.sent.iter().all(|sent| *sent < longer)
    }
}

/// One lane per engine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Ahead(Arc<Mutex<BTreeMap<EngineName, Lane>>>);

/// What a turn is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Start,
    Ahead,
}

/// A plan under way; who waits is woken when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    ahead: Ahead,
    engine: EngineName,
    work: Work,
    wake: Wake,
}

impl Ahead {
    /// A plan that starts something: it waits for nobody.
    pub(crate) fn start(&self, engine: EngineName, wake: &Wake) -> Turn {
        self.with(engine, |lane| lane.starting += 1);
        self.turn(engine, Work::Start, wake)
    }

    /// A plan that only makes a workload; `None` where it has to give way, and `key` is woken later.
    pub(crate) fn make(&self, engine: EngineName, key: &Key, wake: &Wake) -> Option<Turn> {
        let admitted = self.with(engine, |lane| {
            if lane.is_free() {
                lane.making += 1;
                return true;
            }
            if lane.waiting.len() < WAITING_LIMIT && !lane.waiting.contains(key) {
                lane.waiting.push_back(key.clone());
            }
            false
        });
        admitted.then(|| self.turn(engine, Work::Ahead, wake))
    }

    /// Room for one start with that much behind it: at once, unless one with a longer path is under way.
    pub(crate) async fn room(&self, engine: EngineName, path: Duration) -> Room {
        let answered = self.with(engine, |lane| Arc::clone(&lane.answered));
        let admitted = async {
            loop {
                let mut next = std::pin::pin!(answered.notified());
                next.as_mut().enable();
                if self.with(engine, |lane| lane.has_room(path)) {
                    return;
                }
                next.await;
            }
        };
        // After the longest wait it starts all the same.
        let _ = timeout(GIVE_WAY_MAX, admitted).await;
        self.with(engine, |lane| lane.sent.push(path));
        Room { ahead: self.clone(), engine, path, begun: Instant::now() }
    }

    fn turn(&self, engine: EngineName, work: Work, wake: &Wake) -> Turn {
        Turn { ahead: self.clone(), engine, work, wake: wake.clone() }
    }

    fn with<T>(&self, engine: EngineName, act: impl FnOnce(&mut Lane) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(engine).or_default())
    }
}

/// A start under way; who gave way to it looks again when it is dropped.
#[derive(Debug)]
pub(crate) struct Room {
    ahead: Ahead,
    engine: EngineName,
    path: Duration,
    begun: Instant,
}

impl Drop for Room {
    fn drop(&mut self) {
        self.ahead.with(self.engine, |lane| {
            if let Some(at) = lane.sent.iter().position(|sent| *sent == self.path) {
                lane.sent.swap_remove(at);
            }
            lane.took = self.begun.elapsed();
            lane.answered.notify_waiters();
        });
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.ahead.with(self.engine, |lane| {
            match self.work {
                Work::Start => lane.starting = lane.starting.saturating_sub(1),
                Work::Ahead => lane.making = lane.making.saturating_sub(1),
            }
            if lane.is_free() { lane.waiting.pop_front() } else { None }
        });
        if let Some(key) = next {
            self.wake.now(key);
        }
    }
}
