//! What is probed, and what was found.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use koan_core::facts::{HealthRecord, ProbeFailure};
use koan_core::identity::ServiceKey;
use koan_core::probe::{Address, Tls};
use koan_core::secret::Login;
use koan_core::step::ObjectRef;
use koan_core::validate::ValidHealth;
use koan_crds::v1alpha1::EngineName;
use tokio::time::Instant;

use super::cadence;
use super::forms::{self, Found};
use crate::pool::Pool;
use crate::ports::Clock;
use crate::runtime::{Key, Next, Wake};

/// Where a probe goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Place {
    /// A workload of ours.
    Workload {
        /// Its engine.
        engine: EngineName,
        /// The workload.
        object: ObjectRef,
        /// Its main port, for the adapter's check.
        port: Option<u16>,
        /// Host ports by container port, each proved once through its own address before Ready (PERF-82).
        published: Vec<(u16, u16)>,
        /// The recipe's check inside the workload, where the port cannot be reached (DET-33).
        exec: Vec<String>,
    },
    /// A service that somebody else runs.
    Host {
        /// Its address.
        address: Address,
        /// Verified TLS that it demands.
        tls: Option<Tls>,
    },
}

/// What is probed.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    /// Workload id or endpoint: a record about another subject counts for nothing (S-5).
    pub(crate) subject: String,
    /// Generation for which it is probed.
    pub(crate) generation: i64,
    /// Form and cadence.
    pub(crate) health: ValidHealth,
    /// Adapter by canonical id, for its protocol check.
    pub(crate) adapter: Option<String>,
    /// Login of the service itself.
    pub(crate) login: Login,
    /// Database, virtual host or key space.
    pub(crate) database: String,
    /// Where it is.
    pub(crate) place: Place,
    /// Refused or foreign answers for this long mean that a host service is lost (DET-28).
    pub(crate) loss_after: Duration,
}

struct Watched {
    target: Arc<Target>,
    since: Instant,
    record: HealthRecord,
    failing: u32,
    lost_since: Option<Instant>,
    known: forms::Known,
    /// What the service has heard of. A loss comes with time, so it is compared with this and not with the moment before.
    heard: Verdict,
}

/// Passed at all, failed for good, lost.
type Verdict = (bool, bool, bool);

/// The board.
#[derive(Default)]
pub(crate) struct Board(Mutex<BTreeMap<ServiceKey, Watched>>);

/// What the probes need of the outside.
pub(crate) struct Means {
    pub(crate) pool: Arc<Pool>,
    pub(crate) prober: Arc<dyn koan_adapters::Prober>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) wake: Wake,
}

impl Board {
    /// Probes this target from now on; the first probe comes at once when the subject or the generation is new.
    pub(crate) fn watch(&self, key: &ServiceKey, target: Target, wake: &Wake) {
        let fresh = self.with(|all| match all.get_mut(key) {
            Some(known) if known.target.subject == target.subject && known.target.generation == target.generation => {
                known.target = Arc::new(target);
                false
            }
            _ => {
                all.insert(key.clone(), Watched::new(target));
                true
            }
        });
        if fresh {
            wake.now(Key::probe(&key.namespace, &key.name));
        }
    }

    /// Probes a service no longer.
    pub(crate) fn leave(&self, key: &ServiceKey, wake: &Wake) {
        if self.with(|all| all.remove(key)).is_some() {
            wake.forget(&Key::probe(&key.namespace, &key.name));
        }
    }

    /// What was found about a service; empty before the first verdict.
    pub(crate) fn record(&self, key: &ServiceKey) -> HealthRecord {
        self.with(|all| all.get(key).map(|watched| watched.record.clone()).unwrap_or_default())
    }

    /// True when a host service counts as lost (DET-28).
    pub(crate) fn is_lost(&self, key: &ServiceKey) -> bool {
        self.with(|all| {
            all.get(key)
                .is_some_and(|watched| watched.lost_since.is_some_and(|since| since.elapsed() >= watched.target.loss_after))
        })
    }

    /// One probe of one service.
    pub(crate) async fn probe(&self, key: &ServiceKey, means: &Means) -> Next {
        let begun = self.with(|all| all.get(key).map(|watched| (Arc::clone(&watched.target), watched.known.clone())));
        let Some((target, known)) = begun else { return Next::Rest };
        let found = forms::check(&target, &known, means).await;
        let Some((next, turned)) = self.with(|all| {
            let watched = all.get_mut(key)?;
            // The subject may have been replaced while the probe was under way.
            if !Arc::ptr_eq(&watched.target, &target) && watched.target.subject != target.subject {
                return Some((Duration::ZERO, false));
            }
            Some(watched.take(found, means.clock.now()))
        }) else {
            return Next::Rest;
        };
        if turned {
            means.wake.now(Key::service(&key.namespace, &key.name));
        }
        Next::After(next)
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<ServiceKey, Watched>) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Watched {
    fn new(target: Target) -> Self {
        let record = HealthRecord { subject: None, generation: target.generation, ..HealthRecord::default() };
        Self {
            target: Arc::new(target),
            since: Instant::now(),
            record,
            failing: 0,
            lost_since: None,
            known: forms::Known::default(),
            heard: (false, false, false),
        }
    }

    /// Takes a result; the pause before the next probe, and whether the verdict turned.
    fn take(&mut self, found: Found, now: jiff::Timestamp) -> (Duration, bool) {
        let answered = match found {
            Found::Passed(known) => {
                self.passed(now);
                self.known = known;
                true
            }
            Found::Failed { failure, answered, foreign, known } => {
                self.failed(failure, !answered || foreign);
                self.known = known;
                answered
            }
        };
        let verdict = self.verdict();
        let turned = verdict != std::mem::replace(&mut self.heard, verdict);
        let next = match (&self.target.place, self.record.first_passed) {
            (Place::Host { .. }, _) => cadence::of_host(self.target.health.interval, self.failing),
            (Place::Workload { .. }, None) => cadence::before_first(self.since.elapsed(), answered),
            (Place::Workload { .. }, Some(_)) => self.target.health.interval,
        };
        (next, turned)
    }

    fn passed(&mut self, now: jiff::Timestamp) {
        self.failing = 0;
        self.lost_since = None;
        self.record.subject = Some(self.target.subject.clone());
        self.record.first_passed.get_or_insert(now);
        self.record.failures = 0;
        self.record.last = None;
    }

    fn failed(&mut self, failure: ProbeFailure, gone: bool) {
        self.failing = self.failing.saturating_add(1);
        if !gone {
            self.lost_since = None;
        } else if self.lost_since.is_none() {
            self.lost_since = Some(Instant::now());
        }
        let judged = self.since.elapsed() >= self.target.health.start_period;
        if self.record.first_passed.is_some() && judged {
            self.record.failures = self.record.failures.saturating_add(1);
        }
        self.record.subject = Some(self.target.subject.clone());
        self.record.last = Some(failure);
    }

    /// What the service has to hear of.
    fn verdict(&self) -> Verdict {
        let ended = self.record.failures >= self.target.health.retries.max(1);
        let lost = self.lost_since.is_some_and(|since| since.elapsed() >= self.target.loss_after);
        (self.record.first_passed.is_some(), ended, lost)
    }
}
