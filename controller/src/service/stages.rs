//! The stages of a visit: validate → questions → gather → decide → plan → apply → conclude → publish.

use std::sync::Arc;

use jiff::SignedDuration;
use koan_core::conclude::{ServiceInput, StepOutcome, Verdict, conclude_service};
use koan_core::decide::{Decision, EngineVerdict, PortAllocation, PortFailure, avoid_refused, decide};
use koan_core::desired::{Desired, Ownership, desired};
use koan_core::facts::{CredentialFact, Facts, admit};
use koan_core::gates;
use koan_core::identity::Owner;
use koan_core::inventory::{Inventory, WorkloadState};
use koan_core::outcome::{Failure, Outcome};
use koan_core::plan::plan;
use koan_core::probe::CredentialRef;
use koan_core::questions::questions;
use koan_core::step::{DataEffect, ObjectRef, Plan, Step, StepAction};
use koan_core::validate::{ValidService, validate_service};
use koan_core::violation::Violations;
use koan_crds::events::Event;
use koan_crds::v1alpha1::{DependencyCondition, EngineName, FailureClass, ServiceSpecStatus};
use koan_crds::vocabulary::Reason;

use super::holding::{held, is_running};
use super::visit::Visit;
use super::{VisitError, probes, reach, record};
use crate::apply::apply;
use crate::arbiter::World;
use crate::gather::{self, GeneratedCredential};
use crate::injection::{Place, login_at};
use crate::publish::next;
use crate::runtime::Next;

/// What a visit worked out about a valid service.
struct Course {
    decision: Decision,
    ports: Option<Result<PortAllocation, PortFailure>>,
    desired: Desired,
    engine: Option<EngineName>,
    inventory: Option<Arc<Inventory>>,
    outcomes: Vec<StepOutcome>,
}

/// Runs every stage once.
pub(super) async fn run(visit: &mut Visit<'_>) -> Result<Next, VisitError> {
    let object = Arc::clone(&visit.object);
    let service = match validate_service(&object, visit.context.recipes) {
        Ok(service) => service,
        Err(violations) => return refuse(visit, &violations).await,
    };
    visit.facts = gather::facts(visit.context, &object, &service).await?;
    if let Err(violations) = admit(&service, &visit.facts) {
        return refuse(visit, &violations).await;
    }
    let mut course = decide_course(visit, &service).await?;
    let plan = plan_course(visit, &service, &mut course).await;
    check(&service, &visit.facts, &course, &plan);
    let promised = promise(visit, &service, &course, &plan).await?;
    perform(visit, &service, &mut course, &plan).await?;
    settle(visit, &service, &course, promised || plan.is_ahead()).await
}

/// What holds of a course before anything of it is done.
fn check(service: &ValidService, facts: &Facts, course: &Course, plan: &Plan) {
    let key = &service.key;
    let provisions = course.decision.provisions();
    assert!(plan.steps.is_empty() || course.engine.is_some(), "{key}: steps and no engine that runs them");
    let deletes = |step: &Step| step.data_effect != DataEffect::None;
    assert!(!plan.steps.iter().any(deletes), "{key}: a service that stays loses no data (S-2)");
    assert!(!plan.starts() || gates::open(&facts.gates), "{key}: it would start before its gates are open (S-10)");
    let makes = plan.steps.iter().any(|step| matches!(step.action, StepAction::Create(_)));
    assert!(!makes || provisions, "{key}: a workload for a service that Koan does not run");
    assert!(!(makes || plan.starts()) || !service.suspend, "{key}: it is suspended and would start");
    let generated = course.decision.credential == Some(CredentialRef::Generated);
    let stored = matches!(facts.generated_credential, CredentialFact::Present { .. });
    assert!(!makes || !generated || stored, "{key}: its data would depend on a credential that is not stored (S-9)");
    assert!(!makes || matches!(course.ports, Some(Ok(_))), "{key}: a workload without the ports that it was promised");
    if let (Some(inventory), Some(engine)) = (&course.inventory, course.engine) {
        assert!(inventory.engine == engine, "{key}: {engine:?} was planned for with what {:?} holds", inventory.engine);
    }
}

