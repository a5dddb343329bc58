//! The plan of a stack as documents show it: the controllers' own stages, without an effect (CLI-13, CLI-14, P23).

use std::collections::BTreeMap;
use std::sync::Arc;

use koan_adapters::{LiveProber, catalogue};
use koan_controller::{ApiReader, Controllers, PlanError, PlanReport as Planned, Reader, ServicePlan};
use koan_core::decide::EngineVerdict;
use koan_core::step::{DataEffect, Downtime, Step};
use koan_core::validate::{ProfileSource, StackOptions};
use koan_crds::labels;
use koan_crds::v1alpha1::{DevStack, EngineName};
use koan_crds::vocabulary::{ExitCode, Reason};
use kube::ResourceExt;

use super::changes::changes;
use super::promised::Fate;
use super::shelf::{Shelf, nobody};
use super::{Run, environment};
use crate::engines::Engines;
use crate::failure::Failure;
use crate::home::Session;
use crate::manifest::Document as Manifest;
use crate::output::{DecisionLine, EngineLine, Header, PlanReport, PortLine, StepView, evidence, say};

/// How a plan is made and shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    /// Evidence, ports and gates are shown.
    pub(crate) explained: bool,
    /// Changed fields are shown.
    pub(crate) diff: bool,
    /// Host services are looked for again.
    pub(crate) redetect: bool,
    /// No engine is asked: decisions without steps.
    pub(crate) offline: bool,
}

/// A plan, and the failure that `up` would end with.
pub(crate) struct Outlook {
    pub(crate) report: PlanReport,
    /// Of the manifest, and of what the chosen engines cannot keep.
    warnings: Vec<String>,
    /// What happens to the workload of each service.
    pub(crate) fates: BTreeMap<String, Fate>,
    pub(crate) failure: Option<Failure>,
}

/// Plans one stack; `documents` are those that an apply would store beside it. Without a session nothing is stored yet, and no server is started for it.
///
/// # Errors
/// [`Failure::Condition`] where the manifest is refused; [`Failure::Usage`] for a cluster.
pub(crate) async fn plan(
    run: &Run,
    session: Option<&Session>,
    documents: &[Manifest],
    manifest: &Manifest,
    manner: Manner,
) -> Result<Outlook, Failure> {
    let home = match session.map(|session| &session.home) {
        Some(None) => {
            return Err(Failure::Usage {
                message: "a cluster plans by itself".to_owned(),
                hint: "kubectl diff -f FILE shows what would change".to_owned(),
            });
        }
        Some(Some(home)) => home.clone(),
        None => crate::home::prepare(&run.settings.home)?,
    };
    let client = session.map_or_else(nobody, |session| session.client.clone());
    let stored: Option<Arc<dyn Reader>> = session.map(|session| Arc::new(ApiReader::new(session.client.clone())) as _);
    let shelf = Shelf::new(stored, documents, environment::secret_of(run, manifest));
    let before = shelf.stack(&namespace(manifest), manifest.name()).await.map_err(|error| refused(&PlanError::Read(error)))?;
    let stack = standing(manifest, before.as_deref(), manner.redetect)?;
    let engines = Engines::of_home(&home, &run.settings)?;
    let controllers = Controllers::builder(client, engines.instance().clone(), catalogue(), Arc::new(LiveProber::default()))
        .engines(if manner.offline { Vec::new() } else { engines.all().to_vec() })
        .reader(Arc::new(shelf))
        .build();
    let options = StackOptions { profile: None, export: false };
    let planned = controllers.plan_stack(&stack, &options).await.map_err(|error| refused(&error))?;
    let failure = if manner.offline { None } else { obstacle(&planned) };
    let fates = planned.services.iter().map(|service| (service.service.clone(), Fate::of(&service.plan))).collect();
    let warnings = planned.warnings.iter().map(ToString::to_string).collect();
    Ok(Outlook { report: report(&stack, before.as_deref(), &planned, manner), warnings, fates, failure })
}

impl Outlook {
    /// Says what the manifest alone did not let anybody warn of.
    pub(crate) fn warn(&self, quiet: bool, told: &[String]) {
        for warning in self.warnings.iter().filter(|warning| !told.contains(warning)) {
            say(quiet, &format!("warning: {warning}"));
        }
    }
}

