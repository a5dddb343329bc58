//! Whether a workload of a service runs, and where: its ports are its own then.

use koan_core::decide::EngineVerdict;
use koan_core::inventory::WorkloadState;
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::EngineName;

use super::visit::Visit;
use crate::arbiter::is_contested;

/// The engine that holds a workload of this service by its status, whatever was decided since.
pub(super) fn held(visit: &Visit<'_>) -> Option<EngineName> {
    let workload = visit.status.workload.as_ref()?;
    workload.id.as_ref().map(|_| workload.engine)
}

/// After a restart nothing is known yet: the engine is asked first, so that a port that our own workload holds is not taken for
/// somebody else's (REL-32). It is the chosen one where the status is older than its workload and names none.
///
/// Where a promised port is held although nothing of ours was seen to run, what we started may have landed after the list: it
/// is asked for again.
pub(super) async fn is_running(visit: &Visit<'_>, service: &ValidService) -> bool {
    let chosen = match visit.facts.engine {
        EngineVerdict::Selected { engine, .. } if !visit.status.ports.is_empty() => Some(engine),
        _ => None,
    };
    let Some(engine) = held(visit).or(chosen) else { return runs(visit, service) };
    let pool = &visit.context.pool;
    let mut seen = pool.inventory(engine).await.map(drop);
    if seen.is_ok() && !runs(visit, service) && is_contested(&visit.facts.ports, visit.context.host.as_ref()) {
        seen = pool.relist(engine).await.map(drop);
    }
    if let Err(error) = seen {
        // What cannot be seen may run: its ports stay its own (L-1).
        tracing::debug!(key = %visit.key, "no inventory: {error}");
        return true;
    }
    runs(visit, service)
}

/// A workload of this service runs, as the engines were last seen.
fn runs(visit: &Visit<'_>, service: &ValidService) -> bool {
    visit.context.pool.names().filter_map(|name| visit.context.pool.known(name)).any(|inventory| {
        let own = inventory.workloads.iter().filter(|record| record.owner.uid == service.uid);
        own.into_iter()
            .any(|record| matches!(record.state, WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting))
    })
}
