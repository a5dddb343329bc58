//! S-1 to S-15 as far as a simulated run shows them, one function each; a sentence is a violation.
//!
//! Not visible here: a second writer of a state directory (S-14), whom the journal of the API server refuses.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use koan_controller::{ApiKind, ApiVerb, ApiWrite, Effect};
use koan_core::identity::Owner;
use koan_core::inventory::WorkloadState;
use koan_core::step::{ObjectRef, Step, StepAction};
use koan_crds::labels;
use koan_crds::v1alpha1::{EngineName, ProvisioningMode, ServiceSpec};
use koan_engines::sim::{SimVolume, SimWorld};
use kube::{Resource, ResourceExt};
use serde_json::Value;

use crate::home::Home;
use crate::witness::{HOST_PORT, Notes};

/// What an invariant may look at.
pub(crate) struct Scene<'a> {
    pub(crate) world: &'a SimWorld,
    pub(crate) home: &'a Home,
    pub(crate) notes: &'a Notes,
    pub(crate) instance: &'a str,
    pub(crate) volumes_may_go: bool,
}

/// A volume and a network of somebody else, in every world.
pub(crate) const FOREIGN: &str = "somebody-elses";

/// What was seen of an object before.
#[derive(Clone, Default)]
pub(crate) struct Before {
    version: Option<String>,
    observed: Option<i64>,
    conditions: Vec<Condition>,
    decided: Option<(Option<i64>, String)>,
}

/// Objects by UID.
pub(crate) type History = BTreeMap<String, Before>;

/// Checks what is about to be sent.
pub(crate) fn before_effect(scene: &Scene<'_>, effect: &Effect) -> Vec<String> {
    let found = match effect {
        Effect::Engine { engine, step } => {
            vec![
                s2_volumes_stay(scene, step),
                s3_only_ours(scene, step),
                s9_credential_first(scene, step),
                s10_gate(scene, step),
                s14_refused_makes_nothing(scene, step),
                s15_nothing_else(scene, *engine, step),
                s15_other_port(scene, step),
            ]
        }
        Effect::Api(write) => vec![
            rel2_no_bug(write),
            s5_proven(scene, write),
            s7_finalizer_last(scene, write),
            s8_named_by_uid(write),
            s9_made_once(scene, write),
            s14_refused_does_nothing(scene, write),
        ],
    };
    found.into_iter().flatten().collect()
}

/// Checks what there is after an effect.
pub(crate) fn after_effect(scene: &Scene<'_>, history: &mut History) -> Vec<String> {
    let mut found: Vec<String> = [s4_one_running(scene), s3_strangers_stand(scene)].into_iter().flatten().collect();
    for service in scene.home.every_service() {
        if let Some(status) = service.status.as_ref().filter(|_| is_new(history, service.as_ref())) {
            let decided = status.decision.as_ref().map(|decision| (decision.generation, format!("{:?}", decision.action)));
            found.extend(moved(history, service.as_ref(), status.observed_generation, &status.conditions, decided));
        }
    }
    for stack in scene.home.every_stack() {
        if let Some(status) = stack.status.as_ref().filter(|_| is_new(history, stack.as_ref())) {
            found.extend(moved(history, stack.as_ref(), status.observed_generation, &status.conditions, None));
        }
    }
    found
}

/// Nothing was seen of this version yet.
fn is_new(history: &History, object: &impl ResourceExt) -> bool {
    let known = object.uid().and_then(|uid| history.get(&uid));
    known.is_none_or(|known| known.version != object.resource_version())
}

/// Checks what is left at rest.
pub(crate) fn at_rest(scene: &Scene<'_>, trace: &[String]) -> Vec<String> {
    let mut found = s1_no_orphan(scene);
    found.extend(s12_no_secret(scene, trace));
    found.extend(s13_no_credential_leaves(scene));
    found
}

fn s1_no_orphan(scene: &Scene<'_>) -> Vec<String> {
    let mut live: BTreeSet<String> = scene.home.every_service().iter().filter_map(|object| object.uid()).collect();
    live.extend(scene.home.every_stack().iter().filter_map(|object| object.uid()));
    let ours = |owner: &Option<Owner>| {
        owner.as_ref().is_some_and(|owner| owner.instance.0 == scene.instance && !live.contains(&owner.uid.0))
    };
    let workloads = scene.world.workloads();
    let networks = scene.world.networks();
    let orphans = workloads.values().filter(|workload| ours(&workload.owner)).map(|workload| &workload.name);
    let orphans = orphans.chain(networks.values().filter(|network| ours(&network.owner)).map(|network| &network.name));
    let mut found: Vec<String> = orphans.map(|name| format!("S-1: {name} has no live owner")).collect();
    let services: BTreeSet<String> = scene.home.every_service().iter().map(|object| object.name_any()).collect();
    for secret in scene.home.every_secret() {
        let name = secret.name_any();
        let Some(service) = name.strip_suffix("-credentials") else { continue };
        let label = secret.labels().get(labels::SERVICE).cloned().unwrap_or_default();
        let holds = |volume: &SimVolume| volume.owner.as_ref().is_some_and(|owner| owner.service == label);
        if !services.contains(service) && !scene.world.with_volumes(|volumes| volumes.values().any(holds)) {
            found.push(format!("S-1: Secret {name} has neither a service nor a volume"));
        }
    }
    let unlabelled = scene.world.volumes().into_iter().filter(|(name, volume)| volume.owner.is_none() && name != FOREIGN);
    found.extend(unlabelled.map(|(name, _)| format!("S-1: volume {name} carries no labels")));
    found
}

