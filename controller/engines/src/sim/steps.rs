//! What each step does to the world; the same rules as a real engine, without waiting.
//!
//! Over 400 lines: one function per step, each of which is the whole of a real engine's call.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use koan_core::identity::{ObjectId, Owner};
use koan_core::inventory::WorkloadState;
use koan_core::outcome::{Done, Failure, Outcome};
use koan_core::step::{NetworkSpec, ObjectRef, Step, StepAction, VolumeSpec};
use koan_core::text::{Part, Text, Values};
use koan_core::workload::{ImageSpec, MountSource, Run, WorkloadSpec};
use koan_crds::v1alpha1::{FailureClass, PullPolicy};
use koan_crds::vocabulary::Reason;
use tokio::time::Instant;

use super::engine::TITLE;
use super::fault::Effect;
use super::state::{SimNetwork, SimVolume, SimWorkload, State};
use crate::declared::{same_place, volumes_for};
use crate::refusals::{foreign, invalid, transient};

/// Platform of the simulated machine.
pub(super) const PLATFORM: &str = "linux/amd64";
/// Exit code of a program that was ended by KILL.
pub(super) const KILLED: i64 = 137;
/// How soon a busy object is asked for again.
const BUSY_DELAY: std::time::Duration = std::time::Duration::from_millis(250);

/// Runs a step and records what it changed.
pub(super) fn run(state: &mut State, step: &Step, values: &Values) -> Outcome {
    let outcome = match &step.action {
        StepAction::EnsureNetwork(spec) => ensure_network(state, spec),
        StepAction::EnsureVolume(spec) => ensure_volume(state, spec),
        StepAction::EnsureImage(spec) => ensure_image(state, spec),
        StepAction::Create(spec) => create(state, spec, values),
        StepAction::Start(object) => start(state, object, values),
        StepAction::Stop { object, grace: _ } => stop(state, object),
        StepAction::Remove(object) => remove(state, object),
        StepAction::RemoveNetwork(object) => remove_network(state, object),
        StepAction::RemoveVolume { object, created_at } => remove_volume(state, object, created_at),
    }
    .unwrap_or_else(Outcome::Failed);
    if matches!(&outcome, Outcome::Done(done) if done.changed) {
        record(state, step);
    }
    outcome
}

fn record(state: &mut State, step: &Step) {
    let effect = Effect { at: state.age(), verb: step.action.verb(), object: name_of(&step.action).to_owned() };
    state.effects.push(effect);
}

/// Lands a call whose sender is gone. Whoever makes a network looks for one first, but the look is long over: names of networks
/// are not unique (P13), so a second one comes about.
pub(super) fn land(state: &mut State, step: &Step, values: &Values) -> Outcome {
    let StepAction::EnsureNetwork(spec) = &step.action else { return run(state, step, values) };
    let id = make_network(state, spec);
    record(state, step);
    Outcome::Done(Done { changed: true, id: Some(id), ..Done::default() })
}

/// Name of the object that an action is about.
pub(super) fn name_of(action: &StepAction) -> &str {
    match action {
        StepAction::EnsureNetwork(spec) => &spec.name,
        StepAction::EnsureVolume(spec) => &spec.name,
        StepAction::EnsureImage(spec) => &spec.reference,
        StepAction::Create(spec) => &spec.object,
        StepAction::Start(object)
        | StepAction::Stop { object, .. }
        | StepAction::Remove(object)
        | StepAction::RemoveNetwork(object)
        | StepAction::RemoveVolume { object, .. } => &object.name,
    }
}

/// Image of a container.
pub(super) fn image_of(spec: &WorkloadSpec) -> Option<&str> {
    match &spec.run {
        Run::Container(run) => Some(&run.image),
        Run::Process(_) => None,
    }
}

/// Digest of an image, by its reference.
pub(super) fn digest_of(reference: &str) -> String {
    use sha2::{Digest, Sha256};
    format!("sha256:{}", koan_crds::names::hex(&Sha256::digest(reference.as_bytes())))
}

fn done(changed: bool, id: Option<ObjectId>) -> Result<Outcome, Failure> {
    Ok(Outcome::Done(Done { changed, id, ..Done::default() }))
}

fn ensure_network(state: &mut State, spec: &NetworkSpec) -> Result<Outcome, Failure> {
    let of_name = |state: &State, ours: bool| -> Vec<ObjectId> {
        let mut found: Vec<_> = state
            .networks
            .iter()
            .filter(|(_, network)| network.name == spec.name && owned(network.owner.as_ref(), &spec.owner) == ours)
            .map(|(id, network)| (network.created, id.clone()))
            .collect();
        found.sort();
        found.into_iter().map(|(_, id)| id).collect()
    };
    let ours = of_name(state, true);
    if let Some((oldest, younger)) = ours.split_first() {
        let free: Vec<&ObjectId> = younger.iter().filter(|id| state.attached(id) == 0).collect();
        for id in &free {
            state.networks.remove(*id);
        }
        return done(!free.is_empty(), Some(oldest.clone()));
    }
    if !of_name(state, false).is_empty() {
        return Err(foreign(TITLE, "network", &spec.name));
    }
    let id = make_network(state, spec);
    done(true, Some(id))
}

