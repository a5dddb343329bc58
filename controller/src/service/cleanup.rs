//! Deletion of a service: workloads by id, the network with the last of the stack, volumes only by S-2, then the finalizer.
//!
//! Guarantees: works on objects that were never valid, never applied or half applied; the finalizer goes only after each
//! owned effect is confirmed absent (S-7); where the engine is gone, the object says so and names what is left (L-6).

use std::collections::BTreeSet;

use koan_core::conclude::StepOutcome;
use koan_core::desired::Ownership;
use koan_core::identity::Owner;
use koan_core::inventory::{Inventory, VolumeRecord};
use koan_core::outcome::{Failure, Outcome};
use koan_core::plan::plan_deletion;
use koan_core::step::{DataEffect, Plan, StepAction};
use koan_crds::v1alpha1::{Action, EngineName, ServiceSpec};
use koan_crds::{labels, names};
use kube::ResourceExt;

use crate::apply::apply;
use crate::context::Context;
use crate::gateway::{ApiError, ApiKind, Identity};

/// Lists and plans of one clean-up: what a neighbour that left meanwhile uncovers goes in the second, the third finds nothing.
const ROUNDS: usize = 4;

/// What is left of a service.
#[derive(Debug)]
pub(super) enum Left {
    /// Nothing.
    Nothing,
    /// A step failed or waits: again later.
    Some(Vec<StepOutcome>),
    /// The engine does not answer.
    Engine {
        /// Which one.
        engine: EngineName,
        /// Why.
        message: String,
    },
}

/// What a visit took down.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Steps that were run, over all engines.
    pub(super) outcomes: Vec<StepOutcome>,
    /// Volumes of the service as they were found before.
    pub(super) volumes: Vec<VolumeRecord>,
}

/// Takes down what a service owns in its engines, and notes in `taken` what was done.
pub(super) async fn take_down(context: &Context, object: &ServiceSpec, taken: &mut Taken) -> Left {
    let own = Ownership::of_object(object, &context.instance);
    assert!(
        object.metadata.deletion_timestamp.is_some(),
        "{}: only what is being deleted is taken down (S-7)",
        own.owner.service
    );
    assert!(!own.owner.uid.0.is_empty() && !own.network_owner.uid.0.is_empty(), "an owner without a UID would own everything");
    let mut asked = engines(context, object, &own);
    if asked.is_empty() {
        asked = anywhere(context, object).await;
    }
    for engine in asked {
        match take_down_in(context, object, (engine, &own), taken).await {
            Left::Nothing => {}
            left => return left,
        }
    }
    Left::Nothing
}

/// Until a list shows nothing that would have to go: of two last services that leave at once, each sees the other's workload
/// first, and the network goes with whoever is the later one.
async fn take_down_in(
    context: &Context,
    object: &ServiceSpec,
    (engine, own): (EngineName, &Ownership),
    taken: &mut Taken,
) -> Left {
    for round in 0..ROUNDS {
        // An uncached list: what is destroyed is what is there.
        if let Err(error) = context.pool.relist(engine).await {
            return Left::Engine { engine, message: error.to_string() };
        }
        let Some(inventory) = context.pool.known(engine) else { return Left::Nothing };
        if round == 0 {
            taken.volumes.extend(volumes(&inventory, own).cloned());
        }
        let plan = plan_deletion(own, &inventory);
        assert!(inventory.engine == engine, "{engine:?} was asked and {:?} answered", inventory.engine);
        check(own, &plan);
        if plan.steps.is_empty() {
            match context.collector.sweep(context, &own.owner, &inventory).await {
                Ok(None) => return Left::Nothing,
                Ok(Some(true)) => continue,
                Ok(Some(false)) | Err(_) => return Left::Some(Vec::new()),
            }
        }
        let outcomes = apply(context, object, engine, &plan, &[]).await;
        assert!(outcomes.len() <= plan.steps.len(), "more was done than was planned");
        taken.outcomes.extend(outcomes.iter().cloned());
        if outcomes.len() < plan.steps.len() || outcomes.iter().any(|step| !matches!(step.outcome, Outcome::Done(_))) {
            return Left::Some(outcomes);
        }
    }
    Left::Some(Vec::new())
}

/// A clean-up takes down and makes nothing; data go only where the object says so (S-2).
fn check(own: &Ownership, plan: &Plan) {
    for step in &plan.steps {
        let subject = &step.object;
        let mut makes = false;
        assert!(own.deletes_volumes || step.data_effect == DataEffect::None, "{subject}: its data were to stay (S-2)");
        match &step.action {
            StepAction::Stop { object, .. } | StepAction::Remove(object) => {
                assert!(object.owner.uid == own.owner.uid, "{subject}: it belongs to {} (S-3)", object.owner.uid);
            }
            StepAction::RemoveNetwork(object) => {
                assert!(object.owner.uid == own.network_owner.uid, "{subject}: it belongs to {} (S-3)", object.owner.uid);
            }
            StepAction::RemoveVolume { object, .. } => {
                let place =
                    |owner: &Owner| (owner.instance.clone(), owner.namespace.clone(), owner.stack.clone(), owner.service.clone());
                assert!(place(&object.owner) == place(&own.owner), "{subject}: it holds the data of another service (S-3)");
            }
            StepAction::Start(_)
            | StepAction::Create(_)
            | StepAction::EnsureImage(_)
            | StepAction::EnsureVolume(_)
            | StepAction::EnsureNetwork(_) => makes = true,
        }
        assert!(!makes, "{subject}: a clean-up makes nothing");
    }
}

