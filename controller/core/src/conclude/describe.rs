//! The parts of a service's status beside its conditions: decision, ports, endpoints, workload, outputs, last failure.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use koan_crds::v1alpha1::{Action, DecisionStatus, Endpoints, LastFailure, ServicePort, ServiceSpecStatus, WorkloadStatus};
use koan_crds::vocabulary::Reason;

use super::conditions::Truth;
use super::health;
use super::service::{Judgement, ServiceInput, failure};
use crate::decide::Decision;
use crate::outputs::{output_names, safe_endpoint};
use crate::probe::{Address, Tls};
use crate::recipe::Recipe;
use crate::validate::{ValidService, Workload};

/// Longest text of a failure's message.
const MAX_MESSAGE: usize = 1_024;
/// Most lines of a log tail.
const MAX_TAIL: usize = 20;

/// The status of a valid service, without conditions.
pub(super) fn status(input: &ServiceInput, service: &ValidService, judgement: &Judgement) -> ServiceSpecStatus {
    let recipe = service.adapter.as_deref().and_then(|id| input.recipes.recipe(id));
    let endpoints = endpoints(input, service, recipe, judgement);
    let old = input.old;
    ServiceSpecStatus {
        observed_generation: old.observed_generation,
        decision: input
            .decision
            .map(|decision| self::decision(input, service, recipe, decision))
            .or_else(|| old.decision.clone()),
        endpoints,
        workload: workload(input, judgement),
        ports: ports(input),
        outputs: input.decision.map_or_else(|| old.outputs.clone(), |decision| outputs(service, recipe, decision)),
        last_failure: last_failure(input, judgement),
        inference: old.inference.clone(),
        conditions: Vec::new(),
    }
}

fn decision(input: &ServiceInput, service: &ValidService, recipe: Option<&Recipe>, decision: &Decision) -> DecisionStatus {
    let endpoint = match decision.action {
        Action::UseHostService | Action::NoAction => decision.endpoint.clone(),
        Action::ProvisionContainer => host_address(input, service, decision),
    };
    let fresh = DecisionStatus {
        action: decision.action,
        reason: decision.reason.as_str().to_owned(),
        endpoint: endpoint.map(|address| safe_endpoint(service, recipe, &address, decision.tls.as_ref())),
        detection_method: decision.detection_method,
        credential: decision.credential.as_ref().map(crate::probe::CredentialRef::name),
        server_id: decision.server_id.clone(),
        evidence: decision.evidence.clone(),
        observed_at: None,
        generation: Some(input.generation),
    };
    let before = input.old.decision.as_ref();
    let asked_again = service.redetect.is_some_and(|asked| {
        let observed = before.and_then(|before| before.observed_at.as_ref());
        observed.is_none_or(|observed| observed.0.as_second() < asked.as_second())
    });
    let same = before.filter(|before| !asked_again && DecisionStatus { observed_at: None, ..(*before).clone() } == fresh);
    let observed_at = same.and_then(|before| before.observed_at.clone());
    DecisionStatus { observed_at: Some(observed_at.unwrap_or(Time(input.now))), ..fresh }
}

/// Address of the service from a process of the host.
fn host_address(input: &ServiceInput, service: &ValidService, decision: &Decision) -> Option<Address> {
    match decision.action {
        Action::UseHostService | Action::NoAction => decision.endpoint.clone(),
        Action::ProvisionContainer => {
            let main = service.ports.first()?;
            let allocation = input.ports?.ok()?;
            let port = allocation.host_port(main.container)?;
            Some(Address::Tcp { host: "127.0.0.1".to_owned(), port })
        }
    }
}

/// Address of the service from a container of its stack.
fn stack_address(input: &ServiceInput, service: &ValidService, recipe: Option<&Recipe>, decision: &Decision) -> Option<Address> {
    if input.facts.reach.stack.is_some() {
        return input.facts.reach.stack.clone();
    }
    let alone = matches!(service.workload, Workload::Process(_) | Workload::External(_));
    let process = input.desired.is_some_and(|desired| desired.networks.is_empty());
    let port = recipe.and_then(|recipe| recipe.stack_port).or_else(|| Some(service.ports.first()?.container))?;
    (decision.provisions() && !alone && !process).then(|| Address::Tcp { host: service.service.clone(), port })
}

/// A vantage is published only after the service was proved (DET-30); it stays while it says the same.
fn endpoints(input: &ServiceInput, service: &ValidService, recipe: Option<&Recipe>, judgement: &Judgement) -> Option<Endpoints> {
    let decision = input.decision?;
    // A file of authorities lies on the host, not in a container.
    let inside = decision.tls.clone().map(|tls| Tls { authorities: None, ..tls });
    let spell =
        |address: Option<Address>, tls: Option<&Tls>| address.map(|address| safe_endpoint(service, recipe, &address, tls));
    let computed = Endpoints {
        host: spell(host_address(input, service, decision), decision.tls.as_ref()),
        stack: spell(stack_address(input, service, recipe, decision), inside.as_ref()),
        cluster: None,
    };
    let proved = judgement.health.judged.truth == Truth::Yes && !judgement.health.completed;
    let found = (proved || input.old.endpoints.as_ref() == Some(&computed)).then_some(computed);
    found.filter(|endpoints| *endpoints != Endpoints::default())
}