fn make_network(state: &mut State, spec: &NetworkSpec) -> ObjectId {
    let id = state.fresh_id("network");
    let network = SimNetwork { name: spec.name.clone(), owner: Some(spec.owner.clone()), created: state.age() };
    state.networks.insert(id.clone(), network);
    state.hint(&id);
    id
}

fn ensure_volume(state: &mut State, spec: &VolumeSpec) -> Result<Outcome, Failure> {
    let id = ObjectId(spec.name.clone());
    if let Some(found) = state.volumes.get(&spec.name) {
        let ours = found.owner.as_ref().is_some_and(|owner| same_place(owner, &spec.owner)) && found.path == spec.path;
        return if ours { done(false, Some(id)) } else { Err(foreign(TITLE, "volume", &spec.name)) };
    }
    let created = state.age();
    let volume = SimVolume { owner: Some(spec.owner.clone()), path: spec.path.clone(), initialised_with: None, created };
    state.volumes.insert(spec.name.clone(), volume);
    state.hint(&id);
    done(true, Some(id))
}

fn ensure_image(state: &mut State, spec: &ImageSpec) -> Result<Outcome, Failure> {
    let present = state.pulled.contains(&spec.reference);
    let made = match (&spec.build, present, spec.pull) {
        (Some(build), true, _) => build.always,
        (Some(_), false, _) => true,
        (None, true, PullPolicy::Never | PullPolicy::IfNotPresent) => false,
        (None, false, PullPolicy::Never) => return Err(image_failure(&spec.reference, "is not there")),
        (None, _, PullPolicy::Always | PullPolicy::IfNotPresent) => {
            if state.unknown_images.contains(&spec.reference) {
                return Err(image_failure(&spec.reference, "is unknown to its registry"));
            }
            !present
        }
    };
    state.pulled.insert(spec.reference.clone());
    let (image_digest, platform) = (Some(digest_of(&spec.reference)), Some(PLATFORM.to_owned()));
    Ok(Outcome::Done(Done { changed: made, id: None, image_digest, platform }))
}

fn image_failure(reference: &str, what: &str) -> Failure {
    Failure {
        class: FailureClass::Invalid,
        reason: Reason::ImagePullFailed,
        message: format!("{TITLE}: image {reference} {what}"),
        remedy: Some(format!("correct the image {reference}, or build or load it")),
    }
}

fn create(state: &mut State, spec: &WorkloadSpec, values: &Values) -> Result<Outcome, Failure> {
    if let Some(image) = image_of(spec) {
        if !state.capabilities.containers {
            return Err(invalid(Reason::ModeUnsupported, format!("{TITLE} runs no containers"), "use a container engine"));
        }
        if !state.pulled.contains(image) {
            return Err(image_failure(image, "is not there"));
        }
    }
    let env = spec
        .env
        .iter()
        .map(|entry| Ok::<_, Failure>((entry.name.clone(), rendered(&entry.value, spec, values)?)))
        .collect::<Result<_, Failure>>()?;
    let files = files_of(spec, values)?;
    if let Some((id, found)) = state.workloads.iter().find(|(_, workload)| workload.name == spec.object) {
        return match &found.owner {
            Some(owner) if owned(Some(owner), &spec.owner) && found.hash == spec.hash => done(false, Some(id.clone())),
            Some(owner) if owned(Some(owner), &spec.owner) => Err(transient(
                Reason::ProvisionFailed,
                format!("workload {} exists with another specification; it is removed first", spec.object),
            )),
            Some(_) | None => Err(foreign(TITLE, "workload", &spec.object)),
        };
    }
    if let Some(network) = spec.networks.iter().find(|name| !state.networks.values().any(|network| network.name == **name)) {
        return Err(transient(Reason::ProvisionFailed, format!("{TITLE} has no network {network} yet")));
    }
    let declared = image_of(spec).and_then(|image| state.declared.get(image)).cloned().unwrap_or_default();
    let mut volumes: Vec<String> = Vec::new();
    for volume in volumes_for(spec, &declared) {
        ensure_volume(state, &volume)?;
        volumes.push(volume.name);
    }
    for mount in &spec.mounts {
        if let MountSource::Volume(name) = &mount.source {
            volumes.push(name.clone());
        }
    }
    volumes.sort();
    insert(state, spec, env, files, volumes)
}

