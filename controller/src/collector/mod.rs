//! Removes what nobody owns any more: containers and networks of this instance whose owner is gone (REL-30).
//!
//! Guarantees: an object goes only after two sightings at least 30 s apart without a live owner, an uncached read of that
//! owner, and by id. Volumes are exempt (S-2); objects of another instance are never seen here (REL-33).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use koan_core::identity::{ObjectId, Owner, Uid};
use koan_core::inventory::{Inventory, WorkloadState};
use koan_core::outcome::Outcome;
use koan_core::step::{DataEffect, ObjectRef, Step, StepAction, StepId};
use koan_core::text::Values;
use koan_crds::events::Event;
use koan_crds::names;
use koan_crds::v1alpha1::EngineName;
use kube::ResourceExt;
use tokio::time::Instant;

use crate::context::Context;
use crate::events::About;
use crate::gateway::ApiKind;
use crate::reader::ReadError;
use crate::runtime::Next;

/// Time between the two sightings.
const SIGHTINGS_APART: Duration = Duration::from_secs(30);
/// Time between runs once the first two are over.
const EVERY: Duration = Duration::from_secs(300);
/// Time between TERM and KILL of an orphan.
const GRACE: Duration = Duration::from_secs(10);

/// An object of an engine without a live owner.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Orphan {
    engine: EngineName,
    object: ObjectRef,
    network: bool,
    running: bool,
}

/// Memory of sightings; losing it delays a removal by one run.
#[derive(Default)]
pub(crate) struct Collector {
    sightings: Mutex<BTreeMap<(EngineName, ObjectId), Instant>>,
    /// The run at start is over.
    begun: AtomicBool,
}

impl Collector {
    /// One run over all engines that answer.
    pub(crate) async fn run(&self, context: &Context) -> Next {
        let live = match live_owners(context).await {
            Ok(live) => live,
            Err(error) => {
                tracing::debug!("collector: {error}");
                return Next::Backoff;
            }
        };
        let mut found = Vec::new();
        for engine in context.pool.names().collect::<Vec<_>>() {
            if let Some(inventory) = inventory(context, engine).await {
                found.extend(orphans(&inventory, &live));
            }
        }
        let (due, seen_before) = self.sight(&found);
        for orphan in due {
            self.collect(context, &orphan).await;
        }
        // The run after the one at start comes soon in any case: what a killed process had sent may land only now.
        let first = !self.begun.swap(true, Ordering::Relaxed);
        Next::After(if seen_before && !first { EVERY } else { SIGHTINGS_APART })
    }

    /// Workloads of a stack whose services are gone already, for the last service, which takes the network with it: what landed
    /// late would keep it (S-7). No second sighting is waited for: their stack is being left. `None` where there are none, else
    /// whether all of them went.
    pub(crate) async fn sweep(&self, context: &Context, own: &Owner, inventory: &Inventory) -> Result<Option<bool>, ReadError> {
        let live = live_owners(context).await?;
        let of_stack = |orphan: &&Orphan| {
            let owner = &orphan.object.owner;
            !orphan.network && own.stack.is_some() && (&owner.namespace, &owner.stack) == (&own.namespace, &own.stack)
        };
        let mut swept = None;
        for orphan in orphans(inventory, &live).iter().filter(of_stack) {
            let went = self.collect(context, orphan).await;
            swept = Some(swept.unwrap_or(true) && went);
        }
        Ok(swept)
    }

    /// Notes sightings; those that are old enough, and whether the collector may rest.
    fn sight(&self, found: &[Orphan]) -> (Vec<Orphan>, bool) {
        let now = Instant::now();
        let mut sightings = self.sightings.lock().unwrap_or_else(PoisonError::into_inner);
        let ids: BTreeSet<(EngineName, ObjectId)> = found.iter().filter_map(identity).collect();
        sightings.retain(|id, _| ids.contains(id));
        let mut due = Vec::new();
        let mut waiting = false;
        for orphan in found {
            let Some(id) = identity(orphan) else { continue };
            let first = *sightings.entry(id).or_insert(now);
            assert!(first <= now, "{} was sighted in the future", orphan.object.name);
            if now.duration_since(first) >= SIGHTINGS_APART {
                due.push(orphan.clone());
            } else {
                waiting = true;
            }
        }
        assert!(sightings.len() <= found.len(), "sightings are kept of what is gone");
        assert!(due.iter().all(|orphan| found.contains(orphan)), "what is not there cannot be due");
        (due, !waiting)
    }

