use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, TcpListener};

use clap::Args;
use futures::future::join_all;
use koan_adapters::catalogue;
use koan_core::activation::{Nature, activation, takes_part};
use koan_core::decide::{EngineNeed, EngineRequest, EngineVerdict, choose_engine};
use koan_core::inventory::EngineInfo;
use koan_core::recipe::Recipes;
use koan_core::validate::{Gate, StackMember, StackOptions, ValidPort, ValidStack, Workload, validate_stack};
use koan_crds::v1alpha1::{DevStack, ProvisioningMode};
use koan_crds::vocabulary::Reason;

use super::amend::Amendments;
use super::{Run, planning, prepare};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::manifest::Document as Manifest;
use crate::output::{InspectReport, InspectedPort, InspectedService, Project, ProviderLine, UnlistedService, emit, say};
use crate::project::{Seen, scan};

/// Show the project: engines, services and what they wait for, what is left out and why
#[derive(Debug, Default, Args)]
pub(crate) struct Arguments {
    /// Added once to declared and default ports
    #[arg(long, value_name = "N")]
    base_port: Option<u16>,
    /// Host port of one service, as SERVICE=N, SERVICE:PORT=N or N alone; may be repeated
    #[arg(long = "port", value_name = "[SERVICE[:PORT]=]N")]
    ports: Vec<String>,
    /// Publish every port on loopback
    #[arg(long)]
    expose_internals: bool,
}

pub(crate) async fn run(run: &Run, arguments: &Arguments) -> Result<u8, Failure> {
    let working = std::env::current_dir().map_err(|source| Failure::ReadFile { path: ".".into(), source })?;
    let cwd = working.display().to_string();
    let amendments = Amendments::of_ports(arguments.base_port, arguments.ports.clone(), arguments.expose_internals);
    let prepared = match prepare::prepare_amended(run, |stack| amendments.apply(stack)) {
        Err(Failure::NoManifest { .. }) if run.globals.files.is_empty() => {
            emit(&InspectReport::of(cwd, None), run.globals.format());
            return Ok(0);
        }
        prepared => prepared?,
    };
    for warning in &prepared.warnings {
        say(run.globals.quiet, &format!("warning: {warning}"));
    }
    let infos = join_all(Engines::for_a_look(&run.settings)?.all().iter().map(|engine| engine.info())).await;
    let (seen, notices) = scan(&prepared.found.project, run.settings.environment.all());
    for notice in &notices {
        say(run.globals.quiet, &format!("notice: {notice}"));
    }
    for manifest in prepared.stacks() {
        let stack: DevStack =
            serde_json::from_value(manifest.value.clone()).map_err(|error| Failure::Bug { message: error.to_string() })?;
        let valid = validate_stack(&stack, &StackOptions::default(), catalogue());
        let valid = valid.map_err(|violations| Failure::Bug { message: violations.to_string() })?;
        let folder = prepared.found.project.display().to_string();
        emit(
            &InspectReport::of(cwd.clone(), Some(project(run, folder, (manifest, &stack), &valid, (&infos[..], &seen[..])))),
            run.globals.format(),
        );
    }
    Ok(0)
}

fn project(
    run: &Run,
    folder: String,
    (manifest, stack): (&Manifest, &DevStack),
    valid: &ValidStack,
    (infos, seen): (&[EngineInfo], &[Seen]),
) -> Project {
    let (active, disabled): (Vec<&StackMember>, Vec<&StackMember>) =
        valid.members().partition(|member| member.service.mode != ProvisioningMode::Disabled);
    let (unlisted, hints) = others(valid, seen);
    let left_out = disabled.iter().map(|member| UnlistedService {
        name: member.name.clone(),
        reason: Reason::Disabled.to_string(),
        message: "its mode is Disabled".to_owned(),
        seen: Vec::new(),
    });
    let (profile, profile_source) = planning::profile(stack);
    Project {
        folder,
        manifest: manifest.files.clone(),
        stack: valid.name.clone(),
        namespace: valid.namespace.clone(),
        profile,
        profile_source,
        settings: run.settings.lines(),
        providers: providers(valid, infos),
        services: active.iter().map(|member| service(valid, member)).collect(),
        unlisted,
        inactive: left_out.chain(hints).collect(),
        conflicts: conflicts(&active, valid.port_policy.offset),
        commands: commands(&active),
    }
}

/// Engines in their order, and the one that containers of this stack would go to.
fn providers(valid: &ValidStack, infos: &[EngineInfo]) -> Vec<ProviderLine> {
    let need = |member: &StackMember| match &member.service.workload {
        Workload::Recipe { .. } => member.service.adapter.clone().map(|adapter| EngineNeed::Recipe { adapter }),
        Workload::Container(_) => Some(EngineNeed::Container),
        Workload::Process(_) => Some(EngineNeed::Process),
        Workload::External(_) => None,
    };
    let needs = valid.members().filter_map(|member| Some((member.name.clone(), need(member)?))).collect();
    let request = EngineRequest { wish: valid.engine.clone(), needs, ..EngineRequest::default() };
    let chosen = match choose_engine(&request, infos, catalogue()) {
        EngineVerdict::Selected { engine, .. } => Some(engine),
        EngineVerdict::NotNeeded
        | EngineVerdict::ForcedUnavailable { .. }
        | EngineVerdict::NoneAvailable { .. }
        | EngineVerdict::Unreachable { .. } => None,
    };
    let line = |info: &EngineInfo| ProviderLine {
        name: format!("{:?}", info.engine),
        available: info.available,
        chosen: chosen == Some(info.engine),
        version: info.version.clone(),
        endpoint: info.endpoint.clone(),
        reason: info.reason.clone(),
    };
    infos.iter().map(line).collect()
}

