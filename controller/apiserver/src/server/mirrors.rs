//! Feeding the mirrors of a running server.

use std::sync::Arc;

use serde_json::Value;

use super::core::Core;
use crate::handlers::mirror::{self, Departed};
use crate::status::Failure;

/// Shows what the embedding process runs as Pods. There is one of them at work at a time.
#[derive(Clone)]
pub struct Mirrors {
    core: Arc<Core>,
    departed: Arc<Departed>,
}

impl Mirrors {
    pub(super) fn new(core: Arc<Core>) -> Self {
        Self { core, departed: Arc::default() }
    }

    /// Makes the served Pods exactly these: whole objects with namespace, name and uid. A Pod whose uid is shown already keeps
    /// its creation time and a deletion that was asked for; one that did not change is left alone.
    ///
    /// # Errors
    /// One of them could not be shown, for example because its namespace is going; the next look may show it.
    pub async fn show_pods(&self, pods: Vec<Value>) -> Result<(), Failure> {
        let resource = mirror::pods(&self.core).ok_or_else(Failure::no_such_path)?;
        mirror::show(&self.core, &resource, &self.departed, pods).await
    }
}