fn s2_volumes_stay(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let StepAction::RemoveVolume { object, .. } = &step.action else { return None };
    (!scene.volumes_may_go).then(|| format!("S-2: volume {} is removed, and nobody asked for it", object.name))
}

fn s3_only_ours(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let owner = owner_of(&step.action)?;
    (owner.instance.0 != scene.instance || owner.uid.0.is_empty())
        .then(|| format!("S-3: {} {} names the owner {owner:?}", step.action.verb(), step.object))
}

fn s3_strangers_stand(scene: &Scene<'_>) -> Option<String> {
    let volume = scene.world.with_volumes(|volumes| volumes.contains_key(FOREIGN));
    let network =
        scene.world.with_networks(|networks| networks.values().any(|network| network.name == FOREIGN && network.owner.is_none()));
    (!volume || !network).then(|| "S-3: something of somebody else is gone".to_owned())
}

fn s4_one_running(scene: &Scene<'_>) -> Option<String> {
    scene.world.with_workloads(|workloads| {
        let mut running: BTreeSet<(Option<&str>, &str, u32)> = BTreeSet::new();
        let mut all = workloads.values().filter(|workload| workload.state == WorkloadState::Running);
        let twice = all.find_map(|workload| {
            let owner = workload.owner.as_ref()?;
            let place = (owner.stack.as_deref(), owner.service.as_str(), workload.spec.replica);
            (!running.insert(place)).then_some(place)
        })?;
        Some(format!("S-4: {twice:?} run at once"))
    })
}

/// A verdict that says Ready names a workload that passed a probe since its start, or a server of the host that did.
fn s5_proven(scene: &Scene<'_>, write: &ApiWrite) -> Option<String> {
    let body = |pointer: &str| write.body.pointer(pointer);
    let conditions = body("/status/conditions").and_then(Value::as_array).filter(|_| write.kind == ApiKind::ServiceSpec)?;
    conditions.iter().find(|condition| condition["type"] == "Ready" && condition["status"] == "True")?;
    if body("/status/decision/action").is_some_and(|action| action == "UseHostService") {
        let proven = scene.notes.host_passed;
        return (!proven).then(|| format!("S-5: {} is Ready, but the host's server passed no probe", write.name));
    }
    let id = body("/status/workload/id").and_then(Value::as_str);
    match id {
        Some(id) if scene.notes.passed.contains(&id.into()) => None,
        id => Some(format!("S-5: {} is Ready, but its workload {id:?} passed no probe", write.name)),
    }
}

/// S-6, S-11: generations never fall, times move only with their status, a decision stands for its generation.
fn moved<K: Resource<DynamicType = ()>>(
    history: &mut History,
    object: &K,
    observed: Option<i64>,
    conditions: &[Condition],
    decided: Option<(Option<i64>, String)>,
) -> Vec<String> {
    let name = object.name_any();
    let before = history.entry(object.uid().unwrap_or_default()).or_default();
    let mut found = Vec::new();
    if observed > object.meta().generation || observed < before.observed {
        found.push(format!("S-6: {name} observed generation {observed:?} after {:?}", before.observed));
    }
    for condition in conditions {
        let known = before.conditions.iter().find(|known| known.type_ == condition.type_);
        let same = known.filter(|known| known.status == condition.status);
        if same.is_some_and(|same| same.last_transition_time != condition.last_transition_time) {
            found.push(format!("S-6: {name} {} moved its time without its status", condition.type_));
        }
    }
    if let (Some(old), Some(new)) = (&before.decided, &decided)
        && old.0 == new.0
        && old.1 != new.1
    {
        found.push(format!("S-11: {name} turned from {old:?} to {new:?}"));
    }
    let version = object.resource_version();
    *before = Before { version, observed, conditions: conditions.to_vec(), decided: decided.or_else(|| before.decided.clone()) };
    found
}

