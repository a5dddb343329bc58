//! Facts that are read before a decision: objects, statuses, inventories, records.

use std::collections::BTreeMap;

use koan_core::facts::{CredentialFact, Facts, PortFacts, completed};
use koan_core::gates::gate_states;
use koan_core::inventory::VolumeRecord;
use koan_core::validate::{ValidService, Workload};
use koan_crds::v1alpha1::{ProvisioningMode, ServiceSpec};
use koan_crds::{labels, names};

use super::{environment, references};
use crate::context::Context;
use crate::injection::{CREDENTIAL_KEYS, login_of_keys};
use crate::reader::{ReadError, value_of};

/// Prefix of the launch state's keys that hold ports: `port.<service>.<name>` (CLI-27).
pub(crate) const LAUNCH_PORT: &str = "port.";

/// Gathers what questions and decision need; engine, ports, probes and reach follow the decision.
pub(crate) async fn facts(context: &Context, object: &ServiceSpec, service: &ValidService) -> Result<Facts, ReadError> {
    let status = object.status.clone().unwrap_or_default();
    let (versions, missing) = references::read(context, object, service).await?;
    let annotations = object.metadata.annotations.as_ref();
    Ok(Facts {
        instance: context.instance.clone(),
        environment: environment::candidates(context, service).await?,
        retained: retained(context, service).await,
        previous: status.decision.clone(),
        lost: context.board.is_lost(&service.key),
        manifest_credential: manifest_credential(context, object, service).await?,
        generated_credential: generated_credential(context, service).await?,
        ports: PortFacts {
            launch: launch_ports(context, service).await?,
            flags: service.port_flags.clone(),
            current: status.ports.clone(),
            ..PortFacts::default()
        },
        gates: gates(context, object, service).await?,
        versions,
        missing,
        health: context.board.record(&service.key),
        completed: completed(service, &status),
        restarted_for: status.workload.as_ref().and_then(|workload| workload.restarted_for.clone()),
        delete_volumes: annotations.is_some_and(|all| all.contains_key(labels::DELETE_VOLUMES)),
        ..Facts::default()
    })
}

/// Volumes that hold data of this service; asked only where the answer may matter (DET-8, DET-23).
async fn retained(context: &Context, service: &ValidService) -> Vec<VolumeRecord> {
    let asks = match (&service.workload, service.mode) {
        (Workload::External(_), _) | (_, ProvisioningMode::Disabled) => false,
        (Workload::Recipe { .. }, _) => true,
        (Workload::Container(_) | Workload::Process(_), _) => false,
    };
    if !asks {
        return Vec::new();
    }
    let mut found = Vec::new();
    for name in context.pool.names().collect::<Vec<_>>() {
        if !context.pool.info(name).await.is_some_and(|info| info.available) {
            continue;
        }
        // An engine that stops answering between the two calls is met again when the plan is made.
        let Ok(Some(inventory)) = context.pool.inventory(name).await else { continue };
        found.extend(inventory.volumes.iter().filter(|volume| belongs(volume, service)).cloned());
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

/// A volume belongs to (instance, namespace, stack, service, path); its owner UID names only the creator.
fn belongs(volume: &VolumeRecord, service: &ValidService) -> bool {
    let owner = &volume.owner;
    owner.namespace == service.key.namespace
        && owner.service == service.service
        && owner.stack.as_deref() == service.stack.as_ref().map(|stack| stack.name.as_str())
}

async fn manifest_credential(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
) -> Result<CredentialFact, ReadError> {
    if let Some(name) = &service.credentials.secret {
        let secret = context.reader.secret(&service.key.namespace, name).await?;
        let Some(secret) = secret else { return Ok(CredentialFact::Missing) };
        return Ok(match login_of_keys(|key| value_of(&secret, key)) {
            Some(_) => CredentialFact::Present { keys: present(|key| value_of(&secret, key).is_some()) },
            None => CredentialFact::Missing,
        });
    }
    let literals = object.spec.service.credentials.as_ref().and_then(|credentials| credentials.literals.as_ref());
    Ok(match literals {
        Some(literals) if !literals.is_empty() => CredentialFact::Present { keys: present(|key| literals.contains_key(key)) },
        Some(_) | None => CredentialFact::None,
    })
}

async fn generated_credential(context: &Context, service: &ValidService) -> Result<CredentialFact, ReadError> {
    let name = names::credentials_secret(&service.key.name);
    let secret = context.reader.secret(&service.key.namespace, &name).await?;
    Ok(match secret {
        Some(secret) => CredentialFact::Present { keys: present(|key| value_of(&secret, key).is_some()) },
        None => CredentialFact::None,
    })
}

fn present(has: impl Fn(&str) -> bool) -> Vec<String> {
    CREDENTIAL_KEYS.into_iter().filter(|key| has(key)).map(str::to_owned).collect()
}

async fn launch_ports(context: &Context, service: &ValidService) -> Result<BTreeMap<String, u16>, ReadError> {
    let Some(stack) = service.stack.as_ref().filter(|_| service.launch_state) else { return Ok(BTreeMap::new()) };
    let name = names::launch_config_map(&stack.name);
    let map = context.reader.config_map(&service.key.namespace, &name).await?;
    let prefix = format!("{LAUNCH_PORT}{}.", service.service);
    let data = map.as_ref().and_then(|map| map.data.as_ref());
    let ports =
        data.into_iter().flatten().filter_map(|(key, value)| Some((key.strip_prefix(&prefix)?.to_owned(), value.parse().ok()?)));
    Ok(ports.collect())
}

async fn gates(
    context: &Context,
    object: &ServiceSpec,
    service: &ValidService,
) -> Result<Vec<koan_core::facts::GateState>, ReadError> {
    let mut others = BTreeMap::new();
    for gate in &service.gates {
        if let Some(other) = context.reader.service(&service.key.namespace, &gate.object).await? {
            others.insert(gate.object.clone(), ServiceSpec::clone(&other));
        }
    }
    Ok(gate_states(service, object.status.as_ref(), &others))
}
