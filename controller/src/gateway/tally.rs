//! Counts of what went through the gateway, for the exact call budgets of PERF-70.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::effect::{ApiKind, Effect};

/// Counts by `verb kind`, such as `status ServiceSpec` or `Create`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Writes to the API server, Events apart.
    pub api: BTreeMap<String, u64>,
    /// Events.
    pub events: u64,
    /// Uncached reads of the API server.
    pub api_reads: u64,
    /// Writes to engines, by verb of the step.
    pub engine: BTreeMap<String, u64>,
}

impl Tally {
    /// All writes to the API server, Events apart.
    pub fn api_writes(&self) -> u64 {
        self.api.values().sum()
    }

    /// All steps that were sent to engines.
    pub fn engine_writes(&self) -> u64 {
        self.engine.values().sum()
    }

    /// What was added since an earlier count.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let less = |now: &BTreeMap<String, u64>, before: &BTreeMap<String, u64>| {
            now.iter()
                .map(|(name, count)| (name.clone(), count - before.get(name).copied().unwrap_or_default()))
                .filter(|(_, count)| *count > 0)
                .collect()
        };
        Self {
            api: less(&self.api, &earlier.api),
            events: self.events - earlier.events,
            api_reads: self.api_reads - earlier.api_reads,
            engine: less(&self.engine, &earlier.engine),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Counts(Mutex<Tally>);

impl Counts {
    pub(super) fn write(&self, effect: &Effect) {
        let mut tally = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match effect {
            Effect::Api(write) if write.kind == ApiKind::Event => tally.events += 1,
            Effect::Api(write) => {
                *tally.api.entry(format!("{} {}", write.verb.as_str(), write.kind.as_str())).or_default() += 1;
            }
            Effect::Engine { step, .. } => *tally.engine.entry(step.action.verb().to_owned()).or_default() += 1,
        }
    }

    pub(super) fn read(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).api_reads += 1;
    }

    pub(super) fn snapshot(&self) -> Tally {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