fn namespace(manifest: &Manifest) -> String {
    manifest.value.pointer("/metadata/namespace").and_then(|value| value.as_str()).unwrap_or("default").to_owned()
}

/// The stack as it would stand after the apply: with the identity of the stored one.
fn standing(manifest: &Manifest, stored: Option<&DevStack>, redetect: bool) -> Result<DevStack, Failure> {
    let mut stack: DevStack =
        serde_json::from_value(manifest.value.clone()).map_err(|error| Failure::Bug { message: error.to_string() })?;
    if redetect {
        stack.annotations_mut().insert(labels::REDETECT.to_owned(), jiff::Timestamp::now().to_string());
    }
    if let Some(stored) = stored {
        stack.metadata.uid.clone_from(&stored.metadata.uid);
        stack.metadata.generation = stored.metadata.generation;
        stack.status.clone_from(&stored.status);
        if let Some(mark) = stored.annotations().get(labels::REBUILD) {
            stack.annotations_mut().entry(labels::REBUILD.to_owned()).or_insert_with(|| mark.clone());
        }
    }
    Ok(stack)
}

fn report(stack: &DevStack, before: Option<&DevStack>, planned: &Planned, manner: Manner) -> PlanReport {
    let spec = |stack: &DevStack| serde_json::to_value(&stack.spec).unwrap_or_default();
    let changes = before.map(|before| changes(&spec(before), &spec(stack), "spec")).unwrap_or_default();
    let steps: Vec<StepView> = planned.plan.steps.iter().map(step).collect();
    let idle = planned.services.iter().filter(|service| service.plan.steps.is_empty() && in_the_way(service).is_none());
    let obstacles = if manner.offline { Vec::new() } else { obstacles(planned) };
    let summary = match steps.len() {
        _ if manner.offline => "no engine was asked: decisions without steps".to_owned(),
        0 if obstacles.is_empty() => "nothing to do".to_owned(),
        0 => "nothing can be done".to_owned(),
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    };
    let (profile, source) = profile(stack);
    PlanReport {
        header: Header::of("PlanReport"),
        stack: stack.name_any(),
        profile,
        profile_source: source,
        engine: if manner.offline { None } else { engine(planned) },
        decisions: planned.services.iter().map(|service| decision(stack, service)).collect(),
        ports: planned.services.iter().flat_map(ports).collect(),
        changes,
        unchanged: if manner.offline { Vec::new() } else { idle.map(|service| service.service.clone()).collect() },
        steps,
        obstacles,
        summary,
        explained: manner.explained,
        diff: manner.diff,
    }
}

/// The profile of a stack and where it comes from (CLI-23).
pub(crate) fn profile(stack: &DevStack) -> (String, String) {
    let word = format!("{:?}", stack.spec.profile.unwrap_or_default()).to_ascii_lowercase();
    let noted = stack.annotations().get(labels::PROFILE_SOURCE).cloned();
    let written = if stack.spec.profile.is_some() { ProfileSource::File } else { ProfileSource::Default };
    (word, noted.unwrap_or_else(|| format!("{written:?}").to_ascii_lowercase()))
}

/// The engine that services of the stack get; a process engine beside a container engine goes without saying.
fn engine(planned: &Planned) -> Option<EngineLine> {
    let mut chosen = planned.services.iter().filter_map(|service| match &service.engine {
        EngineVerdict::Selected { engine, version, endpoint, evidence } => {
            let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
            let endpoint = endpoint.as_ref().map(|endpoint| format!(" ({endpoint})")).unwrap_or_default();
            Some((*engine, EngineLine { name: format!("{engine:?}{version}{endpoint}"), why: evidence.clone() }))
        }
        EngineVerdict::NotNeeded
        | EngineVerdict::ForcedUnavailable { .. }
        | EngineVerdict::NoneAvailable { .. }
        | EngineVerdict::Unreachable { .. } => None,
    });
    let first = chosen.next()?;
    let line =
        chosen.find(|(engine, _)| *engine != EngineName::Process).filter(|_| first.0 == EngineName::Process).unwrap_or(first);
    Some(line.1)
}