fn insert(
    state: &mut State,
    spec: &WorkloadSpec,
    env: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
    volumes: Vec<String>,
) -> Result<Outcome, Failure> {
    // Like a real engine, a mounted volume that nobody made is made without labels: an anonymous leftover, visible to the oracles.
    let created = state.age();
    for name in &volumes {
        let unlabelled = || SimVolume { owner: None, path: String::new(), initialised_with: None, created };
        state.volumes.entry(name.clone()).or_insert_with(unlabelled);
    }
    let id = state.fresh_id("workload");
    let [.., high, low] = state.next_id.to_be_bytes();
    let workload = SimWorkload {
        name: spec.object.clone(),
        owner: Some(spec.owner.clone()),
        hash: spec.hash.clone(),
        state: WorkloadState::Created,
        env,
        files,
        volumes,
        starts: 0,
        address: IpAddr::V4(Ipv4Addr::new(10, 99, high, low)),
        started: None,
        finished: None,
        exit_code: None,
        oom_killed: false,
        lines: Vec::new(),
        printed: 0,
        spec: spec.clone(),
    };
    state.workloads.insert(id.clone(), workload);
    state.hint(&id);
    done(true, Some(id))
}

fn start(state: &mut State, object: &ObjectRef, values: &Values) -> Result<Outcome, Failure> {
    let Some(id) = find(state, object)? else {
        return Err(transient(Reason::ProvisionFailed, format!("workload {} is gone", object.name)));
    };
    let Some(workload) = state.workloads.get(&id).cloned() else { return done(false, None) };
    match workload.state {
        WorkloadState::Running => return done(false, Some(id)),
        WorkloadState::Paused => {
            if let Some(workload) = state.workloads.get_mut(&id) {
                workload.state = WorkloadState::Running;
            }
            state.hint(&id);
            return done(true, Some(id));
        }
        WorkloadState::Created
        | WorkloadState::Exited
        | WorkloadState::Dead
        | WorkloadState::Restarting
        | WorkloadState::Removing => {}
    }
    if let Some(error) = state.program(&workload).start_error {
        return Err(transient(Reason::ProvisionFailed, format!("{TITLE} could not start {}: {error}", object.name)));
    }
    if let Some(network) =
        workload.spec.networks.iter().find(|name| !state.networks.values().any(|network| network.name == **name))
    {
        return Err(transient(Reason::ProvisionFailed, format!("network {network} of {} is gone", object.name)));
    }
    if let Some((port, holder)) = taken_port(state, &id, &workload) {
        return Err(Failure {
            class: FailureClass::Transient,
            reason: Reason::Conflict,
            message: format!("{TITLE} could not publish port {port} of {}: {holder} has it", object.name),
            remedy: Some("free the port, or let Koan pick another one".to_owned()),
        });
    }
    begin(state, &id, files_of(&workload.spec, values).ok());
    done(true, Some(id))
}

/// A new run; files are made anew where every value was given.
fn begin(state: &mut State, id: &ObjectId, files: Option<BTreeMap<String, String>>) {
    let Some(workload) = state.workloads.get_mut(id) else { return };
    if let Some(files) = files {
        workload.files = files;
    }
    workload.state = WorkloadState::Running;
    workload.started = Some(Instant::now());
    (workload.finished, workload.exit_code, workload.oom_killed) = (None, None, false);
    workload.starts += 1;
    workload.printed = 0;
    let (names, files) = (workload.volumes.clone(), workload.files.clone());
    for name in names {
        if let Some(volume) = state.volumes.get_mut(&name) {
            volume.initialised_with.get_or_insert_with(|| files.clone());
        }
    }
    state.hint(id);
}

fn taken_port(state: &State, id: &ObjectId, workload: &SimWorkload) -> Option<(u16, String)> {
    let wanted: Vec<u16> = workload.spec.ports.iter().filter_map(|port| port.host).collect();
    let published = state
        .workloads
        .iter()
        .filter(|(other, _)| *other != id)
        .flat_map(|(_, other)| super::state::live_ports(other).map(|port| (port.host, port.service)));
    let strangers = state.taken_ports.iter().map(|(port, holder)| (*port, holder.clone()));
    strangers.chain(published).find(|(port, _)| wanted.contains(port))
}

fn stop(state: &mut State, object: &ObjectRef) -> Result<Outcome, Failure> {
    let Some(id) = find(state, object)? else { return done(false, None) };
    let Some(workload) = state.workloads.get(&id) else { return done(false, None) };
    match workload.state {
        WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting => {}
        WorkloadState::Created | WorkloadState::Exited | WorkloadState::Dead | WorkloadState::Removing => {
            return done(false, Some(id));
        }
    }
    let code = if state.program(workload).deaf { KILLED } else { 0 };
    state.exit(&id, code, false, Instant::now());
    done(true, Some(id))
}

