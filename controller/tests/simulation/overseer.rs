//! The hook: numbers effects over all lives of the controllers, does what the plan says, and asks the invariants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use koan_controller::{Effect, Hook, Ruling};
use koan_engines::sim::SimWorld;
use kube::ResourceExt;

use crate::home::Home;
use crate::invariants::{self, History, Scene};
use crate::plan::{Fault, Phase};
use crate::witness::Notes;

/// How late an effect lands.
const LATE: Duration = Duration::from_secs(2);

/// What a run saw.
#[derive(Default)]
pub(crate) struct Seen {
    /// Every effect as a line.
    pub(crate) trace: Vec<String>,
    /// For each effect: it went to an engine.
    pub(crate) engine: Vec<bool>,
    /// Violations.
    pub(crate) violations: Vec<String>,
    /// UIDs that each object had.
    pub(crate) births: BTreeMap<String, BTreeSet<String>>,
    /// The plan's effect came.
    pub(crate) reached: bool,
    history: History,
    revision: u64,
}

/// The hook of a run.
pub(crate) struct Overseer {
    pub(crate) world: SimWorld,
    pub(crate) home: Home,
    pub(crate) notes: Arc<Mutex<Notes>>,
    pub(crate) instance: String,
    pub(crate) volumes_may_go: bool,
    pub(crate) hit: Option<(u64, Fault, Phase)>,
    pub(crate) seen: Mutex<Seen>,
}

impl Overseer {
    /// Effects so far.
    pub(crate) fn effects(&self) -> u64 {
        u64::try_from(self.seen.lock().unwrap().trace.len()).unwrap()
    }

    /// Notes a violation.
    pub(crate) fn violated(&self, what: String) {
        self.seen.lock().unwrap().violations.push(what);
    }

    /// Asks the invariants of a step: once per change of the store or the world.
    pub(crate) fn look(&self) {
        let notes = self.notes.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        let scene = self.scene(&notes);
        let found = invariants::after_effect(&scene, &mut seen.history);
        seen.violations.extend(found);
        if self.home.revision() == seen.revision {
            return;
        }
        seen.revision = self.home.revision();
        let services = self.home.every_service();
        let secrets = self.home.every_secret();
        let named = services.iter().map(|object| (format!("ServiceSpec {}", object.name_any()), object.uid()));
        let named = named.chain(secrets.iter().map(|object| (format!("Secret {}", object.name_any()), object.uid())));
        for (name, uid) in named {
            seen.births.entry(name).or_default().extend(uid);
        }
    }

    /// Asks the invariants of rest.
    pub(crate) fn rest(&self) {
        let notes = self.notes.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        let found = invariants::at_rest(&self.scene(&notes), &seen.trace);
        seen.violations.extend(found);
    }

    fn scene<'a>(&'a self, notes: &'a Notes) -> Scene<'a> {
        let Self { world, home, instance, volumes_may_go, .. } = self;
        Scene { world, home, notes, instance, volumes_may_go: *volumes_may_go }
    }

    fn ruling(&self, number: u64, effect: &Effect) -> Ruling {
        use koan_controller::Fault::{Connection, Status};
        let Some((hit, fault, phase)) = self.hit.filter(|(hit, _, _)| *hit == number) else { return Ruling::Proceed };
        assert_eq!(hit, number);
        match (fault, phase) {
            (Fault::Crash, Phase::Before) => Ruling::CutBefore,
            (Fault::Connection, Phase::Before) => Ruling::Fail(Connection),
            (Fault::Crash | Fault::Connection, Phase::Late) if matches!(effect, Effect::Engine { .. }) => {
                self.world.fault_at(self.world.calls().len(), koan_engines::sim::Fault::LandsLate(LATE));
                if fault == Fault::Crash { Ruling::CutAfter } else { Ruling::Proceed }
            }
            (Fault::Crash, _) => Ruling::CutAfter,
            (Fault::Connection, _) => Ruling::LoseReply(Connection),
            (Fault::Conflict, _) => Ruling::Fail(Status(409)),
            (Fault::Unavailable, _) => Ruling::Fail(Status(500)),
            (Fault::Repeat, _) => Ruling::Twice,
        }
    }
}

impl Hook for Overseer {
    fn before(&self, _: u64, effect: &Effect) -> Ruling {
        self.look();
        let notes = self.notes.lock().unwrap();
        let mut seen = self.seen.lock().unwrap();
        let number = u64::try_from(seen.trace.len()).unwrap();
        let found = invariants::before_effect(&self.scene(&notes), effect);
        seen.violations.extend(found);
        seen.trace.push(effect.to_string());
        seen.engine.push(matches!(effect, Effect::Engine { .. }));
        drop((notes, seen));
        let ruling = self.ruling(number, effect);
        if ruling != Ruling::Proceed || self.hit.is_some_and(|(hit, _, _)| hit == number) {
            self.seen.lock().unwrap().reached = true;
        }
        ruling
    }

    fn after(&self, _: u64, _: &Effect, _: bool) {
        self.look();
    }
}
