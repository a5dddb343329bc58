//! One watcher per engine that is in use: its hints ask for a list, never more (REL-5).

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use koan_crds::v1alpha1::EngineName;
use koan_engines::Hint;
use tokio::time::sleep;

use super::cache::Pool;
use crate::runtime::{Key, Kind, Wake};

/// An engine is listed at least this often.
pub(crate) const RELIST: Duration = Duration::from_secs(30);
/// Hints within this time ask for one list.
const GATHERED: Duration = Duration::from_millis(10);
/// What was made or started is looked at within this time: our own steps have their replies, and a bring-up is one list.
const GATHERED_MADE: Duration = Duration::from_secs(1);
/// First pause before the watcher subscribes again.
const AGAIN_FIRST: Duration = Duration::from_millis(200);
/// Longest pause before the watcher subscribes again.
const AGAIN_LAST: Duration = Duration::from_secs(2);

impl Pool {
    /// Follows the hints of an engine for ever.
    pub(crate) async fn follow(self: Arc<Self>, name: EngineName, wake: Wake) {
        let Some(engine) = self.engine(name).map(Arc::clone) else { return };
        let key = Key::new(Kind::Engine, "", &format!("{name:?}"));
        let mut pause = AGAIN_FIRST;
        self.until_used(name).await;
        loop {
            let mut hints = engine.watch(self.scope());
            while let Some(hint) = hints.next().await {
                pause = AGAIN_FIRST;
                wake.after(
                    key.clone(),
                    match hint {
                        Hint::Object(_) | Hint::Relist => GATHERED,
                        Hint::Made(_) => GATHERED_MADE,
                    },
                );
            }
            sleep(pause).await;
            pause = (pause * 2).min(AGAIN_LAST);
            wake.now(key.clone());
        }
    }
}
