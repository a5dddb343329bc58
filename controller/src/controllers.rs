//! The face of the crate: builds the controllers and runs them.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use koan_adapters::Prober;
use koan_core::identity::InstanceId;
use koan_core::recipe::Recipes;
use koan_core::validate::StackOptions;
use koan_crds::v1alpha1::DevStack;
use koan_engines::Engine;
use tokio::task::JoinSet;

use crate::arbiter::Arbiter;
use crate::collector::Collector;
use crate::context::Context;
use crate::dispatch::Dispatch;
use crate::events::Recorder;
use crate::gateway::{Gateway, Hook, NoHook, Tally};
use crate::gather::{Asks, Restarts};
use crate::health::Board;
use crate::mirror::Mirror;
use crate::pool::Pool;
use crate::ports::{Clock, Host, OsRandom, Random, SystemClock, SystemHost};
use crate::reader::{ApiReader, Reader};
use crate::relay::Relays;
use crate::report::{self, PlanError, PlanReport};
use crate::runtime::{ApiSource, Change, Interests, Key, Kind, RunError, Runner, Source, Target, Wake, WatchedKind};
use crate::stack::{Boots, Told};

/// A stack looks at its services' changes together (PERF-93).
const COALESCE: Duration = Duration::from_millis(10);

/// What the controllers are made from. Reader, source, clock, randomness, host and hook have defaults.
pub struct Builder {
    client: kube::Client,
    instance: InstanceId,
    recipes: &'static dyn Recipes,
    prober: Arc<dyn Prober>,
    engines: Vec<Arc<dyn Engine>>,
    reader: Option<Arc<dyn Reader>>,
    source: Option<Arc<dyn Source>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    host: Arc<dyn Host>,
    hook: Arc<dyn Hook>,
}

/// The controllers of one instance.
pub struct Controllers {
    context: Arc<Context>,
    source: Arc<dyn Source>,
}

impl Controllers {
    /// A builder: writes go through `client`; `recipes` and `prober` are the two halves of the catalogue.
    pub fn builder(
        client: kube::Client,
        instance: InstanceId,
        recipes: &'static dyn Recipes,
        prober: Arc<dyn Prober>,
    ) -> Builder {
        Builder {
            client,
            instance,
            recipes,
            prober,
            engines: Vec::new(),
            reader: None,
            source: None,
            clock: Arc::new(SystemClock),
            random: Arc::new(OsRandom),
            host: Arc::new(SystemHost),
            hook: Arc::new(NoHook),
        }
    }

    /// What would happen to a stack: the same stages, no effect (P23).
    ///
    /// # Errors
    /// The manifest is not valid, or an object could not be read.
    pub async fn plan_stack(&self, stack: &DevStack, options: &StackOptions) -> Result<PlanReport, PlanError> {
        report::report(&self.context, stack, options).await
    }

    /// The workloads as Pods.
    pub fn mirror(&self) -> Mirror {
        Mirror::new(Arc::clone(&self.context))
    }

    /// What went through the gateway so far (PERF-70).
    pub fn tally(&self) -> Tally {
        self.context.gateway.tally()
    }

    /// True when no reconcile waits or runs; delays may be pending.
    pub fn is_idle(&self) -> bool {
        self.context.wake.is_idle()
    }

    /// Runs until dropped. It returns only when a task ended by itself, and the process has to end with exit 70 (REL-2).
    pub async fn run(&self) -> RunError {
        if let Ok(services) = self.context.reader.services(None).await {
            self.context.arbiter.rebuild(services.iter().map(AsRef::as_ref));
            self.context.arbiter.rebuild_engines(services.iter().map(AsRef::as_ref), &self.context.instance);
        }
        let mut tasks: JoinSet<String> = JoinSet::new();
        for kind in WatchedKind::ALL {
            let (context, source) = (Arc::clone(&self.context), Arc::clone(&self.source));
            tasks.spawn(async move {
                let mut changes = source.changes(kind);
                while let Some(change) = changes.next().await {
                    route(&context, &change);
                }
                format!("watch of {kind:?}")
            });
        }
        for engine in self.context.pool.names() {
            let (pool, wake) = (Arc::clone(&self.context.pool), self.context.wake.clone());
            tasks.spawn(async move {
                pool.follow(engine, wake).await;
                format!("watch of {engine:?}")
            });
        }
        self.context.wake.now(Key::new(Kind::Collector, "", "orphans"));
        let reconciler = Arc::new(Dispatch::new(Arc::clone(&self.context)));
        let runner = Runner::new(self.context.wake.clone(), Arc::clone(&self.context.random), reconciler);
        tokio::select! {
            biased;
            effect = self.context.gateway.was_cut() => RunError::Cut { effect },
            error = runner.run() => error,
            Some(ended) = tasks.join_next() => RunError::TaskEnded { task: ended.unwrap_or_else(|error| error.to_string()) },
        }
    }
}

