//! Everything that a reconcile may use, in one place.

use std::sync::Arc;

use koan_adapters::Prober;
use koan_core::identity::InstanceId;
use koan_core::recipe::Recipes;

use crate::arbiter::Arbiter;
use crate::collector::Collector;
use crate::events::Recorder;
use crate::gateway::Gateway;
use crate::gather::{Asks, Restarts};
use crate::health::{Board, Means};
use crate::pool::Pool;
use crate::ports::{Clock, Host, Random};
use crate::reader::Reader;
use crate::relay::Relays;
use crate::runtime::{Interests, Wake};
use crate::stack::{Boots, Told};

/// The rooms of the controllers, wired. Nothing in it is needed to be right: a new one is rebuilt from statuses and labels.
pub(crate) struct Context {
    pub(crate) instance: InstanceId,
    pub(crate) reader: Arc<dyn Reader>,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) pool: Arc<Pool>,
    pub(crate) prober: Arc<dyn Prober>,
    pub(crate) recipes: &'static dyn Recipes,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) random: Arc<dyn Random>,
    pub(crate) host: Arc<dyn Host>,
    pub(crate) wake: Wake,
    pub(crate) interests: Interests,
    pub(crate) boots: Boots,
    pub(crate) arbiter: Arbiter,
    pub(crate) board: Board,
    pub(crate) relays: Relays,
    pub(crate) restarts: Restarts,
    pub(crate) told: Told,
    pub(crate) asks: Asks,
    pub(crate) events: Recorder,
    pub(crate) collector: Collector,
}

impl Context {
    /// What probes need.
    pub(crate) fn means(&self) -> Means {
        Means {
            pool: Arc::clone(&self.pool),
            prober: Arc::clone(&self.prober),
            clock: Arc::clone(&self.clock),
            wake: self.wake.clone(),
        }
    }
}