/// Engines that may hold something of the service: the one that its status promises, and the stack's.
fn engines(context: &Context, object: &ServiceSpec, own: &Ownership) -> BTreeSet<EngineName> {
    let status = object.status.as_ref().and_then(|status| status.workload.as_ref()).map(|workload| workload.engine);
    let promised = context.arbiter.engine(&own.network_owner.uid.0);
    let known = context.pool.names().filter(|name| {
        context
            .pool
            .known(*name)
            .is_some_and(|inventory| inventory.workloads.iter().any(|record| record.owner.uid == own.owner.uid))
    });
    let found: BTreeSet<EngineName> = status.into_iter().chain(promised).chain(known).collect();
    found.into_iter().filter(|name| context.pool.engine(*name).is_some()).collect()
}

/// Nothing says where the service ran, though it may have: every engine that answers is asked.
async fn anywhere(context: &Context, object: &ServiceSpec) -> BTreeSet<EngineName> {
    let decision = object.status.as_ref().and_then(|status| status.decision.as_ref());
    if decision.is_none_or(|decision| decision.action != Action::ProvisionContainer) {
        return BTreeSet::new();
    }
    let infos = context.pool.infos().await;
    infos.into_iter().filter(|info| info.available).map(|info| info.engine).collect()
}

/// The credentials Secret follows its volume (DET-22): it goes when no volume of the service is left.
pub(super) async fn drop_credential(context: &Context, object: &ServiceSpec) -> Result<(), ApiError> {
    let own = Ownership::of_object(object, &context.instance);
    let keeps = engines(context, object, &own)
        .into_iter()
        .filter_map(|engine| context.pool.known(engine))
        .any(|inventory| volumes(&inventory, &own).next().is_some());
    if keeps {
        return Ok(());
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = names::credentials_secret(&object.name_any());
    // The cache says whether a read is worth it; the uncached read decides.
    let cached = context.reader.secret(&namespace, &name).await.ok().flatten();
    if cached.is_none() {
        return Ok(());
    }
    let Some(secret) = context.gateway.read(ApiKind::Secret, &namespace, &name).await? else { return Ok(()) };
    let labels = secret.metadata.labels.clone().unwrap_or_default();
    let ours =
        labels.get(labels::INSTANCE) == Some(&context.instance.0) && labels.get(labels::SERVICE) == Some(&own.owner.service);
    if !ours {
        return Ok(());
    }
    let identity = Identity::of(&secret);
    assert!(identity.namespace == namespace && identity.name == name, "another Secret was read than {namespace}/{name}");
    context.gateway.delete(ApiKind::Secret, labels::MANAGER_SERVICE, &identity).await
}

/// What an engine holds of a service and would give up, in words with the exact ids.
pub(super) fn held(inventory: &Inventory, own: &Ownership) -> Vec<String> {
    let plan = plan_deletion(own, inventory);
    let gone = plan.steps.iter().filter_map(|step| match &step.action {
        StepAction::Remove(object) => Some(("workload", object)),
        StepAction::RemoveNetwork(object) => Some(("network", object)),
        StepAction::RemoveVolume { .. }
        | StepAction::Stop { .. }
        | StepAction::Start(_)
        | StepAction::Create(_)
        | StepAction::EnsureImage(_)
        | StepAction::EnsureVolume(_)
        | StepAction::EnsureNetwork(_) => None,
    });
    let named = gone.map(|(kind, object)| {
        let id = object.id.as_ref().map(|id| format!(" ({})", id.0)).unwrap_or_default();
        format!("{kind} {}{id}", object.name)
    });
    named.chain(volumes(inventory, own).map(|volume| format!("volume {}", volume.name))).collect()
}

fn volumes<'a>(inventory: &'a Inventory, own: &'a Ownership) -> impl Iterator<Item = &'a VolumeRecord> {
    inventory.volumes.iter().filter(|volume| {
        volume.owner.namespace == own.owner.namespace
            && volume.owner.stack == own.owner.stack
            && volume.owner.service == own.owner.service
    })
}

/// The first failure among outcomes.
pub(super) fn first_failure(outcomes: &[StepOutcome]) -> Option<&Failure> {
    outcomes.iter().find_map(|step| match &step.outcome {
        Outcome::Failed(failure) => Some(failure),
        Outcome::Done(_) | Outcome::Waiting { .. } => None,
    })
}