/// Questions, answers, decision; then engine, credential, ports and what is wanted.
async fn decide_course(visit: &mut Visit<'_>, service: &ValidService) -> Result<Course, VisitError> {
    let (context, object) = (visit.context, Arc::clone(&visit.object));
    let recipes = context.recipes;
    if let Some(question) = questions(service, &visit.facts, recipes) {
        tell_start(visit, Event::DetectStart, "Looking for a host service").await;
        let report = gather::ask(context, &object, service, &question).await?;
        gather::remember_refused(context, service, &report).await?;
        visit.facts.probe = Some(report);
    }
    let mut decision = decide(service, &visit.facts, recipes);
    visit.facts.reach = reach::reach(context, &object, service, &decision, &visit.subject.about()).await?;
    if visit.facts.reach.unreachable_from_stack {
        decision = decide(service, &visit.facts, recipes);
    }
    record::decision(visit, service, &decision);
    if decision.provisions() {
        tell_start(visit, Event::ProviderSelectStart, "Choosing an engine").await;
    }
    visit.facts.engine = gather::choose(context, service, &decision).await?;
    if let EngineVerdict::Selected { engine, .. } = &visit.facts.engine {
        assert!(context.pool.engine(*engine).is_some(), "{}: {engine:?} was chosen and is not there (B-9)", service.key);
    }
    assert!(visit.facts.instance == context.instance, "{}: facts of another instance", service.key);
    let mut course =
        Course { decision, ports: None, desired: Desired::default(), engine: None, inventory: None, outcomes: Vec::new() };
    if !course.decision.provisions() {
        course.engine = held(visit);
        return Ok(course);
    }
    if let Some(failure) = credential(visit, service, &course.decision).await? {
        course.outcomes.push(failure);
        return Ok(course);
    }
    let holding = is_running(visit, service).await;
    avoid_refused(&course.decision, &mut visit.facts.ports);
    let world = World { host: context.host.as_ref(), now: context.clock.now() };
    let ports = context.arbiter.ports(service, &mut visit.facts.ports, holding, &world);
    if let Ok(ports) = &ports {
        course.desired = desired(service, &course.decision, ports, &visit.facts, recipes);
        course.engine = course.desired.engine.or_else(|| held(visit));
    }
    course.ports = Some(ports);
    let specs = &course.desired.workloads;
    assert!(specs.iter().all(|spec| spec.owner.uid == service.uid), "{}: a workload of another object (P9)", service.key);
    assert!(specs.is_empty() || u32::try_from(specs.len()) == Ok(service.replicas), "{}: {} workloads", service.key, specs.len());
    Ok(course)
}

/// Logs that something begins, on the first visit of a generation.
async fn tell_start(visit: &Visit<'_>, event: Event, message: &str) {
    if visit.status.observed_generation != visit.object.metadata.generation {
        visit.context.events.emit(event, false, &visit.subject.about(), message).await;
    }
}

/// The generated credential is stored before anything that depends on it exists (S-9). A failure ends the visit's course.
async fn credential(
    visit: &mut Visit<'_>,
    service: &ValidService,
    decision: &Decision,
) -> Result<Option<StepOutcome>, VisitError> {
    let generated = decision.credential == Some(CredentialRef::Generated);
    let engine = matches!(visit.facts.engine, EngineVerdict::Selected { .. });
    if !generated || !engine || service.suspend {
        return Ok(None);
    }
    let about = visit.subject.about();
    match gather::ensure_credential(visit.context, service, &mut visit.facts, &about).await? {
        GeneratedCredential::Present => {
            let stored = matches!(visit.facts.generated_credential, CredentialFact::Present { .. });
            assert!(stored, "{}: a credential is there and nobody knows of it (S-9)", service.key);
            Ok(None)
        }
        GeneratedCredential::Lost(message) => {
            visit.facts.generated_credential = CredentialFact::Missing;
            let owner = Ownership::of_service(service, &visit.context.instance).owner;
            Ok(Some(failed(owner, message)))
        }
    }
}