fn s7_finalizer_last(scene: &Scene<'_>, write: &ApiWrite) -> Option<String> {
    let list = write.body.pointer("/metadata/finalizers").and_then(Value::as_array)?;
    let goes = write.verb == ApiVerb::Patch && !list.iter().any(|name| name == labels::FINALIZER);
    let uid = write.body.pointer("/metadata/uid").and_then(Value::as_str)?;
    let owned = |owner: &Option<Owner>| owner.as_ref().is_some_and(|owner| owner.uid.0 == uid);
    let left = scene.world.with_workloads(|workloads| workloads.values().any(|workload| owned(&workload.owner)))
        || (write.kind == ApiKind::DevStack
            && scene.world.with_networks(|networks| networks.values().any(|network| owned(&network.owner))));
    (goes && left).then(|| format!("S-7: {} {} goes before what it owns", write.kind.as_str(), write.name))
}

fn s8_named_by_uid(write: &ApiWrite) -> Option<String> {
    let at = match write.verb {
        ApiVerb::Status | ApiVerb::Patch => "/metadata",
        ApiVerb::Delete => "",
        ApiVerb::Apply | ApiVerb::Create => return None,
    };
    let present =
        |field: &str| write.body.pointer(&format!("{at}/{field}")).and_then(Value::as_str).is_some_and(|text| !text.is_empty());
    let named = present("uid") && present("resourceVersion");
    (!named).then(|| format!("S-8: {} {} names no UID or resourceVersion", write.verb.as_str(), write.name))
}

fn s9_credential_first(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let (StepAction::Create(_) | StepAction::EnsureVolume(_)) = &step.action else { return None };
    let owner = owner_of(&step.action)?;
    let generated = ["db", "cache"].contains(&owner.service.as_str());
    let name = koan_crds::names::credentials_secret(&koan_crds::names::service_spec(owner.stack.as_deref()?, &owner.service));
    let stored = scene.home.every_secret().iter().any(|secret| secret.name_any() == name);
    (generated && !stored).then(|| format!("S-9: {} {} before the Secret {name}", step.action.verb(), step.object))
}

fn s9_made_once(scene: &Scene<'_>, write: &ApiWrite) -> Option<String> {
    if write.verb != ApiVerb::Create || write.kind != ApiKind::Secret {
        return None;
    }
    let service = write.body.pointer("/metadata/labels").and_then(|all| all.get(labels::SERVICE)).and_then(Value::as_str)?;
    let stored = scene.home.every_secret().iter().any(|secret| secret.name_any() == write.name);
    let holds = |volume: &SimVolume| volume.owner.as_ref().is_some_and(|owner| owner.service == service);
    let data = scene.world.with_volumes(|volumes| volumes.values().any(holds));
    (!stored && data).then(|| format!("S-9: {} is made anew while its data exist", write.name))
}

fn s10_gate(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let StepAction::Start(object) = &step.action else { return None };
    let first = scene
        .world
        .with_workloads(|workloads| workloads.values().any(|workload| workload.name == object.name && workload.starts == 0));
    let services = scene.home.every_service();
    let service = services.iter().find(|service| service.uid().as_deref() == Some(&object.owner.uid.0)).filter(|_| first)?;
    let closed = service.spec.service.depends_on.iter().flatten().find(|gate| {
        let open = |on: &ServiceSpec| {
            let Some(status) = &on.status else { return false };
            let ready = |condition: &Condition| condition.type_ == "Ready" && condition.status == "True";
            on.name_any() == gate.name
                && status.observed_generation == on.metadata.generation
                && status.conditions.iter().any(ready)
        };
        !services.iter().any(|on| open(on))
    })?;
    Some(format!("S-10: {} starts before {} is ready", object.name, closed.name))
}

/// A stack that is refused as it stands changes none of its services.
fn s14_refused_does_nothing(scene: &Scene<'_>, write: &ApiWrite) -> Option<String> {
    let touches = write.kind == ApiKind::ServiceSpec && matches!(write.verb, ApiVerb::Apply | ApiVerb::Create | ApiVerb::Delete);
    let refused = scene.home.every_stack().into_iter().find(|stack| {
        let says = |found: &Condition| found.type_ == "Accepted" && found.status == "False";
        let status = stack.status.as_ref().filter(|_| stack.metadata.deletion_timestamp.is_none());
        status.is_some_and(|status| status.observed_generation == stack.metadata.generation && status.conditions.iter().any(says))
    });
    let stack = refused.filter(|_| touches)?;
    Some(format!("S-14: {} {} although {} is refused", write.verb.as_str(), write.name, stack.name_any()))
}

