//! Time, randomness and host of a simulated machine: nothing in them comes from the real one (REL-8).

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use jiff::{SignedDuration, Timestamp};
use koan_core::inventory::WorkloadState;
use koan_crds::v1alpha1::DetectionMethod;
use koan_engines::sim::SimWorld;
use tokio::time::Instant;

use crate::witness::{HOST_PORT, Notes};

/// Second at which every run begins: 2026-01-01T00:00:00Z, as in the simulated engine.
const EPOCH_SECOND: i64 = 1_767_225_600;

/// Wall clock that moves with tokio's paused time.
pub(crate) struct SimClock(Instant);

impl SimClock {
    /// A clock that begins now.
    pub(crate) fn new() -> Self {
        Self(Instant::now())
    }

    fn time(&self) -> Timestamp {
        let since = SignedDuration::try_from(self.0.elapsed()).unwrap();
        Timestamp::from_second(EPOCH_SECOND).unwrap() + since
    }
}

impl koan_apiserver::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

impl koan_controller::Clock for SimClock {
    fn now(&self) -> Timestamp {
        self.time()
    }
}

/// Random bytes from a seed (splitmix64).
pub(crate) struct SimRandom(AtomicU64);

impl SimRandom {
    /// A sequence of its own per seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }

    fn next(&self) -> u64 {
        let step = 0x9e37_79b9_7f4a_7c15_u64;
        let state = self.0.fetch_add(step, Ordering::Relaxed).wrapping_add(step);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn bytes(&self, buffer: &mut [u8]) {
        for chunk in buffer.chunks_mut(8) {
            let bytes = self.next().to_le_bytes();
            let length = chunk.len();
            chunk.copy_from_slice(&bytes[..length]);
        }
    }
}

impl koan_apiserver::Random for SimRandom {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes(buffer);
        Ok(())
    }
}

impl koan_controller::Random for SimRandom {
    fn fill(&self, buffer: &mut [u8]) -> io::Result<()> {
        self.bytes(buffer);
        Ok(())
    }
}

/// A host on which the simulated engine listens, and one server that comes and goes; without programs.
pub(crate) struct SimHost {
    /// What the engine publishes.
    pub(crate) world: SimWorld,
    /// Whether the server listens.
    pub(crate) notes: Arc<Mutex<Notes>>,
}

impl koan_controller::Host for SimHost {
    fn port_is_free(&self, address: SocketAddr) -> bool {
        let publishes = |port: &koan_core::workload::PortEntry| port.host == Some(address.port());
        let running = |workload: &&koan_engines::sim::SimWorkload| workload.state == WorkloadState::Running;
        let taken = |workload: &koan_engines::sim::SimWorkload| workload.spec.ports.iter().any(publishes);
        let server = self.notes.lock().unwrap().host && address.port() == HOST_PORT;
        !server && self.world.with_workloads(|workloads| !workloads.values().filter(running).any(taken))
    }

    fn program(&self, _: &str, _: &[&str]) -> Option<String> {
        None
    }

    fn gateways(&self) -> Vec<(DetectionMethod, String)> {
        Vec::new()
    }
}