/// The start that a lost credential keeps from being asked for: no engine is called.
fn failed(owner: Owner, message: String) -> StepOutcome {
    let object = ObjectRef { name: "credential".to_owned(), id: None, owner };
    StepOutcome {
        step: Step::alone("credential", "a workload needs it", StepAction::Start(object)),
        outcome: Outcome::Failed(Failure { class: FailureClass::Denied, reason: Reason::ProvisionFailed, message, remedy: None }),
    }
}

/// What the engine holds, and the steps that are missing; none where the engine does not answer.
async fn plan_course(visit: &mut Visit<'_>, service: &ValidService, course: &mut Course) -> Plan {
    if !course.outcomes.is_empty() {
        return Plan::default();
    }
    let Some(engine) = course.engine else { return Plan::default() };
    // Nothing is wanted because the engine did not answer, not because nobody asks for it: what runs there stays.
    let undecided = course.decision.provisions() && course.desired.engine.is_none();
    course.inventory = match visit.context.pool.inventory(engine).await {
        Ok(inventory) => inventory,
        Err(error) => {
            tracing::debug!(key = %visit.key, "no inventory: {error}");
            None
        }
    };
    let Some(inventory) = &course.inventory else { return Plan::default() };
    course.inventory = Some(steady(visit, inventory));
    let Some(inventory) = &course.inventory else { return Plan::default() };
    let counted = inventory
        .workloads
        .iter()
        .filter(|record| record.owner.uid == service.uid)
        .map(|record| i64::from(record.restarts))
        .sum();
    visit.facts.restarts = visit.context.restarts.record(&service.uid, counted).0;
    if undecided || stack_is_going(visit, service).await {
        return Plan::default();
    }
    plan(service, &course.desired, inventory, &visit.facts)
}

/// The stack is being deleted: nothing is made for it any more, which nobody might take down (S-1).
async fn stack_is_going(visit: &Visit<'_>, service: &ValidService) -> bool {
    let Some(stack) = &service.stack else { return false };
    let parent = visit.context.reader.stack(&service.key.namespace, &stack.name).await.ok().flatten();
    parent.is_some_and(|parent| parent.metadata.deletion_timestamp.is_some())
}

/// Two clocks never agree: a start within this time of the one that the status shows is the same start.
const SAME_START: SignedDuration = SignedDuration::from_secs(5);

/// The inventory with the start that the status shows already, where it is the same one (B-6).
fn steady(visit: &Visit<'_>, inventory: &Arc<Inventory>) -> Arc<Inventory> {
    let Some(workload) = &visit.status.workload else { return Arc::clone(inventory) };
    let (Some(id), Some(shown)) = (&workload.id, &workload.started_at) else { return Arc::clone(inventory) };
    let differs = |record: &koan_core::inventory::WorkloadRecord| {
        let started = record.started_at.filter(|_| record.id.0 == *id);
        started.is_some_and(|started| started != shown.0 && started.duration_since(shown.0).abs() <= SAME_START)
    };
    if !inventory.workloads.iter().any(differs) {
        return Arc::clone(inventory);
    }
    let mut inventory = Inventory::clone(inventory);
    for record in inventory.workloads.iter_mut().filter(|record| differs(record)) {
        record.started_at = Some(shown.0);
    }
    Arc::new(inventory)
}

/// Each promise stands in a status write before the step that relies on it.
async fn promise(visit: &mut Visit<'_>, service: &ValidService, course: &Course, plan: &Plan) -> Result<bool, VisitError> {
    if plan.steps.is_empty() {
        return Ok(false);
    }
    let verdict = conclude(visit, Ok(service), Some(course));
    let written = visit.publish(verdict).await?;
    if let Some(Ok(allocation)) = &course.ports {
        let promised: Vec<u16> = visit.status.ports.iter().map(|port| port.host).collect();
        let chosen: Vec<u16> = allocation.ports.iter().filter_map(|port| port.host.map(|(host, _)| host)).collect();
        assert!(promised == chosen, "{}: {chosen:?} is to be published and {promised:?} stands in its status", service.key);
    }
    Ok(written)
}

