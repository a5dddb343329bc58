//! The engine of a stack: asked for lazily, chosen by core, promised by the arbiter (ENG-3).

use std::collections::BTreeMap;

use koan_core::decide::Decision;
use koan_core::decide::{EngineNeed, EngineRequest, EngineVerdict, choose_engine};
use koan_core::desired::engine_need;
use koan_core::validate::{ValidService, Workload, validate_service};
use koan_crds::labels;
use koan_crds::v1alpha1::{Action, EngineName, ProvisioningMode, ServiceSpec};
use koan_crds::vocabulary::{ConditionType, Reason};
use kube::ResourceExt;

use crate::context::Context;
use crate::reader::ReadError;

/// Chooses the engine of the stack that a service belongs to.
pub(crate) async fn choose(context: &Context, service: &ValidService, decision: &Decision) -> Result<EngineVerdict, ReadError> {
    let own = engine_need(service, decision);
    if own == EngineNeed::Nothing {
        return Ok(EngineVerdict::NotNeeded);
    }
    let owner = service.stack.as_ref().map_or(&service.uid, |stack| &stack.uid).0.clone();
    let siblings = siblings(context, service).await?;
    let mut needs: BTreeMap<String, EngineNeed> = siblings.iter().filter_map(|sibling| need_of(sibling, context)).collect();
    needs.insert(service.service.clone(), own);
    let holder = context.arbiter.engine(&owner).or_else(|| siblings.iter().find_map(|sibling| holder(sibling)));
    let mut request = EngineRequest { wish: service.engine.clone(), needs, holder, missing_programs: BTreeMap::new() };
    let infos = match request.holder {
        Some(holder) => context.pool.info(holder).await.into_iter().collect(),
        None => context.pool.infos().await,
    };
    request.missing_programs = missing_programs(context, &request);
    let mut verdict = choose_engine(&request, &infos, context.recipes);
    if let EngineVerdict::Selected { engine, evidence, .. } = &mut verdict
        && let Some(told) = siblings
            .iter()
            .find(|sibling| sibling.metadata.uid.as_ref() == Some(&service.uid.0))
            .and_then(|own| told(own, *engine))
    {
        *evidence = vec![told];
    }
    if let EngineVerdict::Selected { engine, .. } = &verdict
        && !owner.is_empty()
    {
        context.arbiter.promise_engine(&owner, *engine);
    }
    Ok(verdict)
}

/// The services of the same stack; a service that stands alone has none but itself.
async fn siblings(context: &Context, service: &ValidService) -> Result<Vec<std::sync::Arc<ServiceSpec>>, ReadError> {
    let Some(stack) = &service.stack else {
        let own = context.reader.service(&service.key.namespace, &service.key.name).await?;
        return Ok(own.into_iter().collect());
    };
    let Some(object) = context.reader.stack(&service.key.namespace, &stack.name).await? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for entry in object.spec.services.iter().filter(|entry| entry.service_ref.is_none()) {
        let name = koan_crds::names::service_spec(&stack.name, &entry.name);
        found.extend(context.reader.service(&service.key.namespace, &name).await?);
    }
    Ok(found)
}

/// Why the engine was chosen, as the status tells it already: the choice stands, and so do its words (B-6).
pub(crate) fn told(object: &ServiceSpec, engine: EngineName) -> Option<String> {
    let conditions = &object.status.as_ref()?.conditions;
    let chosen = conditions.iter().find(|condition| condition.type_ == ConditionType::EngineSelected.as_str())?;
    let selected = chosen.status == "True" && chosen.reason == Reason::Selected.as_str();
    let words = chosen.message.strip_prefix(&format!("{engine:?}: "))?;
    selected.then(|| words.to_owned())
}

/// What a sibling needs: by its decision where it has one, else by its manifest.
fn need_of(object: &ServiceSpec, context: &Context) -> Option<(String, EngineNeed)> {
    let service = validate_service(object, context.recipes).ok()?;
    let decided = object.status.as_ref().and_then(|status| status.decision.as_ref()).map(|decision| decision.action);
    let idle = service.mode == ProvisioningMode::Disabled || matches!(decided, Some(Action::UseHostService | Action::NoAction));
    let need = match &service.workload {
        _ if idle => EngineNeed::Nothing,
        Workload::External(_) => EngineNeed::Nothing,
        Workload::Container(_) => EngineNeed::Container,
        Workload::Process(_) => EngineNeed::Process,
        Workload::Recipe { .. } => EngineNeed::Recipe { adapter: service.adapter.clone().unwrap_or_default() },
    };
    let name = object.labels().get(labels::SERVICE).cloned().unwrap_or_else(|| object.name_any());
    Some((name, need))
}

/// The engine that holds a workload of this service already; a program of the host binds nobody else to its engine.
fn holder(object: &ServiceSpec) -> Option<EngineName> {
    let workload = object.status.as_ref()?.workload.as_ref()?;
    workload.id.as_ref()?;
    (object.spec.service.process.is_none()).then_some(workload.engine)
}

/// Programs that are missing on this machine, by adapter (ENG-17); looked for only where processes may be chosen.
fn missing_programs(context: &Context, request: &EngineRequest) -> BTreeMap<String, Vec<String>> {
    let adapters = request.needs.values().filter_map(|need| match need {
        EngineNeed::Recipe { adapter } => Some(adapter),
        EngineNeed::Container | EngineNeed::Process | EngineNeed::Nothing => None,
    });
    adapters
        .filter_map(|adapter| {
            let process = context.recipes.recipe(adapter)?.process.as_ref()?;
            let missing = process.programs.iter().filter(|program| context.host.program(program, process.folders).is_none());
            Some((adapter.clone(), missing.map(|program| (*program).to_owned()).collect()))
        })
        .collect()
}