fn remove(state: &mut State, object: &ObjectRef) -> Result<Outcome, Failure> {
    let Some(id) = find(state, object)? else { return done(false, None) };
    let runs = state.workloads.get(&id).is_some_and(|workload| {
        matches!(workload.state, WorkloadState::Running | WorkloadState::Paused | WorkloadState::Restarting)
    });
    if runs {
        return Err(transient(
            Reason::ProvisionFailed,
            format!("workload {} runs; it is stopped before it is removed", object.name),
        ));
    }
    state.workloads.remove(&id);
    state.hint(&id);
    done(true, None)
}

fn remove_network(state: &mut State, object: &ObjectRef) -> Result<Outcome, Failure> {
    let named: Vec<_> = state.networks.iter().filter(|(_, network)| network.name == object.name).collect();
    let ours: Vec<ObjectId> = named
        .iter()
        .filter(|(id, network)| {
            owned(network.owner.as_ref(), &object.owner) && object.id.as_ref().is_none_or(|wanted| wanted == *id)
        })
        .map(|(id, _)| (*id).clone())
        .collect();
    if ours.is_empty() {
        let strangers = !named.is_empty() && object.id.is_none();
        return if strangers { Err(foreign(TITLE, "network", &object.name)) } else { done(false, None) };
    }
    let twins = named.len() > ours.len();
    if !twins && state.endpoints(&object.name).next().is_some() {
        return Ok(Outcome::Waiting { what: format!("network {} still has endpoints", object.name), delay: BUSY_DELAY });
    }
    for id in &ours {
        state.networks.remove(id);
        state.hint(id);
    }
    done(true, None)
}

fn remove_volume(state: &mut State, object: &ObjectRef, created_at: &str) -> Result<Outcome, Failure> {
    let Some(found) = state.volumes.get(&object.name) else { return done(false, None) };
    let ours = found.owner.as_ref().is_some_and(|owner| same_place(owner, &object.owner));
    if !ours || state.printed_age(found.created) != created_at {
        return Err(foreign(TITLE, "volume", &object.name));
    }
    if state.workloads.values().any(|workload| workload.volumes.contains(&object.name)) {
        return Ok(Outcome::Waiting { what: format!("volume {} is still mounted", object.name), delay: BUSY_DELAY });
    }
    state.volumes.remove(&object.name);
    state.hint(&ObjectId(object.name.clone()));
    done(true, None)
}

/// The workload that a step means; `None` where it is gone, an error where it is not ours.
pub(super) fn find(state: &State, object: &ObjectRef) -> Result<Option<ObjectId>, Failure> {
    let found = match &object.id {
        Some(id) => state.workloads.get_key_value(id),
        None => state.workloads.iter().find(|(_, workload)| workload.name == object.name),
    };
    match found {
        None => Ok(None),
        Some((id, workload)) if owned(workload.owner.as_ref(), &object.owner) => Ok(Some(id.clone())),
        Some(_) => Err(foreign(TITLE, "workload", &object.name)),
    }
}

fn owned(found: Option<&Owner>, owner: &Owner) -> bool {
    found.is_some_and(|found| found.instance == owner.instance && found.uid == owner.uid)
}

fn files_of(spec: &WorkloadSpec, values: &Values) -> Result<BTreeMap<String, String>, Failure> {
    spec.files.iter().map(|file| Ok((file.path.clone(), rendered(&file.content, spec, values)?))).collect()
}

fn rendered(text: &Text, spec: &WorkloadSpec, values: &Values) -> Result<String, Failure> {
    let place = |part: &Part| match part {
        Part::File(path) | Part::DataFolder(path) => Some(path.clone()),
        Part::Port(name) => spec.ports.iter().find(|port| &port.name == name).map(|port| port.container.to_string()),
        Part::Published(name) => {
            let port = spec.ports.iter().find(|port| &port.name == name);
            port.map(|port| port.host.unwrap_or(port.container).to_string())
        }
        Part::RunFolder => Some("/run/koan".to_owned()),
        Part::ProgramFolder(program) => Some(format!("/usr/lib/{program}")),
        Part::Plain(_) | Part::Value(_) | Part::Quoted(_) | Part::Hashed(_) => None,
    };
    text.render(values, place).map(|text| text.expose().clone()).map_err(|part| {
        transient(
            Reason::ProvisionFailed,
            format!("{} needs a value that is not there: {}", spec.object, crate::missing::name_of(&part)),
        )
    })
}
