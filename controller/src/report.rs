//! `koan plan`: the same stages for a whole stack, without any effect.
//!
//! Nothing is written, promised or started (P23): a service that would get a credential is planned as if it were there, and
//! gates count as open, so that the plan shows what will happen in the end.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::{StreamExt, TryStreamExt, stream};
use koan_core::decide::{Decision, EngineVerdict, PortAllocation, PortFailure, avoid_refused, decide};
use koan_core::desired::{Desired, desired, engine_need, references};
use koan_core::facts::{Facts, GateVerdict, admit};
use koan_core::plan::{plan, plan_stack};
use koan_core::questions::questions;
use koan_core::step::Plan;
use koan_core::validate::{StackMember, StackOptions, ValidService, validate_service, validate_stack};
use koan_core::violation::{Violations, Warning};
use koan_crds::v1alpha1::{DevStack, ServiceSpec};
use kube::ResourceExt;

use crate::arbiter::{Arbiter, World};
use crate::context::Context;
use crate::gather;
use crate::reader::ReadError;

/// Services of a stack that are asked for at once; they wait on the network and nothing else.
const ASKED_AT_ONCE: usize = 64;

/// What would happen to a stack.
#[derive(Clone, Debug, PartialEq)]
pub struct PlanReport {
    /// One entry per inline service, in the manifest's order.
    pub services: Vec<ServicePlan>,
    /// The steps of all services, each shared one once.
    pub plan: Plan,
    /// What the user should know.
    pub warnings: Vec<Warning>,
}

/// What would happen to one service.
#[derive(Clone, Debug, PartialEq)]
pub struct ServicePlan {
    /// Name in the stack.
    pub service: String,
    /// The decision with its evidence.
    pub decision: Decision,
    /// The engine; the same for all services that need one.
    pub engine: EngineVerdict,
    /// Host ports, or why there are none to be had; `None` where nothing is provisioned.
    pub ports: Option<Result<PortAllocation, PortFailure>>,
    /// Steps of this service alone.
    pub plan: Plan,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The manifest is not valid.
    #[error("the stack is not valid: {0}")]
    Invalid(Violations),
    /// An object could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Plans a stack.
pub(crate) async fn report(context: &Context, stack: &DevStack, options: &StackOptions) -> Result<PlanReport, PlanError> {
    let valid = validate_stack(stack, options, context.recipes).map_err(PlanError::Invalid)?;
    // Promises of its own, so that nothing that is only shown is kept for anybody.
    let arbiter = Arbiter::default();
    arbiter.rebuild(context.reader.services(None).await?.iter().map(AsRef::as_ref));
    // Asked at once, so that who keeps silent is waited for once and not in turn (DET-13); ports are promised in the manifest's order.
    let members: Vec<_> = valid.members().map(|member| gathered(context, member)).collect();
    let gathered: Vec<_> = stream::iter(members).buffered(ASKED_AT_ONCE).try_collect().await?;
    let mut services = Vec::with_capacity(gathered.len());
    for found in gathered {
        services.push(planned(context, &arbiter, found).await?);
    }
    let plan = plan_stack(services.iter().map(|service| service.plan.clone()));
    let engines = services.iter().map(|planned| (planned.service.as_str(), planned));
    let engines: BTreeMap<&str, &ServicePlan> = engines.collect();
    let warnings = valid.warnings_on(|member| {
        let planned = engines.get(member.name.as_str())?;
        planned.engine.engine_for(&engine_need(&member.service, &planned.decision))
    });
    Ok(PlanReport { services, plan, warnings })
}

/// A service and what is known of it before anything is decided.
struct Gathered {
    /// Name in the stack.
    name: String,
    object: Arc<ServiceSpec>,
    service: ValidService,
    facts: Facts,
}

async fn gathered(context: &Context, member: &StackMember) -> Result<Gathered, PlanError> {
    let object = standing(context, &member.object).await?;
    let service = validate_service(&object, context.recipes).map_err(PlanError::Invalid)?;
    let mut facts = gather::facts(context, &object, &service).await?;
    admit(&service, &facts).map_err(PlanError::Invalid)?;
    if let Some(question) = questions(&service, &facts, context.recipes) {
        facts.probe = Some(gather::ask(context, &object, &service, &question).await?);
    }
    Ok(Gathered { name: member.name.clone(), object, service, facts })
}

async fn planned(context: &Context, arbiter: &Arbiter, found: Gathered) -> Result<ServicePlan, PlanError> {
    let Gathered { name, object, service, mut facts } = found;
    let decision = decide(&service, &facts, context.recipes);
    facts.engine = gather::choose(context, &service, &decision).await?;
    let engine = facts.engine.clone();
    if !decision.provisions() {
        return Ok(ServicePlan { service: name, decision, engine, ports: None, plan: Plan::default() });
    }
    let holding = object.status.as_ref().is_some_and(|status| status.workload.is_some());
    avoid_refused(&decision, &mut facts.ports);
    let world = World { host: context.host.as_ref(), now: context.clock.now() };
    let ports = arbiter.ports(&service, &mut facts.ports, holding, &world);
    let wanted = match &ports {
        Ok(ports) => desired(&service, &decision, ports, &facts, context.recipes),
        Err(_) => Desired::default(),
    };
    foresee(&mut facts, &wanted);
    let inventory = match wanted.engine {
        Some(engine) => context.pool.inventory(engine).await.ok().flatten(),
        None => None,
    };
    let plan = inventory.map(|inventory| plan(&service, &wanted, &inventory, &facts)).unwrap_or_default();
    Ok(ServicePlan { service: name, decision, engine, ports: Some(ports), plan })
}

/// The object as it would stand after the apply: with the identity and status of the one that is there.
async fn standing(context: &Context, rendered: &ServiceSpec) -> Result<Arc<ServiceSpec>, PlanError> {
    let namespace = rendered.namespace().unwrap_or_default();
    let Some(found) = context.reader.service(&namespace, &rendered.name_any()).await? else {
        return Ok(Arc::new(rendered.clone()));
    };
    let mut object = rendered.clone();
    object.metadata.uid.clone_from(&found.metadata.uid);
    object.metadata.owner_references.clone_from(&found.metadata.owner_references);
    let changed = found.spec != rendered.spec;
    object.metadata.generation = found.metadata.generation.map(|generation| generation + i64::from(changed));
    object.status.clone_from(&found.status);
    Ok(Arc::new(object))
}

/// Gates will open and values will be there.
fn foresee(facts: &mut Facts, wanted: &Desired) {
    for gate in &mut facts.gates {
        gate.state = GateVerdict::Open;
    }
    for reference in wanted.workloads.iter().flat_map(references) {
        facts.versions.entry(reference.clone()).or_insert_with(|| "to come".to_owned());
    }
}