/// Runs the plan, and probes what runs.
async fn perform(visit: &mut Visit<'_>, service: &ValidService, course: &mut Course, plan: &Plan) -> Result<(), VisitError> {
    let context = visit.context;
    if let Some(engine) = course.engine.filter(|_| !plan.steps.is_empty()) {
        course.outcomes = apply(context, &visit.object, engine, plan, &course.desired.workloads).await;
        let planned = |outcome: &StepOutcome| plan.steps.contains(&outcome.step);
        assert!(course.outcomes.iter().all(planned), "{}: something was done that was not planned", service.key);
        course.inventory = context.pool.known(engine).map(|known| steady(visit, &known)).or_else(|| course.inventory.take());
    }
    note_ports(visit, service, course);
    let running = probes::running(&course.desired, course.inventory.as_deref());
    let Decision { endpoint, detection_method: method, credential, .. } = &course.decision;
    let place = endpoint.as_ref().map(|endpoint| Place { endpoint, method: *method });
    let login = match credential {
        Some(credential) => login_at(context, &visit.object, service, credential, place).await?,
        None => None,
    };
    let unpublished = PortAllocation::default();
    let ports = course.ports.as_ref().and_then(|ports| ports.as_ref().ok()).unwrap_or(&unpublished);
    if course.outcomes.iter().any(begun) {
        // A new run proves itself anew, also under the id of the one before (S-5).
        context.board.leave(&service.key, &context.wake);
    }
    let target = probes::target(context, service, &course.decision, login, running, ports);
    match target.filter(|_| !service.suspend) {
        Some(target) => context.board.watch(&service.key, target, &context.wake),
        None => context.board.leave(&service.key, &context.wake),
    }
    visit.facts.health = context.board.record(&service.key);
    Ok(())
}

/// The last verdict of the visit. What a first write promised is not written again for its workload's id alone: the next
/// write carries it, unless somebody waits for the start (PERF-93).
async fn settle(visit: &mut Visit<'_>, service: &ValidService, course: &Course, promised: bool) -> Result<Next, VisitError> {
    read_log(visit, course).await;
    let verdict = conclude(visit, Ok(service), Some(course));
    let requeue = verdict.requeue;
    let smooth = course.outcomes.iter().all(|step| matches!(step.outcome, Outcome::Done(_)));
    let waits = promised && smooth && !started_is_awaited(visit, service).await?;
    let verdict = if waits { verdict.without_status(visit.status.clone()) } else { verdict };
    visit.publish(verdict).await?;
    Ok(next(requeue))
}

/// Tells the arbiter what the engine said of the ports that it chose (CLI-31).
fn note_ports(visit: &mut Visit<'_>, service: &ValidService, course: &Course) {
    let context = visit.context;
    let Some(Ok(allocation)) = &course.ports else { return };
    if course.outcomes.iter().any(|step| is_port_conflict(step, course.engine)) {
        let world = World { host: context.host.as_ref(), now: context.clock.now() };
        visit.facts.ports.another_follows = context.arbiter.refused(service, allocation, &world);
    } else if course.outcomes.iter().any(begun) {
        context.arbiter.published(&service.key);
    }
}

/// A step that began a run. It was planned because the workload did not run: a reply that says "unchanged" repeats an earlier
/// one that was lost.
fn begun(step: &StepOutcome) -> bool {
    matches!(step.step.action, StepAction::Start(_)) && matches!(&step.outcome, Outcome::Done(_))
}

/// A start that an engine refused because of a port; programs of the host bind their ports themselves.
fn is_port_conflict(step: &StepOutcome, engine: Option<EngineName>) -> bool {
    let refused = matches!(&step.outcome, Outcome::Failed(failure) if failure.reason == Reason::Conflict);
    refused && matches!(step.step.action, StepAction::Start(_)) && engine != Some(EngineName::Process)
}

