//! Runs the steps of a plan in order through the gateway; values are resolved just before the step that needs them.
//!
//! A step whose predecessor is not done is left out, and so is the making of a workload ahead of its gates while others start;
//! its service is woken for it. What several services of a stack ask for (networks) is made once: the
//! second asker waits for the first and finds it there.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use koan_core::conclude::StepOutcome;
use koan_core::inventory::WorkloadState;
use koan_core::outcome::{Failure, Outcome};
use koan_core::step::{Plan, Step, StepAction, StepId};
use koan_core::text::Values;
use koan_core::workload::WorkloadSpec;
use koan_crds::v1alpha1::{EngineName, FailureClass, ServiceSpec};
use koan_crds::vocabulary::Reason;
use koan_engines::Engine;
use kube::ResourceExt;

use crate::context::Context;
use crate::injection::{of_workload, resolve, vantage};
use crate::pool::Room;
use crate::runtime::{Key, Kind};

/// An engine is listed so soon after a start.
const LOOK_AFTER_START: Duration = Duration::from_millis(100);

/// Runs a plan on one engine; one outcome per step that was sent.
///
/// `workloads` are the desired ones: a start needs the values of its workload, whose files are made anew (DET-24).
pub(crate) async fn apply(
    context: &Context,
    object: &ServiceSpec,
    engine: EngineName,
    plan: &Plan,
    workloads: &[WorkloadSpec],
) -> Vec<StepOutcome> {
    let Some(engine) = context.pool.engine(engine).map(Arc::clone) else { return Vec::new() };
    let (ahead, wake) = (context.pool.ahead(), &context.wake);
    let _starting = plan.starts().then(|| ahead.start(engine.id(), wake));
    let mut outcomes = Vec::new();
    let mut done: BTreeSet<StepId> = BTreeSet::new();
    for step in &plan.steps {
        if !step.depends_on.iter().all(|before| done.contains(before)) {
            continue;
        }
        assert!(is_of(step, object), "{}: a step of another object than {} (P9)", step.object, object.name_any());
        let turn = if plan.is_ahead() && matches!(step.action, StepAction::Create(_)) {
            let key = Key::service(&object.namespace().unwrap_or_default(), &object.name_any());
            let Some(turn) = ahead.make(engine.id(), &key, wake) else { break };
            Some(turn)
        } else {
            None
        };
        let room = room(context, object, engine.id(), step).await;
        let outcome = match values(context, object, step, workloads).await {
            Ok(values) => send(context, engine.as_ref(), step, &values).await,
            Err(failure) => Outcome::Failed(failure),
        };
        drop((turn, room));
        if matches!(outcome, Outcome::Done(_)) {
            done.insert(step.id);
        }
        outcomes.push(StepOutcome { step: step.clone(), outcome });
    }
    assert!(done.len() <= outcomes.len(), "more steps are done than were sent");
    outcomes
}

/// A workload that a step makes or moves belongs to the object; networks and volumes may be shared.
fn is_of(step: &Step, object: &ServiceSpec) -> bool {
    let owner = match &step.action {
        StepAction::Create(spec) => &spec.owner,
        StepAction::Start(reference) | StepAction::Stop { object: reference, .. } | StepAction::Remove(reference) => {
            &reference.owner
        }
        StepAction::EnsureNetwork(_)
        | StepAction::EnsureVolume(_)
        | StepAction::EnsureImage(_)
        | StepAction::RemoveNetwork(_)
        | StepAction::RemoveVolume { .. } => return true,
    };
    Some(&owner.uid.0) == object.metadata.uid.as_ref()
}

/// A start waits until those with more behind them are under way (PERF-84).
async fn room(context: &Context, object: &ServiceSpec, engine: EngineName, step: &Step) -> Option<Room> {
    if !matches!(step.action, StepAction::Start(_)) {
        return None;
    }
    let key = Key::service(&object.namespace().unwrap_or_default(), &object.name_any());
    let path = context.interests.path(&key).unwrap_or_default();
    Some(context.pool.ahead().room(engine, path).await)
}

async fn values(context: &Context, object: &ServiceSpec, step: &Step, workloads: &[WorkloadSpec]) -> Result<Values, Failure> {
    let workload = match &step.action {
        StepAction::Create(spec) => Some(spec.as_ref()),
        StepAction::Start(started) => workloads.iter().find(|spec| spec.object == started.name),
        StepAction::EnsureNetwork(_)
        | StepAction::EnsureVolume(_)
        | StepAction::EnsureImage(_)
        | StepAction::Stop { .. }
        | StepAction::Remove(_)
        | StepAction::RemoveNetwork(_)
        | StepAction::RemoveVolume { .. } => None,
    };
    let Some(workload) = workload else { return Ok(Values::default()) };
    resolve(context, object, of_workload(workload), vantage(&workload.run)).await.map_err(|error| Failure {
        class: FailureClass::Transient,
        reason: Reason::ProvisionFailed,
        message: error.to_string(),
        remedy: None,
    })
}

/// Sends one step and takes its reply into the inventory (PERF-80).
async fn send(context: &Context, engine: &dyn Engine, step: &Step, values: &Values) -> Outcome {
    let name = engine.id();
    let turn = match &step.action {
        StepAction::EnsureNetwork(network) => {
            let turn = context.pool.turn(&network.name).await;
            let known = context.pool.known(name);
            let made = known.and_then(|inventory| {
                let same = |known: &&koan_core::inventory::NetworkRecord| {
                    known.name == network.name && known.owner.uid == network.owner.uid
                };
                let mut found = inventory.networks.iter().filter(same).map(|known| known.id.clone());
                // Of several the engine keeps one.
                found.next().filter(|_| found.next().is_none())
            });
            if let Some(id) = made {
                return Outcome::Done(koan_core::outcome::Done { changed: false, id: Some(id), ..Default::default() });
            }
            Some(turn)
        }
        StepAction::EnsureVolume(_)
        | StepAction::EnsureImage(_)
        | StepAction::Create(_)
        | StepAction::Start(_)
        | StepAction::Stop { .. }
        | StepAction::Remove(_)
        | StepAction::RemoveNetwork(_)
        | StepAction::RemoveVolume { .. } => None,
    };
    note_restart(context, name, step);
    let outcome = context.gateway.step(engine, step, values).await;
    context.pool.stepped(name, step, &outcome, context.clock.now());
    if matches!(step.action, StepAction::Start(_)) {
        // The reply of a start may come after the end of what it started: a short job, or one that failed at once.
        context.wake.after(Key::new(Kind::Engine, "", &format!("{name:?}")), LOOK_AFTER_START);
    }
    drop(turn);
    outcome
}

/// A start of a workload that had ended counts as a restart.
fn note_restart(context: &Context, engine: EngineName, step: &Step) {
    let StepAction::Start(object) = &step.action else { return };
    let Some(inventory) = context.pool.known(engine) else { return };
    let ended = inventory.workloads.iter().any(|record| {
        record.name == object.name && record.owner.uid == object.owner.uid && record.state == WorkloadState::Exited
    });
    if ended && !step.cause.contains("was asked for") {
        context.restarts.note(&object.owner.uid);
    }
}
