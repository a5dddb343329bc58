//! The one door to the world: every write to an API server or an engine is an [`Effect`], numbered in the order of sending.
//!
//! So a crash point is an integer: a [`Hook`] may cut the run, fail a call or lose its reply at effect *n* (REL-1, REL-8).
//! The gateway decides nothing: it sends what it is given, by Koan's own client policy (REL-3), and counts (PERF-70).

mod api;
mod demands;
mod effect;
mod engine;
mod error;
mod hook;
mod tally;

pub use effect::{ApiKind, ApiVerb, ApiWrite, Effect};
pub use error::ApiError;
pub use hook::{Fault, Hook, NoHook, Ruling};
pub use tally::Tally;

pub(crate) use api::{Identity, Written};

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

use crate::runtime::Wake;

/// The door.
pub(crate) struct Gateway {
    client: kube::Client,
    wake: Wake,
    hook: Arc<dyn Hook>,
    next: AtomicU64,
    tally: tally::Counts,
    cut: watch::Sender<Option<u64>>,
}

impl Gateway {
    /// A gateway over a client.
    pub(crate) fn new(client: kube::Client, wake: Wake, hook: Arc<dyn Hook>) -> Self {
        Self { client, wake, hook, next: AtomicU64::new(0), tally: tally::Counts::default(), cut: watch::Sender::new(None) }
    }

    /// Number of the effect that a hook cut; never resolves without one.
    pub(crate) async fn was_cut(&self) -> u64 {
        let mut receiver = self.cut.subscribe();
        loop {
            if let Some(number) = *receiver.borrow_and_update() {
                return number;
            }
            if receiver.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// What went through so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally.snapshot()
    }

    /// Numbers an effect and asks the hook.
    async fn enter(&self, effect: &Effect) -> (u64, Ruling) {
        demands::check(effect);
        if self.cut.borrow().is_some() {
            std::future::pending::<()>().await;
        }
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.tally.write(effect);
        tracing::debug!(number, %effect, "effect");
        let ruling = self.hook.before(number, effect);
        if ruling == Ruling::CutBefore {
            self.end(number).await;
        }
        (number, ruling)
    }

    /// Ends the run: this effect is the last one, and nobody sees its reply.
    async fn end(&self, number: u64) {
        self.cut.send_replace(Some(number));
        std::future::pending::<()>().await;
    }
}
