//! Takes keys from the queue and reconciles them, each in a task of its own.
//!
//! Guarantees: a panic ends one reconcile, is told to [`Reconcile::panicked`] and answered by backoff (REL-2); dropping the
//! future of [`Runner::run`] stops every reconcile at its next await.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use tokio::task::JoinSet;

use super::key::{Key, Kind};
use super::queue::Next;
use super::wake::Wake;
use crate::ports::Random;

/// What the runner runs.
#[async_trait]
pub(crate) trait Reconcile: Send + Sync + 'static {
    /// One level-based pass; safe to drop at any await.
    async fn reconcile(&self, key: &Key) -> Next;

    /// Shows a panic on the object.
    async fn panicked(&self, key: &Key, message: &str);
}

/// Why the controllers ended; the process ends with exit 70 (REL-2).
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A task of the controllers ended by itself.
    #[error("the controller task {task} ended")]
    TaskEnded {
        /// The task.
        task: String,
    },
    /// The simulator cut the run.
    #[error("the run was cut at effect {effect}")]
    Cut {
        /// Number of the effect.
        effect: u64,
    },
}

/// The loop over the queue.
pub(crate) struct Runner {
    wake: Wake,
    random: Arc<dyn Random>,
    reconciler: Arc<dyn Reconcile>,
}

impl Runner {
    /// A runner over a queue.
    pub(crate) fn new(wake: Wake, random: Arc<dyn Random>, reconciler: Arc<dyn Reconcile>) -> Self {
        Self { wake, random, reconciler }
    }

    /// Runs for ever; returns only when a task could not be joined.
    pub(crate) async fn run(self) -> RunError {
        let mut tasks: JoinSet<(Key, Next)> = JoinSet::new();
        loop {
            while let Some(key) = self.wake.take() {
                tasks.spawn(guarded(Arc::clone(&self.reconciler), key));
            }
            let places: usize = Kind::ALL.into_iter().map(Kind::width).sum();
            assert!(tasks.len() <= places, "{} reconciles in flight in {places} places (REL-6)", tasks.len());
            let due = self.wake.next_due();
            tokio::select! {
                biased;
                Some(ended) = tasks.join_next() => match ended {
                    Ok((key, next)) => self.wake.finish(&key, next, self.jitter()),
                    Err(error) => return RunError::TaskEnded { task: error.to_string() },
                },
                () = self.wake.woken() => {}
                () = sleep_until(due) => {}
            }
        }
    }

    fn jitter(&self) -> u64 {
        let mut bytes = [0; 8];
        // Without randomness the backoff has no jitter, which harms nobody.
        let _ = self.random.fill(&mut bytes);
        u64::from_le_bytes(bytes)
    }
}

async fn sleep_until(due: Option<tokio::time::Instant>) {
    match due {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

async fn guarded(reconciler: Arc<dyn Reconcile>, key: Key) -> (Key, Next) {
    match AssertUnwindSafe(reconciler.reconcile(&key)).catch_unwind().await {
        Ok(next) => (key, next),
        Err(cause) => {
            let message = panic_message(cause.as_ref());
            tracing::error!(key = %key, "reconcile panicked: {message}");
            // A panic while showing a panic must not end the runner either.
            let _ = AssertUnwindSafe(reconciler.panicked(&key, &message)).catch_unwind().await;
            (key, Next::Backoff)
        }
    }
}

fn panic_message(cause: &(dyn std::any::Any + Send)) -> String {
    cause
        .downcast_ref::<&str>()
        .map(|text| (*text).to_owned())
        .or_else(|| cause.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a value that is no text".to_owned())
}
