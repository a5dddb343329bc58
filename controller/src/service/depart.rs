//! The last visits of a service that is being deleted.

use koan_core::conclude::{Deletion, ServiceInput, StepOutcome, conclude_service};
use koan_core::desired::Ownership;
use koan_core::validate::validate_service;
use koan_crds::labels;
use koan_crds::v1alpha1::EngineName;
use koan_crds::vocabulary::Reason;

use super::cleanup::{self, Left, Taken};
use super::visit::Visit;
use super::{VisitError, forget};
use crate::publish::next;
use crate::runtime::Next;

/// Takes the service down; ends with the finalizer, or says what is in the way.
pub(super) async fn depart(visit: &mut Visit<'_>) -> Result<Next, VisitError> {
    let context = visit.context;
    let service = koan_core::identity::ServiceKey { namespace: visit.key.namespace.clone(), name: visit.key.name.clone() };
    context.board.leave(&service, &context.wake);
    let mut taken = Taken::default();
    let left = cleanup::take_down(context, &visit.object, &mut taken).await;
    tell(visit, taken).await?;
    match left {
        Left::Nothing => {
            cleanup::drop_credential(context, &visit.object).await?;
            visit.subject.release().await?;
            forget(context, visit.key, Some(&visit.subject.identity.uid.clone()));
            Ok(Next::Rest)
        }
        Left::Some(outcomes) => match cleanup::first_failure(&outcomes) {
            Some(failure) if failure.reason == Reason::ForeignResource || failure.reason == Reason::EngineUnreachable => {
                let deletion = Deletion::Blocked { reason: failure.reason, message: failure.message.clone() };
                conclude(visit, &deletion, &[]).await
            }
            Some(failure) => {
                tracing::debug!(key = %visit.key, "clean-up goes on: {}", failure.message);
                Ok(Next::Backoff)
            }
            // What is in use goes once its user has gone, which nobody tells a service that is not its owner.
            None => match conclude(visit, &Deletion::Running, &[]).await? {
                Next::Rest => Ok(Next::Backoff),
                sooner => Ok(sooner),
            },
        },
        Left::Engine { engine, message } => {
            let message = format!(
                "{message}; it still holds {}; start {engine:?} again, or remove the finalizer koan.dev/cleanup to give them up",
                held(visit, engine)
            );
            conclude(visit, &Deletion::Blocked { reason: Reason::EngineUnreachable, message }, &[]).await
        }
    }
}

/// What the engine held of the service when it last answered, by exact ids (L-6); without that, how to find it.
fn held(visit: &Visit<'_>, engine: EngineName) -> String {
    let own = Ownership::of_object(&visit.object, &visit.context.instance);
    let seen = visit.context.pool.last_seen(engine).map(|seen| cleanup::held(&seen, &own)).unwrap_or_default();
    if !seen.is_empty() {
        return seen.join(", ");
    }
    let workload = visit.status.workload.as_ref().and_then(|workload| workload.id.as_deref());
    let workload = workload.map(|id| format!("workload {id} and ")).unwrap_or_default();
    format!("{workload}what carries the label {}={}", labels::OWNER_UID, visit.subject.identity.uid)
}

/// Says which volumes went and which stay; nothing where nothing was taken down.
async fn tell(visit: &mut Visit<'_>, taken: Taken) -> Result<(), VisitError> {
    if taken.outcomes.is_empty() {
        return Ok(());
    }
    visit.facts.retained = taken.volumes;
    conclude(visit, &Deletion::Running, &taken.outcomes).await?;
    Ok(())
}

async fn conclude(visit: &mut Visit<'_>, deletion: &Deletion, outcomes: &[StepOutcome]) -> Result<Next, VisitError> {
    let recipes = visit.context.recipes;
    let valid = validate_service(&visit.object, recipes);
    let status = visit.status.clone();
    let verdict = conclude_service(&ServiceInput {
        generation: visit.object.metadata.generation.unwrap_or_default(),
        valid: valid.as_ref(),
        facts: &visit.facts,
        decision: None,
        ports: None,
        desired: None,
        inventory: None,
        outcomes,
        deletion: Some(deletion),
        panic: None,
        recipes,
        old: &status,
        began: &visit.began,
        now: visit.context.clock.now(),
    });
    let requeue = verdict.requeue;
    visit.publish(verdict).await?;
    Ok(next(requeue))
}