    /// Removes an orphan after an uncached read of its owner; whether it is gone.
    async fn collect(&self, context: &Context, orphan: &Orphan) -> bool {
        let owner = &orphan.object.owner;
        assert!(owner.instance == context.instance, "{}: an object of another instance is not ours (REL-33)", orphan.object.name);
        assert!(orphan.object.id.is_some(), "{}: an orphan goes by its id (REL-30)", orphan.object.name);
        match owner_lives(context, owner).await {
            Ok(false) => {}
            Ok(true) | Err(_) => return false,
        }
        let Some(engine) = context.pool.engine(orphan.engine).map(Arc::clone) else { return false };
        for step in steps(orphan) {
            let outcome = context.gateway.step(engine.as_ref(), &step, &Values::default()).await;
            context.pool.stepped(orphan.engine, &step, &outcome, context.clock.now());
            if !matches!(outcome, Outcome::Done(_)) {
                tracing::debug!(object = %orphan.object.name, "orphan not removed: {outcome:?}");
                return false;
            }
        }
        let message = format!("Removed {} ({}), whose owner {} is gone", orphan.object.name, id_text(orphan), owner.uid);
        let about = About {
            kind: if owner.service.is_empty() { ApiKind::DevStack } else { ApiKind::ServiceSpec },
            namespace: owner.namespace.clone(),
            name: owner_name(owner),
            uid: owner.uid.0.clone(),
        };
        context.events.emit(Event::OrphanCollected, false, &about, &message).await;
        true
    }
}

async fn inventory(context: &Context, engine: EngineName) -> Option<Arc<Inventory>> {
    let known = context.pool.known(engine).is_some();
    if !known && !context.pool.info(engine).await.is_some_and(|info| info.available) {
        return None;
    }
    context.pool.inventory(engine).await.ok().flatten()
}

async fn live_owners(context: &Context) -> Result<BTreeSet<Uid>, ReadError> {
    let services = context.reader.services(None).await?;
    let stacks = context.reader.stacks(None).await?;
    let uids = services.iter().filter_map(|object| object.uid()).chain(stacks.iter().filter_map(|object| object.uid()));
    Ok(uids.map(Uid).collect())
}

fn identity(orphan: &Orphan) -> Option<(EngineName, ObjectId)> {
    Some((orphan.engine, orphan.object.id.clone()?))
}

fn id_text(orphan: &Orphan) -> &str {
    orphan.object.id.as_ref().map_or("no id", |id| id.0.as_str())
}

/// Containers first, then networks.
fn orphans(inventory: &Inventory, live: &BTreeSet<Uid>) -> Vec<Orphan> {
    let workloads = inventory.workloads.iter().filter(|record| !live.contains(&record.owner.uid)).map(|record| Orphan {
        engine: inventory.engine,
        object: ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() },
        network: false,
        running: matches!(record.state, WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting),
    });
    let networks = inventory.networks.iter().filter(|record| !live.contains(&record.owner.uid)).map(|record| Orphan {
        engine: inventory.engine,
        object: ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() },
        network: true,
        running: false,
    });
    workloads.chain(networks).collect()
}

/// Never a volume: what its service kept, nobody collects (S-2).
fn steps(orphan: &Orphan) -> Vec<Step> {
    let object = || orphan.object.clone();
    let actions = match (orphan.network, orphan.running) {
        (true, _) => vec![StepAction::RemoveNetwork(object())],
        (false, true) => vec![StepAction::Stop { object: object(), grace: GRACE }, StepAction::Remove(object())],
        (false, false) => vec![StepAction::Remove(object())],
    };
    let step = |(number, action): (u32, StepAction)| {
        assert!(action.data_effect() == DataEffect::None, "{}: a collector deletes no data (S-2)", orphan.object.name);
        Step {
            id: StepId(number),
            evidence: vec![format!("owner UID {}", orphan.object.owner.uid)],
            ..Step::alone(&orphan.object.name, "its owner is gone", action)
        }
    };
    (0..).zip(actions).map(step).collect()
}

fn owner_name(owner: &Owner) -> String {
    match &owner.stack {
        Some(stack) if owner.service.is_empty() => stack.clone(),
        Some(stack) => names::service_spec(stack, &owner.service),
        None => owner.service.clone(),
    }
}

/// Uncached: does an object of that name and UID exist? Networks belong to a stack, the rest to a `ServiceSpec`.
async fn owner_lives(context: &Context, owner: &Owner) -> Result<bool, crate::gateway::ApiError> {
    let kind = if owner.service.is_empty() { ApiKind::DevStack } else { ApiKind::ServiceSpec };
    assert!(!owner.uid.0.is_empty(), "an owner without a UID would be nobody, whoever lives");
    let found = context.gateway.read(kind, &owner.namespace, &owner_name(owner)).await?;
    Ok(found.is_some_and(|object| object.metadata.uid.as_deref() == Some(owner.uid.0.as_str())))
}
