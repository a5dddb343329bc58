//! How containers of the stack reach a host service: directly, or by a relay (DET-31).

use std::net::IpAddr;

use koan_core::decide::{Decision, EngineVerdict, PortAllocation, decide};
use koan_core::desired::desired;
use koan_core::facts::{Facts, ReachFacts};
use koan_core::identity::ServiceKey;
use koan_core::inventory::Inventory;
use koan_core::probe::Address;
use koan_core::step::{NetworkSpec, Plan, Step, StepAction};
use koan_core::validate::{ValidService, Workload, validate_service};
use koan_crds::events::Event;
use koan_crds::names;
use koan_crds::v1alpha1::{Action, EngineName, ServiceSpec};

use crate::apply::apply;
use crate::context::Context;
use crate::events::About;
use crate::loopback::is_loopback;
use crate::reader::ReadError;

/// Finds the way from a container of the stack to the service of a decision that Koan does not run; opens a relay where it takes one.
///
/// Nothing is looked for unless a container of the stack refers to the service.
pub(super) async fn reach(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
    decision: &Decision,
    about: &About,
) -> Result<ReachFacts, ReadError> {
    let address = match (decision.action, &decision.endpoint) {
        // What somebody else runs may stand on this host, too.
        (Action::UseHostService | Action::NoAction, Some(address)) => address.clone(),
        (Action::UseHostService | Action::NoAction, None) | (Action::ProvisionContainer, _) => {
            context.relays.close(&service.key);
            return Ok(ReachFacts::default());
        }
    };
    let Some(consumer) = consumer(context, object, service).await? else {
        context.relays.close(&service.key);
        return Ok(ReachFacts::default());
    };
    if !is_loopback(context, &address).await {
        return Ok(ReachFacts { stack: Some(address), unreachable_from_stack: false });
    }
    let owner = service.stack.as_ref().map_or(&service.uid, |stack| &stack.uid);
    let verdict = crate::gather::choose(context, &consumer, &decide(&consumer, &facts_for(context), context.recipes)).await?;
    let EngineVerdict::Selected { engine, .. } = verdict else { return Ok(ReachFacts::default()) };
    let rootless = context.pool.info(engine).await.is_some_and(|info| info.rootless);
    let unreachable = ReachFacts { stack: None, unreachable_from_stack: true };
    if rootless {
        return Ok(unreachable);
    }
    let Some(gateway) = gateway(context, object, &consumer, engine, &owner.0).await else { return Ok(unreachable) };
    let before =
        object.status.as_ref().and_then(|status| status.endpoints.as_ref()).and_then(|endpoints| endpoints.stack.clone());
    let preferred =
        before.and_then(|text| koan_core::candidate::parse(&text, None).ok()).and_then(|parsed| port_of(&parsed.address));
    match context.relays.open(&service.key, gateway, &address, preferred).await {
        Ok(opened) => {
            if opened.new && preferred != Some(opened.address.port()) {
                let message = format!("Opened a relay on {} to {address} for the containers of the stack", opened.address);
                context.events.emit(Event::RelayOpened, false, about, &message).await;
            }
            let stack = Address::Tcp { host: opened.address.ip().to_string(), port: opened.address.port() };
            Ok(ReachFacts { stack: Some(stack), unreachable_from_stack: false })
        }
        Err(error) => {
            tracing::debug!(service = %service.key, %gateway, "no relay: {error}");
            Ok(unreachable)
        }
    }
}

fn port_of(address: &Address) -> Option<u16> {
    match address {
        Address::Tcp { port, .. } => Some(*port),
        Address::Unix { .. } => None,
    }
}

fn facts_for(context: &Context) -> Facts {
    Facts { instance: context.instance.clone(), ..Facts::default() }
}

/// The first container of the same stack that refers to the service.
async fn consumer(context: &Context, object: &ServiceSpec, service: &ValidService) -> Result<Option<ValidService>, ReadError> {
    let Some(stack) = &service.stack else { return Ok(None) };
    let Some(parent) = context.reader.stack(&service.key.namespace, &stack.name).await? else { return Ok(None) };
    for entry in parent.spec.services.iter().filter(|entry| entry.service.container.is_some()) {
        let gates = entry.service.depends_on.iter().flatten().map(|on| &on.name);
        let sources = entry.service.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref());
        let outputs = sources.filter_map(|source| source.service_ref.as_ref()).map(|output| &output.name);
        if !gates.chain(outputs).any(|name| *name == service.service) {
            continue;
        }
        let name = names::service_spec(&stack.name, &entry.name);
        let Some(other) = context.reader.service(&service.key.namespace, &name).await? else { continue };
        let valid = validate_service(&other, context.recipes).ok();
        let contained = valid.filter(|other| matches!(other.workload, Workload::Container(_)));
        if contained.is_some() && other.metadata.uid != object.metadata.uid {
            return Ok(contained);
        }
    }
    Ok(None)
}

/// Gateway address of the stack's network; the network is made where it is not there yet.
async fn gateway(
    context: &Context,
    object: &ServiceSpec,
    consumer: &ValidService,
    engine: EngineName,
    owner: &str,
) -> Option<IpAddr> {
    let inventory = context.pool.inventory(engine).await.ok().flatten()?;
    if let Some(found) = known_gateway(&inventory, owner) {
        return Some(found);
    }
    let decision = decide(consumer, &facts_for(context), context.recipes);
    let selected = EngineVerdict::Selected { engine, version: None, endpoint: None, evidence: Vec::new() };
    let facts = Facts { engine: selected, ..facts_for(context) };
    let wanted = desired(consumer, &decision, &PortAllocation::default(), &facts, context.recipes);
    let plan = Plan { steps: wanted.networks.into_iter().take(1).map(network_step).collect() };
    apply(context, object, engine, &plan, &[]).await;
    context.pool.relist(engine).await.ok()?;
    known_gateway(context.pool.known(engine)?.as_ref(), owner)
}

fn known_gateway(inventory: &Inventory, owner: &str) -> Option<IpAddr> {
    inventory.networks.iter().filter(|network| network.owner.uid.0 == owner).find_map(|network| network.gateway)
}

fn network_step(network: NetworkSpec) -> Step {
    let name = network.name.clone();
    Step::alone(&name, "a container of the stack has to reach a service of the host", StepAction::EnsureNetwork(network))
}

/// Closes what a service kept open.
pub(super) fn close(context: &Context, key: &ServiceKey) {
    context.relays.close(key);
}
