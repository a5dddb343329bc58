//! What is probed for a service: its running workload, the host service in use, or nothing (K-7, DET-33).

use koan_core::decide::{Decision, PortAllocation};
use koan_core::desired::Desired;
use koan_core::inventory::{Inventory, WorkloadRecord, WorkloadState};
use koan_core::probe::{Address, Tls};
use koan_core::questions::loss_after;
use koan_core::recipe::Recipe;
use koan_core::secret::Login;
use koan_core::step::ObjectRef;
use koan_core::text::{Part, Text, Values};
use koan_core::validate::{ValidService, Workload};
use koan_crds::v1alpha1::{Action, EngineName};

use crate::context::Context;
use crate::health::{Place, Target};
use crate::injection::main_port;

/// The subject of a service's probes, with its login.
pub(super) fn target(
    context: &Context,
    service: &ValidService,
    decision: &Decision,
    login: Option<Login>,
    running: Option<(EngineName, &WorkloadRecord)>,
    ports: &PortAllocation,
) -> Option<Target> {
    let health = service.health.clone()?;
    let recipe = service.adapter.as_deref().and_then(|id| context.recipes.recipe(id));
    let (subject, place) = match (decision.action, running) {
        (Action::UseHostService, _) => host(decision.endpoint.as_ref()?, decision.tls.as_ref()),
        (Action::NoAction, _) => match &service.workload {
            Workload::External(external) => host(&external.address, external.tls.as_ref()),
            Workload::Container(_) | Workload::Process(_) | Workload::Recipe { .. } => return None,
        },
        (Action::ProvisionContainer, Some((engine, record))) => {
            let object = ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
            let published = ports.ports.iter().filter_map(|port| Some((port.container, port.host?.0))).collect();
            let exec = recipe.map(|recipe| exec_check(recipe, &service.database)).unwrap_or_default();
            let port = main_port(service, context);
            (record.id.0.clone(), Place::Workload { engine, object, port, published, exec })
        }
        (Action::ProvisionContainer, None) => return None,
    };
    Some(Target {
        subject,
        generation: service.generation,
        health,
        adapter: service.adapter.clone(),
        login: login.unwrap_or_default(),
        database: service.database.clone(),
        place,
        loss_after: loss_after(service.profile),
    })
}

fn host(address: &Address, tls: Option<&Tls>) -> (String, Place) {
    (address.to_string(), Place::Host { address: address.clone(), tls: tls.cloned() })
}

/// The first workload of a service, while it runs.
pub(super) fn running<'a>(desired: &Desired, inventory: Option<&'a Inventory>) -> Option<(EngineName, &'a WorkloadRecord)> {
    let first = desired.workloads.first()?;
    let inventory = inventory?;
    let record = inventory.workloads.iter().find(|record| record.name == first.object && record.owner.uid == first.owner.uid)?;
    (record.state == WorkloadState::Running && record.hash == first.hash).then_some((inventory.engine, record))
}

/// The recipe's check inside the workload; one that needs a value or a place only the engine knows is left out.
fn exec_check(recipe: &Recipe, database: &str) -> Vec<String> {
    let place = |part: &Part| match part {
        Part::File(path) => Some(path.clone()),
        _ => None,
    };
    let word =
        |text: &Text| text.render(&Values::default(), place).ok().map(|word| word.expose().replace(Recipe::DATABASE, database));
    recipe.exec_check.iter().map(word).collect::<Option<Vec<String>>>().unwrap_or_default()
}