/// Turns a change into reconciles: of the object itself, and of everyone who read it.
fn route(context: &Context, change: &Change) {
    let Change { kind, namespace, name, version, gone } = change;
    let own = match kind {
        WatchedKind::Stack => Some(Key::stack(namespace, name)),
        WatchedKind::Service => Some(Key::service(namespace, name)),
        WatchedKind::Secret | WatchedKind::ConfigMap => None,
    };
    if let Some(key) = own {
        if *gone {
            context.wake.forget(&key);
            context.wake.now(key);
        } else {
            context.wake.changed(key, version);
        }
    }
    for reader in context.interests.of(&Target::new(*kind, namespace, name)) {
        match reader.kind {
            Kind::Stack => context.wake.changed_after(reader, version, COALESCE),
            Kind::Service | Kind::Probe | Kind::Engine | Kind::Collector => context.wake.changed(reader, version),
        }
    }
}

impl Builder {
    /// Engines, in the order of their registry.
    #[must_use]
    pub fn engines(self, engines: Vec<Arc<dyn Engine>>) -> Self {
        Self { engines, ..self }
    }

    /// Where objects are read; by default over the client.
    #[must_use]
    pub fn reader(self, reader: Arc<dyn Reader>) -> Self {
        Self { reader: Some(reader), ..self }
    }

    /// Where changes come from; by default watches over the client.
    #[must_use]
    pub fn source(self, source: Arc<dyn Source>) -> Self {
        Self { source: Some(source), ..self }
    }

    /// The time.
    #[must_use]
    pub fn clock(self, clock: Arc<dyn Clock>) -> Self {
        Self { clock, ..self }
    }

    /// Randomness for jitter and generated credentials.
    #[must_use]
    pub fn random(self, random: Arc<dyn Random>) -> Self {
        Self { random, ..self }
    }

    /// The host.
    #[must_use]
    pub fn host(self, host: Arc<dyn Host>) -> Self {
        Self { host, ..self }
    }

    /// A hook on each effect, for a simulator.
    #[must_use]
    pub fn hook(self, hook: Arc<dyn Hook>) -> Self {
        Self { hook, ..self }
    }

    /// Wires the rooms.
    pub fn build(self) -> Controllers {
        let wake = Wake::default();
        let gateway = Arc::new(Gateway::new(self.client.clone(), wake.clone(), self.hook));
        let events = Recorder::new(Arc::clone(&gateway), Arc::clone(&self.clock), self.instance.clone());
        let reader = self.reader.unwrap_or_else(|| Arc::new(ApiReader::new(self.client.clone())));
        let source = self.source.unwrap_or_else(|| Arc::new(ApiSource::new(self.client)));
        let context = Context {
            pool: Arc::new(Pool::new(self.engines, self.instance.clone())),
            instance: self.instance,
            reader,
            gateway,
            prober: self.prober,
            recipes: self.recipes,
            clock: self.clock,
            random: self.random,
            host: self.host,
            wake,
            interests: Interests::default(),
            boots: Boots::default(),
            arbiter: Arbiter::default(),
            board: Board::default(),
            relays: Relays::default(),
            restarts: Restarts::default(),
            told: Told::default(),
            asks: Asks::default(),
            events,
            collector: Collector::default(),
        };
        Controllers { context: Arc::new(context), source }
    }
}