fn service(valid: &ValidStack, member: &StackMember) -> InspectedService {
    let service = &member.service;
    let recipe = service.adapter.as_deref().and_then(|adapter| catalogue().recipe(adapter));
    let (form, image) = match &service.workload {
        Workload::Recipe { image, .. } => ("adapter", image.clone().or(recipe.map(|recipe| recipe.image.to_string()))),
        Workload::Container(container) => ("container", container.image.clone()),
        Workload::Process(_) => ("process", None),
        Workload::External(_) => ("external", None),
    };
    let offset = valid.port_policy.offset;
    let port = |port: &ValidPort| InspectedPort {
        name: port.name.clone(),
        container: port.container,
        host: host(member, port, offset).filter(|_| port.publish),
        published: port.publish,
    };
    let names: BTreeMap<&str, &str> =
        valid.members().map(|member| (member.service.key.name.as_str(), member.name.as_str())).collect();
    let gate = |gate: &Gate| format!("{} {:?}", names.get(gate.object.as_str()).unwrap_or(&gate.object.as_str()), gate.condition);
    InspectedService {
        name: member.name.clone(),
        form: form.to_owned(),
        adapter: service.adapter.clone(),
        activated: activation(Some(service.mode), None, Nature::Server).map(|reason| reason.to_string()).unwrap_or_default(),
        mode: format!("{:?}", service.mode),
        image,
        ports: service.ports.iter().map(port).collect(),
        gates: service.gates.iter().map(gate).collect(),
    }
}

/// The port of this machine that a port is to have: that of a flag, else the declared or usual one, moved by `--base-port`.
fn host(member: &StackMember, port: &ValidPort, offset: u16) -> Option<u16> {
    let flag = member.service.port_flags.get(&port.name).copied();
    flag.or_else(|| port.declared.or(port.default).map(|host| host.saturating_add(offset)))
}

/// What the project speaks of beside its manifest: what a manifest could take as it is, and what stays out with its reason.
fn others(valid: &ValidStack, seen: &[Seen]) -> (Vec<UnlistedService>, Vec<UnlistedService>) {
    let listed: BTreeSet<&str> = valid.members().filter_map(|member| member.service.adapter.as_deref()).collect();
    let mut by_id: BTreeMap<&str, Vec<&Seen>> = BTreeMap::new();
    for sight in seen.iter().filter(|sight| !listed.contains(sight.id.as_str())) {
        by_id.entry(&sight.id).or_default().push(sight);
    }
    let line = |(id, seen): (&str, Vec<&Seen>)| {
        let strongest = seen.iter().max_by_key(|sight| sight.sighting)?;
        let reason = activation(None, Some(strongest.sighting), strongest.nature)?;
        let places = seen.iter().map(|sight| sight.place.clone()).collect();
        Some((
            reason,
            UnlistedService { name: id.to_owned(), reason: reason.to_string(), message: message(reason, id), seen: places },
        ))
    };
    let (active, inactive): (Vec<_>, Vec<_>) = by_id.into_iter().filter_map(line).partition(|(reason, _)| takes_part(*reason));
    let lines = |rows: Vec<(Reason, UnlistedService)>| rows.into_iter().map(|(_reason, line)| line).collect();
    (lines(active), lines(inactive))
}

fn message(reason: Reason, id: &str) -> String {
    match reason {
        Reason::HintOnly => "package found, nothing configured".to_owned(),
        Reason::OptInRequired => format!("costly to run: list `adapter: {id}` to have it"),
        Reason::NotContainerisable => "keeps its data in files: there is nothing to run".to_owned(),
        _ => format!("configured, and not in the manifest: list `adapter: {id}` to have it started"),
    }
}

/// Fixed ports that somebody holds, and names of variables that more than one service would set.
fn conflicts(active: &[&StackMember], offset: u16) -> Vec<String> {
    let mut claims: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut found = Vec::new();
    for member in active {
        let fixed = member.service.ports.iter().filter(|port| port.publish && port.declared.is_some());
        let held = fixed.filter_map(|port| host(member, port, offset));
        let held = held.filter(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_err());
        found.extend(held.map(|port| format!("port {port} of {} is held", member.name)));
        let recipe = member.service.adapter.as_deref().and_then(|adapter| catalogue().recipe(adapter));
        for (name, _output) in recipe.map_or(&[][..], |recipe| recipe.conventional_names) {
            claims.entry(name).or_default().push(&member.name);
        }
    }
    let contested = claims.into_iter().filter(|(_name, services)| services.len() > 1);
    found.extend(contested.map(|(name, services)| format!("{name} would be set by {}: none of them does", services.join(", "))));
    found
}

fn commands(active: &[&StackMember]) -> Vec<String> {
    let first = active.first().map(|member| format!("koan why {}", member.name));
    let fixed = ["koan up", "koan status", "koan plan --explain"].map(str::to_owned);
    fixed.into_iter().chain(first).chain(["koan down".to_owned()]).collect()
}
