//! Workloads that are made ahead of their gates give way to those that start: one is made at a time, and none while a start is
//! under way (PERF-84).
//!
//! Who has to give way leaves its place in the queue of reconciles and is woken when its turn comes. Nothing depends on it: a
//! gate that opens makes its workload by the ordinary way.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use koan_crds::v1alpha1::EngineName;

use crate::runtime::{Key, Wake};

/// Workloads that are made ahead at once: two cores make a second one no sooner, and a start that comes meanwhile waits less.
const AHEAD_AT_ONCE: usize = 1;
/// Services that wait for their turn; more of them are made when their gates open.
const WAITING_LIMIT: usize = 10_000;

#[derive(Debug, Default)]
struct Lane {
    starting: usize,
    making: usize,
    waiting: VecDeque<Key>,
}

impl Lane {
    fn is_free(&self) -> bool {
        self.starting == 0 && self.making < AHEAD_AT_ONCE
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

    fn turn(&self, engine: EngineName, work: Work, wake: &Wake) -> Turn {
        Turn { ahead: self.clone(), engine, work, wake: wake.clone() }
    }

    fn with<T>(&self, engine: EngineName, act: impl FnOnce(&mut Lane) -> T) -> T {
        act(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(engine).or_default())
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
