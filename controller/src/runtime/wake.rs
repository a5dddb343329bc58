//! The handle by which anything asks for a reconcile.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use super::echo::Echoes;
use super::key::Key;
use super::queue::{Cause, Next, Queue};

#[derive(Debug, Default)]
struct Shared {
    queue: Mutex<Queue>,
    notify: Notify,
    echoes: Echoes,
}

/// Cheap to clone; never blocks.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wake(Arc<Shared>);

impl Wake {
    /// Reconciles the key as soon as there is a place.
    pub(crate) fn now(&self, key: Key) {
        self.with(|queue| queue.add(key, Cause::Asked));
        self.0.notify.notify_one();
    }

    /// Reconciles the key after a delay at the latest.
    pub(crate) fn after(&self, key: Key, delay: Duration) {
        self.with(|queue| queue.add_after(key, Instant::now(), delay));
        self.0.notify.notify_one();
    }

    /// Reconciles the key unless the change to this version was our own write.
    pub(crate) fn changed(&self, key: Key, version: &str) {
        if self.0.echoes.is_own(&key, version) {
            return;
        }
        self.with(|queue| queue.add(key, Cause::Version(version.to_owned())));
        self.0.notify.notify_one();
    }

    /// Reconciles the key after a delay at the latest, unless the change to this version was its own write.
    pub(crate) fn changed_after(&self, key: Key, version: &str, delay: Duration) {
        if self.0.echoes.is_own(&key, version) {
            return;
        }
        self.with(|queue| {
            if queue.runs(&key) {
                queue.add(key, Cause::Version(version.to_owned()));
            } else {
                queue.add_after(key, Instant::now(), delay);
            }
        });
        self.0.notify.notify_one();
    }

    /// Notes a version that we wrote.
    pub(crate) fn wrote(&self, key: Key, version: String) {
        self.0.echoes.note(key, version);
    }

    /// Forgets an object that is gone.
    pub(crate) fn forget(&self, key: &Key) {
        self.0.echoes.forget(key);
        self.with(|queue| queue.forget(key));
    }

    /// True when nothing waits to run and nothing runs.
    pub(crate) fn is_idle(&self) -> bool {
        self.with(|queue| queue.is_idle())
    }

    pub(super) fn take(&self) -> Option<Key> {
        self.with(|queue| queue.take(Instant::now()))
    }

    pub(super) fn finish(&self, key: &Key, next: Next, jitter: u64) {
        self.with(|queue| queue.finish(key, next, Instant::now(), jitter, |version| self.0.echoes.is_own(key, version)));
    }

    pub(super) fn next_due(&self) -> Option<Instant> {
        self.with(|queue| queue.next_due())
    }

    pub(super) async fn woken(&self) {
        self.0.notify.notified().await;
    }

    fn with<T>(&self, act: impl FnOnce(&mut Queue) -> T) -> T {
        act(&mut self.0.queue.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