/// Another service of the stack waits for the start itself, not for readiness.
async fn started_is_awaited(visit: &Visit<'_>, service: &ValidService) -> Result<bool, VisitError> {
    let Some(stack) = &service.stack else { return Ok(false) };
    let parent = visit.context.reader.stack(&service.key.namespace, &stack.name).await?;
    Ok(parent.is_some_and(|parent| {
        let gates = parent.spec.services.iter().flat_map(|entry| entry.service.depends_on.iter().flatten());
        gates.into_iter().any(|gate| gate.name == service.service && gate.condition == Some(DependencyCondition::Started))
    }))
}

/// The last lines of a workload that ended or fails its probes.
async fn read_log(visit: &mut Visit<'_>, course: &Course) {
    let (Some(inventory), Some(first)) = (&course.inventory, course.desired.workloads.first()) else { return };
    let Some(record) = inventory.workloads.iter().find(|record| record.name == first.object) else { return };
    let ended = matches!(record.state, WorkloadState::Exited | WorkloadState::Dead) && record.exit_code != Some(0);
    let failing = visit.facts.health.failures > 0;
    let Some(engine) = visit.context.pool.engine(inventory.engine).filter(|_| ended || failing) else { return };
    let object =
        koan_core::step::ObjectRef { name: record.name.clone(), id: Some(record.id.clone()), owner: record.owner.clone() };
    let references = koan_core::desired::references(first).cloned().collect::<Vec<_>>();
    let place = crate::injection::vantage(&first.run);
    let secrets = match crate::injection::resolve(visit.context, &visit.object, references.clone(), place).await {
        Ok(values) => references.iter().filter_map(|reference| values.get(reference).cloned()).collect(),
        // Without the values nothing could be blotted out, so nothing is shown.
        Err(_) => return,
    };
    let secrets: Vec<_> = secrets;
    visit.facts.log_tail = gather::tail(engine.as_ref(), &object, &secrets).await;
}

fn conclude(visit: &Visit<'_>, valid: Result<&ValidService, &Violations>, course: Option<&Course>) -> Verdict<ServiceSpecStatus> {
    conclude_service(&ServiceInput {
        generation: visit.object.metadata.generation.unwrap_or_default(),
        valid,
        facts: &visit.facts,
        decision: course.map(|course| &course.decision),
        ports: course.and_then(|course| course.ports.as_ref().map(Result::as_ref)),
        desired: course.map(|course| &course.desired),
        inventory: course.and_then(|course| course.inventory.as_deref()),
        outcomes: course.map_or(&[], |course| &course.outcomes),
        deletion: None,
        panic: None,
        recipes: visit.context.recipes,
        old: &visit.status,
        began: &visit.began,
        now: visit.context.clock.now(),
    })
}

/// A service that is not accepted: no effect, and the user sees each violation.
async fn refuse(visit: &mut Visit<'_>, violations: &Violations) -> Result<Next, VisitError> {
    let verdict = conclude(visit, Err(violations), None);
    let requeue = verdict.requeue;
    visit.publish(verdict).await?;
    Ok(next(requeue))
}

/// The verdict about a panic (REL-2).
pub(super) async fn show_panic(visit: &mut Visit<'_>, message: &str) -> Result<(), VisitError> {
    let object = Arc::clone(&visit.object);
    let recipes = visit.context.recipes;
    let valid = validate_service(&object, recipes);
    let verdict = conclude_service(&ServiceInput {
        generation: object.metadata.generation.unwrap_or_default(),
        valid: valid.as_ref(),
        facts: &visit.facts,
        decision: None,
        ports: None,
        desired: None,
        inventory: None,
        outcomes: &[],
        deletion: None,
        panic: Some(message),
        recipes,
        old: &visit.status,
        began: &visit.began,
        now: visit.context.clock.now(),
    });
    visit.publish(verdict).await?;
    Ok(())
}