/// What is refused as it stands, stack or service, and was never accepted, makes nothing on an engine.
fn s14_refused_makes_nothing(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let (StepAction::Create(_) | StepAction::EnsureVolume(_) | StepAction::EnsureNetwork(_) | StepAction::EnsureImage(_)) =
        &step.action
    else {
        return None;
    };
    let refused = |conditions: &[Condition]| conditions.iter().any(|found| found.type_ == "Accepted" && found.status == "False");
    let first = |generation: Option<i64>| generation == Some(1);
    let stack = scene.home.every_stack().into_iter().find(|stack| {
        first(stack.metadata.generation) && stack.status.as_ref().is_some_and(|status| refused(&status.conditions))
    });
    let service = scene.home.every_service().into_iter().find(|service| {
        first(service.metadata.generation) && service.status.as_ref().is_some_and(|status| refused(&status.conditions))
    });
    let owner = owner_of(&step.action);
    let of_stack = stack.filter(|stack| owner.is_none_or(|owner| owner.stack == stack.metadata.name));
    let of_service = service.filter(|service| owner.is_some_and(|owner| service.uid().as_deref() == Some(&owner.uid.0)));
    let name = of_stack.map(|stack| stack.name_any()).or_else(|| of_service.map(|service| service.name_any()))?;
    Some(format!("S-14: {} {} although {name} is refused", step.action.verb(), step.object))
}

/// A host service that was refused keeps its port, also once nobody listens there any more (B-3).
fn s15_other_port(scene: &Scene<'_>, step: &Step) -> Option<String> {
    let StepAction::Create(workload) = &step.action else { return None };
    let shares = workload.ports.iter().any(|port| port.host == Some(HOST_PORT));
    (shares && scene.notes.host_refused).then(|| format!("S-15: {} takes the port of a refused host service", step.object))
}

/// No fault leads to a bug: an assertion that fails is told on its object.
fn rel2_no_bug(write: &ApiWrite) -> Option<String> {
    let conditions = write.body.pointer("/status/conditions").and_then(Value::as_array)?;
    let bug = conditions.iter().find(|condition| condition["reason"] == "Panic")?;
    Some(format!("REL-2: {} {}: {}", write.kind.as_str(), write.name, bug["message"]))
}

/// What was asked to come from the host, or from another engine, is not made here.
fn s15_nothing_else(scene: &Scene<'_>, engine: EngineName, step: &Step) -> Option<String> {
    let (StepAction::Create(_) | StepAction::Start(_) | StepAction::EnsureVolume(_) | StepAction::EnsureNetwork(_)) =
        &step.action
    else {
        return None;
    };
    let owner = owner_of(&step.action)?;
    let forced = scene.home.every_stack().into_iter().find(|stack| {
        owner.stack.as_deref() == Some(&stack.name_any()) && ![EngineName::Auto, engine].contains(&stack.spec.engine.name)
    });
    if forced.is_some() {
        return Some(format!("S-15: {} on {engine:?}, which was not asked for", step.object));
    }
    let services = scene.home.every_service();
    let mode = |service: &ServiceSpec| service.spec.service.provisioning.as_ref().and_then(|provisioning| provisioning.mode);
    let never =
        |service: &ServiceSpec| service.uid().as_deref() == Some(&owner.uid.0) && mode(service) == Some(ProvisioningMode::Never);
    services
        .iter()
        .any(|service| never(service))
        .then(|| format!("S-15: {} is made, which may come from the host only", step.object))
}

fn s12_no_secret(scene: &Scene<'_>, trace: &[String]) -> Vec<String> {
    let public = scene.home.public_text();
    let secrets = scene.home.every_secret();
    let generated = secrets.iter().filter(|secret| secret.name_any().ends_with("-credentials"));
    let values = generated.filter_map(|secret| Some((secret.name_any(), secret.data.as_ref()?.get("password")?.0.clone())));
    let shown = |value: &str| public.contains(value) || trace.iter().any(|line| line.contains(value));
    values
        .filter(|(_, value)| std::str::from_utf8(value).is_ok_and(shown))
        .map(|(name, _)| format!("S-12: the password of {name} is visible"))
        .collect()
}

fn s13_no_credential_leaves(scene: &Scene<'_>) -> Option<String> {
    let address = scene.notes.leaked.first()?;
    Some(format!("S-13: a login went to {address}, which no engine named"))
}

fn owner_of(action: &StepAction) -> Option<&Owner> {
    match action {
        StepAction::EnsureNetwork(spec) => Some(&spec.owner),
        StepAction::EnsureVolume(spec) => Some(&spec.owner),
        StepAction::EnsureImage(_) => None,
        StepAction::Create(spec) => Some(&spec.owner),
        StepAction::Start(ObjectRef { owner, .. })
        | StepAction::Stop { object: ObjectRef { owner, .. }, .. }
        | StepAction::Remove(ObjectRef { owner, .. })
        | StepAction::RemoveNetwork(ObjectRef { owner, .. })
        | StepAction::RemoveVolume { object: ObjectRef { owner, .. }, .. } => Some(owner),
    }
}
