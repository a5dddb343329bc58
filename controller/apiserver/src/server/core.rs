//! What all requests share.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::auth::{Accounts, Guard, Role};
use crate::deletion::Worklist;
use crate::kinds::Registry;
use crate::ports::{Clock, Ids, Random};
use crate::status::Failure;
use crate::store::{Company, Store};
use crate::workloads::Workloads;

/// Watches that may be open at a time.
const WATCH_LIMIT: usize = 1_000;
/// Other requests that may be in flight at a time.
const REQUEST_LIMIT: usize = 400;

/// Logs that are followed and commands that are open at a time.
const STREAM_LIMIT: usize = 200;

/// The right to one request or watch, given back when dropped.
pub(crate) struct Permit {
    _permit: OwnedSemaphorePermit,
}

/// What all requests share.
pub(crate) struct Core {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) ids: Arc<dyn Ids>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) instance: String,
    pub(crate) accounts: Accounts,
    pub(crate) work: Arc<Worklist>,
    /// Held while definitions are given their names and shown.
    pub(crate) definitions: tokio::sync::Mutex<()>,
    /// Moves on with each change of what is served.
    served: watch::Sender<u64>,
    registry: RwLock<Arc<Registry>>,
    watches: Arc<Semaphore>,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    workloads: OnceLock<Arc<dyn Workloads>>,
    /// Whose tokens are good, while the server listens.
    guard: RwLock<Option<Arc<Guard>>>,
    stopping: watch::Sender<bool>,
}

/// The outside world and the store of a new core.
pub(super) struct Parts {
    pub(super) store: Store,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) ids: Arc<dyn Ids>,
    pub(super) random: Arc<dyn Random>,
    pub(super) instance: String,
    pub(super) work: Arc<Worklist>,
}

impl Core {
    pub(super) fn new(parts: Parts) -> Self {
        let Parts { store, clock, ids, random, instance, work } = parts;
        Self {
            store,
            clock,
            ids,
            random,
            instance,
            accounts: Accounts::default(),
            work,
            definitions: tokio::sync::Mutex::new(()),
            served: watch::Sender::new(0),
            registry: RwLock::new(Arc::new(Registry::new(Vec::new()))),
            watches: Arc::new(Semaphore::new(WATCH_LIMIT)),
            requests: Arc::new(Semaphore::new(REQUEST_LIMIT)),
            streams: Arc::new(Semaphore::new(STREAM_LIMIT)),
            workloads: OnceLock::new(),
            guard: RwLock::new(None),
            stopping: watch::Sender::new(false),
        }
    }

    /// What is served now.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Serves `registry` from now on.
    pub(crate) fn serve(&self, registry: Arc<Registry>) {
        *self.registry.write().unwrap_or_else(PoisonError::into_inner) = registry;
        self.served.send_modify(|count| *count += 1);
    }

    /// A receiver that changes whenever what is served does.
    pub(crate) fn serving(&self) -> watch::Receiver<u64> {
        self.served.subscribe()
    }

    /// Lets one more watch in.
    ///
    /// # Errors
    /// 429 when the limit is reached.
    pub(crate) fn admit_watch(&self) -> Result<Permit, Failure> {
        admit(&self.watches, &format!("{WATCH_LIMIT} watches are open, please try again later"))
    }

    /// Lets one more log or command in.
    ///
    /// # Errors
    /// 429 when the limit is reached.
    pub(crate) fn admit_stream(&self) -> Result<Permit, Failure> {
        admit(&self.streams, &format!("{STREAM_LIMIT} logs and commands are open, please try again later"))
    }

    /// Who answers about Pods.
    ///
    /// # Errors
    /// 503 while nobody does.
    pub(crate) fn workloads(&self) -> Result<Arc<dyn Workloads>, Failure> {
        self.workloads.get().cloned().ok_or_else(|| Failure::unavailable("nobody answers for the pods of this server yet"))
    }

    pub(super) fn set_workloads(&self, workloads: Arc<dyn Workloads>) {
        // A second one would have to take over what the first one began.
        let _ = self.workloads.set(workloads);
    }

    /// Whose token it is; `None` for a token of nobody.
    pub(crate) fn identify(&self, token: &str) -> Option<Role> {
        self.guard.read().unwrap_or_else(PoisonError::into_inner).as_ref()?.identify(token)
    }

    pub(super) fn set_guard(&self, guard: &Arc<Guard>) {
        *self.guard.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(guard));
    }

    /// Lets one more request in.
    ///
    /// # Errors
    /// 429 when the limit is reached.
    pub(crate) fn admit_request(&self) -> Result<Permit, Failure> {
        admit(&self.requests, &format!("{REQUEST_LIMIT} requests are in flight, please try again later"))
    }

    /// Whether a request that was let in is the only one (watches apart).
    pub(crate) fn company(&self) -> Company {
        if self.requests.available_permits() + 1 >= REQUEST_LIMIT { Company::Alone } else { Company::Others }
    }

    /// A receiver that turns true when the server stops.
    pub(crate) fn stopping(&self) -> watch::Receiver<bool> {
        self.stopping.subscribe()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Ends watches and background work, and refuses new requests.
    pub(crate) fn stop(&self) {
        self.stopping.send_replace(true);
    }
}

/// Waits until the server stops.
pub(crate) async fn stopped(stopping: &mut watch::Receiver<bool>) {
    // A server that is gone has stopped.
    let _ = stopping.wait_for(|stop| *stop).await;
}

fn admit(semaphore: &Arc<Semaphore>, message: &str) -> Result<Permit, Failure> {
    Arc::clone(semaphore)
        .try_acquire_owned()
        .map(|permit| Permit { _permit: permit })
        .map_err(|_| Failure::too_many_requests(message))
}
