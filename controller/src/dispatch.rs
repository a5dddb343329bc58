//! Gives each key to the room that reconciles it, and shows panics on their objects (REL-2).

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use koan_core::desired::Ownership;
use koan_core::identity::ServiceKey;
use koan_crds::v1alpha1::EngineName;
use kube::ResourceExt;

use crate::context::Context;
use crate::pool::RELIST;
use crate::runtime::{Key, Kind, Next, Reconcile};
use crate::{service, stack};

/// Pause before the list that follows one during which our own steps ended.
const OVERTAKEN: Duration = Duration::from_millis(50);

/// The reconciler of all kinds.
pub(crate) struct Dispatch {
    context: Arc<Context>,
}

impl Dispatch {
    /// Over a context.
    pub(crate) fn new(context: Arc<Context>) -> Self {
        Self { context }
    }

    /// Lists an engine that is in use and wakes the owners of what changed (REL-5, P22).
    async fn engine(&self, key: &Key) -> Next {
        let Some(name) = self.context.pool.names().find(|name| format!("{name:?}") == key.name) else { return Next::Rest };
        if !self.context.pool.is_used(name) {
            return Next::Rest;
        }
        let lost = self.context.pool.known(name).is_none();
        match self.context.pool.relist(name).await {
            // It answers again: whoever has a workload there looks at once what became of it.
            Ok(_) if lost => self.wake_users(name).await,
            Ok(difference) => {
                if !difference.owners.is_empty() {
                    self.wake_owners(|uid| difference.owners.iter().any(|owner| owner.0 == uid)).await;
                }
                if difference.overtaken {
                    return Next::After(OVERTAKEN);
                }
            }
            Err(error) => {
                tracing::debug!(engine = ?name, "inventory failed: {error}");
                self.wake_users(name).await;
            }
        }
        Next::After(RELIST)
    }

    async fn wake_owners(&self, concerned: impl Fn(&str) -> bool) {
        let Ok(services) = self.context.reader.services(None).await else { return };
        // A network belongs to the stack: each of its services may need it.
        let of = |service: &koan_crds::v1alpha1::ServiceSpec| {
            let own = Ownership::of_object(service, &self.context.instance);
            concerned(&own.owner.uid.0) || concerned(&own.network_owner.uid.0)
        };
        for service in services.iter().filter(|service| of(service)) {
            self.context.wake.now(Key::service(&service.namespace().unwrap_or_default(), &service.name_any()));
        }
    }

    /// An engine stopped answering, or does again: everyone who has a workload there has to say so.
    async fn wake_users(&self, engine: EngineName) {
        let Ok(services) = self.context.reader.services(None).await else { return };
        let uses = |service: &koan_crds::v1alpha1::ServiceSpec| {
            let workload = service.status.as_ref().and_then(|status| status.workload.as_ref());
            workload.is_some_and(|workload| workload.engine == engine)
        };
        for service in services.iter().filter(|service| uses(service)) {
            self.context.wake.now(Key::service(&service.namespace().unwrap_or_default(), &service.name_any()));
        }
    }
}

#[async_trait]
impl Reconcile for Dispatch {
    async fn reconcile(&self, key: &Key) -> Next {
        let Key { kind, namespace, name } = key;
        match kind {
            Kind::Stack => stack::reconcile(&self.context, key).await,
            Kind::Service => service::reconcile(&self.context, key).await,
            Kind::Probe => {
                let service = ServiceKey { namespace: namespace.clone(), name: name.clone() };
                self.context.board.probe(&service, &self.context.means()).await
            }
            Kind::Engine => self.engine(key).await,
            Kind::Collector => self.context.collector.run(&self.context).await,
        }
    }

    async fn panicked(&self, key: &Key, message: &str) {
        match key.kind {
            Kind::Stack => stack::panicked(&self.context, key, message).await,
            Kind::Service => service::panicked(&self.context, key, message).await,
            Kind::Probe | Kind::Engine | Kind::Collector => {}
        }
    }
}