fn ports(input: &ServiceInput) -> Vec<ServicePort> {
    match input.ports {
        Some(Ok(allocation)) => allocation
            .ports
            .iter()
            .filter_map(|port| {
                let (host, source) = port.host?;
                Some(ServicePort { name: port.name.clone(), container: port.container, host, source })
            })
            .collect(),
        Some(Err(_)) | None => input.old.ports.clone(),
    }
}

fn outputs(service: &ValidService, recipe: Option<&Recipe>, decision: &Decision) -> Vec<String> {
    match (decision.action, decision.reason) {
        (Action::NoAction, Reason::ManagedExternally) | (Action::UseHostService | Action::ProvisionContainer, _) => {
            let login =
                decision.credential.as_ref().is_some_and(|credential| *credential != crate::probe::CredentialRef::Anonymous);
            output_names(service, recipe, login)
        }
        (Action::NoAction, _) => Vec::new(),
    }
}

/// The workload, once there is more to say than that it starts: the status is not written for a start alone (PERF-70).
fn workload(input: &ServiceInput, judgement: &Judgement) -> Option<WorkloadStatus> {
    let before = input.old.workload.as_ref();
    let record = health::record(input);
    let starting = matches!(judgement.health.judged.reason, Reason::Starting | Reason::Pending);
    let wanted = input.desired.and_then(|desired| desired.workloads.first());
    let Some(sound) = record.filter(|record| wanted.is_some_and(|wanted| wanted.hash == record.hash)) else {
        let gone = record.is_none()
            && wanted.is_some()
            && before.is_some_and(|before| Some(before.engine) == input.desired.and_then(|desired| desired.engine));
        return match before {
            Some(before) if input.inventory.is_none() || input.facts.completed => Some(before.clone()),
            // It was taken away: that it once stood is what tells a repair from a first start.
            Some(before) if gone => Some(WorkloadStatus { id: None, ..before.clone() }),
            Some(_) | None => None,
        };
    };
    let same = before.filter(|before| before.id.as_deref() == Some(sound.id.0.as_str()));
    if starting && !input.facts.publish_start && same.is_none() {
        return None;
    }
    let passed = input.facts.health.first_passed.filter(|_| input.facts.health.subject.as_deref() == Some(sound.id.0.as_str()));
    let ready_at = same.and_then(|before| before.ready_at.clone()).or_else(|| passed.map(Time));
    Some(WorkloadStatus {
        engine: input.desired.and_then(|desired| desired.engine).unwrap_or_default(),
        id: Some(sound.id.0.clone()),
        image: sound.image.clone(),
        image_digest: sound.image_digest.clone(),
        platform: sound.platform.clone(),
        started_at: sound.started_at.map(Time),
        ready_at,
        restarts: Some(input.facts.restarts.total),
        exit_code: sound.exit_code,
        restarted_for: served(input, &sound.id.0),
    })
}

/// The restart request that this workload answers: it has another id than the one that was asked for.
fn served(input: &ServiceInput, id: &str) -> Option<String> {
    let request = input.valid.ok().and_then(|service| service.restart_request.clone());
    request.filter(|request| request != id)
}

/// The last failure that matters; the noise of a start is none. The same failure keeps its log tail, so that nothing is written anew.
fn last_failure(input: &ServiceInput, judgement: &Judgement) -> Option<LastFailure> {
    let fresh = fresh_failure(input, judgement);
    let before = input.old.last_failure.as_ref();
    match (fresh, before) {
        (Some(fresh), Some(before)) if before.probe == fresh.probe && before.message == fresh.message => Some(before.clone()),
        (Some(fresh), _) => Some(fresh),
        (None, Some(before)) if !judgement.ready.is_true() => Some(before.clone()),
        (None, _) => None,
    }
}

fn fresh_failure(input: &ServiceInput, judgement: &Judgement) -> Option<LastFailure> {
    let tail = || {
        let skipped = input.facts.log_tail.len().saturating_sub(MAX_TAIL);
        input.facts.log_tail.iter().skip(skipped).map(|line| line.chars().take(MAX_MESSAGE).collect()).collect()
    };
    if let Some((step, failure)) = failure(input.outcomes) {
        return Some(LastFailure {
            probe: step.action.verb().to_owned(),
            class: failure.class,
            message: failure.message.chars().take(MAX_MESSAGE).collect(),
            log_tail: Vec::new(),
        });
    }
    match judgement.health.judged.reason {
        Reason::ProbeFailed => input.facts.health.last.as_ref().map(|last| LastFailure {
            probe: last.probe.clone(),
            class: last.class,
            message: last.message.chars().take(MAX_MESSAGE).collect(),
            log_tail: tail(),
        }),
        Reason::Exited | Reason::OOMKilled | Reason::CrashLooping if !judgement.health.judged.is_true() => Some(LastFailure {
            probe: "workload".to_owned(),
            class: koan_crds::v1alpha1::FailureClass::Transient,
            message: judgement.health.judged.message.clone(),
            log_tail: tail(),
        }),
        _ => None,
    }
}
