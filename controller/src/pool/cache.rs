//! Inventories and infos, asked for once and kept until something says otherwise.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use koan_core::identity::{InstanceId, Uid};
use koan_core::inventory::{EngineInfo, Inventory};
use koan_core::outcome::Outcome;
use koan_core::step::Step;
use koan_crds::v1alpha1::{EngineName, FailureClass};
use koan_engines::{Engine, EngineError, Scope};
use tokio::sync::{OwnedMutexGuard, watch};
use tokio::time::Instant;

use super::{Ahead, overlay};

/// Steps whose objects are remembered for the lists that are under way.
const STEPPED: usize = 256;
/// How long an unavailable engine is not asked again.
const UNAVAILABLE_FOR: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Slot {
    info: Option<(EngineInfo, Instant)>,
    inventory: Option<Arc<Inventory>>,
    /// The inventory as it was before the engine stopped to answer: it names what is left and decides nothing.
    last: Option<Arc<Inventory>>,
    /// Digest and platform of images that our steps met, by reference.
    images: overlay::Images,
    /// Counts the steps that changed the cached inventory, so that a list which began before one does not undo it.
    epoch: u64,
    /// Objects of the last steps, each with its count.
    stepped: VecDeque<(u64, String)>,
    /// Counts the replies that were lost: what the cache says of their objects may be wrong until a list that began later.
    doubts: u64,
    /// The doubts that a list settled.
    settled: u64,
}

impl Slot {
    /// The inventory, unless a reply was lost since it was listed.
    fn certain(&self) -> Option<Arc<Inventory>> {
        self.inventory.clone().filter(|_| self.settled == self.doubts)
    }

    /// Objects of the steps since a count; `None` where they are no longer remembered.
    fn stepped_since(&self, before: u64) -> Option<BTreeSet<&str>> {
        let steps = self.stepped.iter().filter(|(epoch, _)| *epoch > before).map(|(_, object)| object.as_str());
        let forgotten = self.stepped.front().is_some_and(|(epoch, _)| *epoch > before + 1);
        (!forgotten).then(|| steps.collect())
    }
}

/// The engines.
pub(crate) struct Pool {
    engines: Vec<Arc<dyn Engine>>,
    scope: Scope,
    slots: Mutex<BTreeMap<EngineName, Slot>>,
    used: watch::Sender<BTreeSet<EngineName>>,
    /// Counts the changes of the cached inventories.
    moved: watch::Sender<u64>,
    turns: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<()>>>>,
    ahead: Ahead,
}

/// What a new list changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    /// Owners whose workloads, networks or volumes changed.
    pub(crate) owners: BTreeSet<Uid>,
    /// A step of ours ended meanwhile: what the list says of its object was not believed, and another list is due.
    pub(crate) overtaken: bool,
}

impl Pool {
    /// The engines, in the order of the registry.
    pub(crate) fn new(engines: Vec<Arc<dyn Engine>>, instance: InstanceId) -> Self {
        Self {
            engines,
            scope: Scope { instance },
            slots: Mutex::default(),
            used: watch::Sender::default(),
            moved: watch::Sender::default(),
            turns: Mutex::default(),
            ahead: Ahead::default(),
        }
    }

    /// Who starts, and who gives way to it.
    pub(crate) fn ahead(&self) -> &Ahead {
        &self.ahead
    }

    /// The engine of that name.
    pub(crate) fn engine(&self, name: EngineName) -> Option<&Arc<dyn Engine>> {
        self.engines.iter().find(|engine| engine.id() == name)
    }

    /// Names of all engines.
    pub(crate) fn names(&self) -> impl Iterator<Item = EngineName> {
        self.engines.iter().map(|engine| engine.id())
    }

    /// What inventories cover.
    pub(crate) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// What an engine says of itself; asked once while it is available.
    pub(crate) async fn info(&self, name: EngineName) -> Option<EngineInfo> {
        let engine = self.engine(name)?;
        let known = self.with(name, |slot| slot.info.clone());
        if let Some((info, asked)) = known
            && (info.available || asked.elapsed() < UNAVAILABLE_FOR)
        {
            return Some(info);
        }
        let info = engine.info().await;
        self.with(name, |slot| slot.info = Some((info.clone(), Instant::now())));
        Some(info)
    }

    /// What every engine says of itself.
    pub(crate) async fn infos(&self) -> Vec<EngineInfo> {
        let asked = futures::future::join_all(self.names().map(|name| self.info(name))).await;
        asked.into_iter().flatten().collect()
    }