fn decision(stack: &DevStack, service: &ServicePlan) -> DecisionLine {
    let entry = stack.spec.services.iter().find(|entry| entry.name == service.service);
    let gates = entry.and_then(|entry| entry.service.depends_on.as_ref()).into_iter().flatten();
    let disabled = service.decision.reason == Reason::Disabled;
    DecisionLine {
        service: service.service.clone(),
        activated: if disabled { Reason::Disabled } else { Reason::ExplicitConfig }.to_string(),
        action: format!("{:?}", service.decision.action),
        reason: service.decision.reason.to_string(),
        evidence: service.decision.evidence.iter().map(evidence).collect(),
        gates: gates.map(|gate| format!("{} {:?}", gate.name, gate.condition.unwrap_or_default())).collect(),
    }
}

fn ports(service: &ServicePlan) -> Vec<PortLine> {
    let allocated = service.ports.iter().filter_map(|ports| ports.as_ref().ok()).flat_map(|ports| &ports.ports);
    allocated
        .filter_map(|port| {
            let (host, source) = port.host?;
            Some(PortLine {
                service: service.service.clone(),
                name: port.name.clone(),
                container: port.container,
                host,
                source: format!("{source:?}"),
            })
        })
        .collect()
}

fn step(step: &Step) -> StepView {
    StepView {
        id: step.id.0,
        verb: step.action.verb().to_owned(),
        object: step.object.clone(),
        cause: step.cause.clone(),
        evidence: step.evidence.clone(),
        downtime: match step.downtime {
            Downtime::None => "None",
            Downtime::Restart => "Restart",
            Downtime::Recreate => "Recreate",
        }
        .to_owned(),
        data_effect: match step.data_effect {
            DataEffect::None => "None",
            DataEffect::Deleted => "Deleted",
        }
        .to_owned(),
        depends_on: step.depends_on.iter().map(|id| id.0).collect(),
    }
}

/// What keeps one service from coming up: reason, sentence, what to do.
fn in_the_way(service: &ServicePlan) -> Option<(Reason, String, Option<String>)> {
    if service.decision.reason == Reason::HostServiceRequired {
        let message = format!("service `{}` must use a host service, and none is usable", service.service);
        return Some((
            Reason::HostServiceRequired,
            message,
            Some("start it, correct its credential, or set mode: Auto".to_owned()),
        ));
    }
    match &service.engine {
        EngineVerdict::NotNeeded | EngineVerdict::Selected { .. } => {}
        EngineVerdict::ForcedUnavailable { message, remedy, .. }
        | EngineVerdict::NoneAvailable { message, remedy }
        | EngineVerdict::Unreachable { message, remedy, .. } => {
            let message = format!("service `{}`: {message}", service.service);
            return Some((service.engine.reason(), message, Some(remedy.clone())));
        }
    }
    match &service.ports {
        Some(Err(failure)) => {
            Some((failure.reason, format!("service `{}`: {}", service.service, failure.message), Some(failure.remedy.clone())))
        }
        Some(Ok(_)) | None => None,
    }
}

fn obstacles(planned: &Planned) -> Vec<String> {
    planned.services.iter().filter_map(in_the_way).map(|(reason, message, _)| format!("{message} ({reason})")).collect()
}

/// The failure with the strongest exit code (CLI-17).
fn obstacle(planned: &Planned) -> Option<Failure> {
    let found: Vec<_> = planned.services.iter().filter_map(|service| Some((service, in_the_way(service)?))).collect();
    let first = ExitCode::first_of(found.iter().map(|(_, (reason, _, _))| ExitCode::of(*reason)));
    let (service, (reason, message, remedy)) = found.into_iter().find(|(_, (reason, _, _))| ExitCode::of(*reason) == first)?;
    let proof = reason == Reason::HostServiceRequired;
    let details = if proof { service.decision.evidence.iter().map(evidence).collect() } else { Vec::new() };
    Some(Failure::Condition { reason, message, details, hints: remedy.into_iter().collect(), event: None })
}

fn refused(error: &PlanError) -> Failure {
    let (reason, hint) = match error {
        PlanError::Invalid(violations) => (violations.reason(), "`koan validate` shows every violation with its place"),
        PlanError::Read(_) => (Reason::PlanFailed, "`koan doctor` checks the home"),
    };
    Failure::Condition {
        reason,
        message: error.to_string(),
        details: Vec::new(),
        hints: vec![hint.to_owned()],
        event: Some(koan_crds::events::Event::PlanBuildError.id()),
    }
}
