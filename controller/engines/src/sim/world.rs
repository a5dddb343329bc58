//! The handle of a simulated world: scripts, faults, time, and what happened. Drift is in its own room.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use koan_core::identity::ObjectId;
use koan_core::probe::Address;
use koan_crds::v1alpha1::EngineName;
use tokio::time::Instant;

use super::engine::SimEngine;
use super::fault::{CallRecord, Effect, Fault};
use super::program::{Answer, Program};
use super::state::{SimNetwork, SimVolume, SimWorkload, State};

/// A simulated machine with one engine. Clones are handles of the same world.
#[derive(Clone)]
pub struct SimWorld {
    state: Arc<Mutex<State>>,
}

impl SimWorld {
    /// An empty world whose engine answers as `engine`; its time begins now. Needs a tokio runtime, best with a paused clock.
    pub fn new(engine: EngineName) -> Self {
        Self { state: Arc::new(Mutex::new(State::new(engine))) }
    }

    /// The engine, as controllers get it; many may exist, as after a restart.
    pub fn engine(&self) -> SimEngine {
        SimEngine::new(self.clone())
    }

    /// Scripts the program of an image, of a process by its first word, or of one object by its name, which wins.
    pub fn script(&self, image_or_object: &str, program: Program) {
        self.lock().programs.insert(image_or_object.to_owned(), program);
    }

    /// Paths that an image declares as volumes.
    pub fn declare_volumes(&self, image: &str, paths: &[&str]) {
        self.lock().declared.insert(image.to_owned(), paths.iter().map(|path| (*path).to_owned()).collect());
    }

    /// An image that no registry has.
    pub fn forget_image(&self, reference: &str) {
        let mut state = self.lock();
        state.pulled.remove(reference);
        state.unknown_images.insert(reference.to_owned());
    }

    /// The host's address in every network: one of its own interfaces, so that a relay can listen there.
    pub fn set_gateway(&self, gateway: IpAddr) {
        self.lock().gateway = gateway;
    }

    /// Hits the call of `apply` with this number, counted from 0 over the life of the world.
    pub fn fault_at(&self, index: usize, fault: Fault) {
        self.lock().faults.insert(index, fault);
    }

    /// How long each call takes.
    pub fn set_latency(&self, latency: Duration) {
        self.lock().latency = latency;
    }

    /// Every call of `apply` so far, in order.
    pub fn calls(&self) -> Vec<CallRecord> {
        self.settled().calls.clone()
    }

    /// Every change that calls made, in order.
    pub fn effects(&self) -> Vec<Effect> {
        self.settled().effects.clone()
    }

    /// How often each (verb, object) was changed (REL-14).
    pub fn counts(&self) -> BTreeMap<(&'static str, String), usize> {
        self.settled().effects.iter().fold(BTreeMap::new(), |mut counts, effect| {
            *counts.entry((effect.verb, effect.object.clone())).or_default() += 1;
            counts
        })
    }

    /// Reads so far: `info`, `inventory`, `logs`, `exec` and `dial`.
    pub fn reads(&self) -> u64 {
        self.lock().reads
    }

    /// Workloads by id, foreign ones included.
    pub fn workloads(&self) -> BTreeMap<ObjectId, SimWorkload> {
        self.settled().workloads.clone()
    }

    /// Networks by id, foreign ones included.
    pub fn networks(&self) -> BTreeMap<ObjectId, SimNetwork> {
        self.settled().networks.clone()
    }

    /// Volumes by name, foreign ones included.
    pub fn volumes(&self) -> BTreeMap<String, SimVolume> {
        self.settled().volumes.clone()
    }

    /// Looks at the workloads as [`Self::workloads`] gives them, without a copy. The world stands still meanwhile.
    pub fn with_workloads<T>(&self, look: impl FnOnce(&BTreeMap<ObjectId, SimWorkload>) -> T) -> T {
        look(&self.settled().workloads)
    }

    /// Looks at the networks as [`Self::networks`] gives them, without a copy.
    pub fn with_networks<T>(&self, look: impl FnOnce(&BTreeMap<ObjectId, SimNetwork>) -> T) -> T {
        look(&self.settled().networks)
    }

    /// Looks at the volumes as [`Self::volumes`] gives them, without a copy.
    pub fn with_volumes<T>(&self, look: impl FnOnce(&BTreeMap<String, SimVolume>) -> T) -> T {
        look(&self.settled().volumes)
    }

    /// What a client meets at an address now: a published port of loopback, or a workload's own address.
    pub fn answer(&self, address: &Address) -> Answer {
        match address {
            Address::Tcp { host, port } => {
                let host = if host == "localhost" { "127.0.0.1" } else { host.as_str() };
                host.parse::<IpAddr>().map_or(Answer::Refused, |host| self.settled().answer(host, *port))
            }
            Address::Unix { .. } => Answer::Refused,
        }
    }

    /// When the world next changes by itself; a driver may advance the clock to it.
    pub fn next_due(&self) -> Option<Instant> {
        self.settled().next_due()
    }

    /// The state, moved up to now.
    pub(super) fn settled(&self) -> MutexGuard<'_, State> {
        let mut state = self.lock();
        state.settle();
        state
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