    /// The inventory of an engine; listed once, then kept up to date, and listed anew where the reply to a step of ours was lost:
    /// whoever acts on it would act on what may be wrong.
    ///
    /// # Errors
    /// The engine does not answer.
    pub(crate) async fn inventory(&self, name: EngineName) -> Result<Option<Arc<Inventory>>, EngineError> {
        if self.engine(name).is_none() {
            return Ok(None);
        }
        if let Some(known) = self.with(name, |slot| slot.certain()) {
            return Ok(Some(known));
        }
        self.used.send_if_modified(|used| used.insert(name));
        self.relist(name).await?;
        Ok(self.known(name))
    }

    /// True once somebody needed the engine.
    pub(crate) fn is_used(&self, name: EngineName) -> bool {
        self.used.borrow().contains(&name)
    }

    /// Waits until somebody needs the engine.
    pub(super) async fn until_used(&self, name: EngineName) {
        let mut used = self.used.subscribe();
        // The sender lives in this pool, so the wait ends by use only.
        let _ = used.wait_for(|used| used.contains(&name)).await;
    }

    /// The inventory of an engine as it was last seen, without asking: for what decides nothing.
    pub(crate) fn known(&self, name: EngineName) -> Option<Arc<Inventory>> {
        self.with(name, |slot| slot.inventory.clone())
    }

    /// What an engine that does not answer held when it last did.
    pub(crate) fn last_seen(&self, name: EngineName) -> Option<Arc<Inventory>> {
        self.with(name, |slot| slot.inventory.clone().or_else(|| slot.last.clone()))
    }

    /// Moves on when a cached inventory changes.
    pub(crate) fn moved(&self) -> watch::Receiver<u64> {
        self.moved.subscribe()
    }

    /// Lists an engine anew and says whose objects changed.
    ///
    /// # Errors
    /// The engine does not answer; what was known of it is forgotten.
    pub(crate) async fn relist(&self, name: EngineName) -> Result<Difference, EngineError> {
        let Some(engine) = self.engine(name) else { return Ok(Difference::default()) };
        let (before, doubts) = self.with(name, |slot| (slot.epoch, slot.doubts));
        match engine.inventory(&self.scope).await {
            Ok(listed) => Ok(self.with(name, |slot| {
                // A step that ended meanwhile may be missing in this list: its object stays as the reply told it.
                let stepped = slot.stepped_since(before);
                let overtaken = slot.epoch != before;
                let next = match (slot.inventory.as_deref(), stepped) {
                    (None, _) => Some(listed),
                    (Some(old), Some(stepped)) => Some(overlay::merge(old, listed, &stepped)),
                    (Some(_), None) => None,
                };
                // It answers: that it did not is over.
                slot.info.take_if(|(info, _)| !info.available);
                let Some(next) = next else { return Difference { overtaken, ..Difference::default() } };
                let known = slot.inventory.as_deref().map(|old| overlay::difference(old, &next)).unwrap_or_default();
                let difference = Difference { overtaken, ..known };
                if slot.inventory.as_deref() != Some(&next) {
                    self.moved.send_modify(|count| *count += 1);
                }
                slot.inventory = Some(Arc::new(next));
                slot.settled = slot.settled.max(doubts);
                difference
            })),
            Err(error) => {
                self.with(name, |slot| {
                    slot.last = slot.inventory.take().or_else(|| slot.last.take());
                    slot.info = None;
                });
                Err(error)
            }
        }
    }

    /// Takes the reply to our own step into the inventory: the reply of a start *is* the start event (PERF-80).
    pub(crate) fn stepped(&self, name: EngineName, step: &Step, outcome: &Outcome, now: jiff::Timestamp) {
        let done = match outcome {
            Outcome::Done(done) => done,
            // The step may have been done all the same, and only its reply was lost.
            Outcome::Failed(failure) if failure.class == FailureClass::Transient => {
                self.with(name, |slot| slot.doubts += 1);
                return;
            }
            Outcome::Failed(_) | Outcome::Waiting { .. } => return,
        };
        self.with(name, |slot| {
            slot.epoch += 1;
            if slot.stepped.len() == STEPPED {
                slot.stepped.pop_front();
            }
            slot.stepped.push_back((slot.epoch, step.object.clone()));
            overlay::note_image(&mut slot.images, step, done);
            if let Some(inventory) = &mut slot.inventory {
                overlay::take_in(Arc::make_mut(inventory), &slot.images, step, done, now);
                self.moved.send_modify(|count| *count += 1);
            }
        });
    }

    /// Waits for the turn to make an object that several services ask for, by its name.
    pub(crate) async fn turn(&self, object: &str) -> OwnedMutexGuard<()> {
        let lock = {
            let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
            turns.retain(|_, lock| Arc::strong_count(lock) > 1);
            Arc::clone(turns.entry(object.to_owned()).or_default())
        };
        lock.lock_owned().await
    }

    fn with<T>(&self, name: EngineName, act: impl FnOnce(&mut Slot) -> T) -> T {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        act(slots.entry(name).or_default())
    }
}
