//! `conclude`: conditions, events and the next visit.

use std::time::Duration;

use koan_core::conclude::{Deletion, RequeueClass, ServiceInput, StepOutcome, Verdict, conclude_service, restart_delay};
use koan_core::decide::EngineVerdict;
use koan_core::facts::{CredentialFact, GateState, GateVerdict, ProbeFailure};
use koan_core::inventory::WorkloadState;
use koan_core::outcome::{Failure, Outcome};
use koan_core::probe::{Address, Candidate, CandidateReport, CandidateVerdict, ProbeReport};
use koan_core::validate::{ValidService, validate_service};
use koan_crds::v1alpha1::{
    DependencyCondition, DetectionMethod, EngineName, Evidence, EvidenceCode, EvidenceStep, FailureClass, Profile,
    ProvisioningMode, ServiceSpecStatus,
};
use koan_crds::vocabulary::{ConditionType, Reason};

use crate::catalogue::Catalogue;
use crate::world::{World, at, facts, member, only, stack_of};

const API: &str = "- name: api\n  container: {image: \"api:1\"}\n  ports: [{name: http, containerPort: 8080}]\n  health: {http: {path: /, port: http}}";

fn reason(status: &ServiceSpecStatus, kind: ConditionType) -> (String, String) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind.as_str()).expect("the condition is there");
    (condition.status.clone(), condition.reason.clone())
}

fn is(status: &ServiceSpecStatus, kind: ConditionType, truth: &str, wanted: Reason) {
    assert_eq!(reason(status, kind), (truth.to_owned(), wanted.as_str().to_owned()), "{kind}: {:#?}", status.conditions);
}

fn ready() -> World {
    let mut world = World::new(only(API));
    world.visit();
    world.probe_passes();
    world.visit();
    world
}

fn names(verdict: &Verdict<ServiceSpecStatus>) -> Vec<&'static str> {
    verdict.events.iter().map(|event| event.event.as_str()).collect()
}

/// K-5: each condition that applies is there from the first visit.
#[test]
fn every_condition_is_there_from_the_first_visit() {
    let mut world = World::new(only(API));
    let status = world.visit().verdict.status;
    let found: Vec<&str> = status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    let wanted: Vec<&str> = ConditionType::of_service().map(ConditionType::as_str).collect();
    assert_eq!(found, wanted);
    assert!(status.conditions.iter().all(|condition| condition.observed_generation == Some(1)));
}

/// B-1, S-5: a workload that runs is not ready; one whose probe passed for this id and generation is.
#[test]
fn only_a_passed_probe_makes_ready() {
    let mut world = World::new(only(API));
    is(&world.visit().verdict.status, ConditionType::Ready, "False", Reason::NotReady);
    world.probe_passes();
    world.facts.health.generation = 7;
    is(&world.visit().verdict.status, ConditionType::Ready, "False", Reason::NotReady);
    world.facts.health.generation = 1;
    world.facts.health.subject = Some("another".to_owned());
    is(&world.visit().verdict.status, ConditionType::Ready, "False", Reason::NotReady);
    world.probe_passes();
    is(&world.visit().verdict.status, ConditionType::Ready, "True", Reason::Ready);
}

/// B-6, L-3: the hundredth visit writes nothing, says nothing and plans nothing.
#[test]
fn at_rest_nothing_is_written() {
    let mut world = ready();
    for second in 0..100 {
        world.now = at(second * 60);
        let visit = world.visit();
        assert!(!visit.verdict.changed, "{:#?}", visit.verdict.status);
        assert_eq!((visit.verdict.events.len(), visit.plan.steps.len()), (0, 0));
    }
}

/// PERF-70: from nothing to ready the status of a free service is written twice.
#[test]
fn a_free_service_is_written_twice() {
    let mut world = World::new(only(API));
    let mut writes = 0;
    for step in 0..6 {
        world.now = at(step);
        if step == 4 {
            world.probe_passes();
        }
        writes += usize::from(world.visit().verdict.changed);
    }
    assert_eq!(writes, 2);
}

/// PERF-70: a gated service is written three times.
#[test]
fn a_gated_service_is_written_three_times() {
    let gate = |state| GateState { object: "shop-db".to_owned(), condition: DependencyCondition::Ready, state };
    let mut world = World::new(only(API));
    world.facts.gates = vec![gate(GateVerdict::Closed)];
    let mut writes = 0;
    for step in 0..8 {
        world.now = at(step);
        match step {
            3 => world.facts.gates = vec![gate(GateVerdict::Open)],
            6 => world.probe_passes(),
            _ => {}
        }
        writes += usize::from(world.visit().verdict.changed);
    }
    assert_eq!(writes, 3);
}

/// PERF-70: a restart of Koan, which forgets what it probed, writes nothing for a service that was ready.
#[test]
fn a_restart_of_koan_writes_nothing() {
    let mut world = ready();
    world.facts.health = koan_core::facts::HealthRecord::default();
    world.now = at(500);
    assert!(!world.visit().verdict.changed);
}

/// S-6: a transition time moves with its status only, and `observedGeneration` never falls.
#[test]
fn a_transition_time_moves_only_with_its_status() {
    let mut world = World::new(only(API));
    world.visit();
    let time = |world: &World| {
        world.status.conditions.iter().find(|condition| condition.type_ == "Ready").unwrap().last_transition_time.0
    };
    let first = time(&world);
    world.now = at(10);
    world.facts.gates = vec![GateState { object: "x".into(), condition: DependencyCondition::Ready, state: GateVerdict::Closed }];
    world.visit();
    assert_eq!(time(&world), first);
    world.facts.gates.clear();
    world.probe_passes();
    world.visit();
    assert_eq!(time(&world), at(10));
    world.status.observed_generation = Some(9);
    world.visit();
    assert_eq!(world.status.observed_generation, Some(9));
}

/// K-8: over its budget a service is `ReadinessTimeout` with the last probe's word, and reconciling goes on.
#[test]
fn a_service_that_is_late_times_out() {
    let mut world = World::new(only(API));
    world.visit();
    let waiting = world.visit().verdict.requeue;
    assert_eq!((waiting.class, waiting.after), (RequeueClass::Waiting, Some(Duration::from_secs(60))));
    world.facts.health.last =
        Some(ProbeFailure { probe: "http".into(), class: FailureClass::Transient, message: "status 503".into() });
    world.now = at(61);
    let visit = world.visit();
    is(&visit.verdict.status, ConditionType::Ready, "False", Reason::ReadinessTimeout);
    assert_eq!(visit.verdict.status.last_failure.as_ref().unwrap().message, "status 503");
    assert_eq!(names(&visit.verdict), ["ReadinessTimeout"]);
    let record = world.record();
    (record.state, record.exit_code) = (WorkloadState::Exited, Some(3));
    let started_again = world.visit();
    assert_eq!(started_again.verbs(), ["Start"]);
    is(&started_again.verdict.status, ConditionType::Ready, "False", Reason::ReadinessTimeout);
    assert_eq!(world.visit().verdict.events, [], "events only on change");
    world.probe_passes();
    is(&world.visit().verdict.status, ConditionType::Ready, "True", Reason::Ready);
}

/// K-7, S-5: `retries` failures in a row end Ready, one fewer does not.
#[test]
fn failures_in_a_row_end_ready() {
    let mut world = ready();
    world.facts.health.failures = 1;
    assert!(!world.visit().verdict.changed);
    world.facts.health.failures = 2;
    is(&world.visit().verdict.status, ConditionType::Healthy, "False", Reason::ProbeFailed);
}

/// Cli.md section 4: five restarts in ten minutes are a crash loop, two in `ci`; the pause grows and is bounded.
#[test]
fn a_crash_loop_is_named() {
    for (profile, limit) in [(Profile::Local, 5), (Profile::Ci, 2)] {
        let mut world = World::new(ValidService { profile, ..only(API) });
        world.visit();
        world.record().state = WorkloadState::Exited;
        world.record().exit_code = Some(3);
        world.facts.restarts.held = true;
        world.facts.restarts.recent = limit - 1;
        is(&world.visit().verdict.status, ConditionType::Healthy, "False", Reason::Exited);
        world.facts.restarts.recent = limit;
        let visit = world.visit();
        is(&visit.verdict.status, ConditionType::Healthy, "False", Reason::CrashLooping);
        assert_eq!(names(&visit.verdict), ["CrashLooping"]);
        assert_eq!(visit.verdict.requeue.after, Some(restart_delay(limit)));
    }
    assert_eq!([0, 1, 2, 9, 40].map(restart_delay).map(|delay| delay.as_secs()), [0, 1, 2, 256, 300]);
}

/// Api.md "Conditions": the kernel's kill and a job's end have their own words.
#[test]
fn ends_are_told_apart() {
    let mut world = World::new(only(API));
    world.visit();
    world.facts.restarts.held = true;
    world.record().state = WorkloadState::Exited;
    world.record().oom_killed = true;
    is(&world.visit().verdict.status, ConditionType::Healthy, "False", Reason::OOMKilled);
    let mut job = World::new(only("- name: job\n  container: {image: a}\n  restart: Never"));
    job.visit();
    job.record().state = WorkloadState::Exited;
    job.record().exit_code = Some(0);
    is(&job.visit().verdict.status, ConditionType::Ready, "True", Reason::Completed);
}

fn failed(world: &mut World, reason: Reason, class: FailureClass) -> Verdict<ServiceSpecStatus> {
    let visit = world.visit();
    let failure = Failure { class, reason, message: "no such image".into(), remedy: Some("check the name".into()) };
    let step = visit.plan.steps.last().cloned().expect("a step");
    let outcomes = [StepOutcome { step, outcome: Outcome::Failed(failure) }];
    world.inventory.workloads.clear();
    world.conclude(&Catalogue::new(), &visit.decision, &visit.ports, &visit.desired, &outcomes, None)
}

/// Style rule 17: the class of a failure decides when to come back; its reason stands in the condition with its remedy.
#[test]
fn a_failed_step_shows_its_reason_and_class() {
    let verdict = failed(&mut World::new(only(API)), Reason::ImagePullFailed, FailureClass::Denied);
    is(&verdict.status, ConditionType::Healthy, "False", Reason::ImagePullFailed);
    assert_eq!(verdict.requeue.class, RequeueClass::Slow);
    assert_eq!(verdict.status.last_failure.as_ref().unwrap().message, "no such image");
    let verdict = failed(&mut World::new(only(API)), Reason::ForeignResource, FailureClass::Transient);
    is(&verdict.status, ConditionType::Provisioned, "False", Reason::ForeignResource);
    assert_eq!(verdict.requeue.class, RequeueClass::Backoff);
    let verdict = failed(&mut World::new(only(API)), Reason::Exhausted, FailureClass::Denied);
    is(&verdict.status, ConditionType::PortsAllocated, "False", Reason::Exhausted);
}

/// B-8: `Never` without a usable host service is an error that the user sees.
#[test]
fn a_required_host_service_that_is_missing_is_an_error() {
    let mut world = World::new(ValidService { mode: ProvisioningMode::Never, ..only("- name: db\n  adapter: ledger") });
    let visit = world.visit();
    is(&visit.verdict.status, ConditionType::Provisioned, "False", Reason::HostServiceRequired);
    is(&visit.verdict.status, ConditionType::Ready, "False", Reason::NotReady);
    assert!(names(&visit.verdict).contains(&"HostServiceRequired"));
    assert_eq!((visit.plan.steps.len(), visit.verdict.requeue.class), (0, RequeueClass::Slow));
    assert!(!world.visit().verdict.changed);
}

/// B-8, DET-4: the user sees each candidate with the code that decided about it; whose listener it is decides nothing.
#[test]
fn a_required_host_service_names_each_candidate_with_its_code() {
    let mut world = World::new(ValidService { mode: ProvisioningMode::Never, ..only("- name: db\n  adapter: ledger") });
    let line = |step, code, endpoint: &str| Evidence { step, code, endpoint: Some(endpoint.to_owned()), detail: None };
    let evidence = vec![
        line(EvidenceStep::Identify, EvidenceCode::Identified, "127.0.0.1:5432"),
        line(EvidenceStep::Own, EvidenceCode::OwnerUser, "127.0.0.1:5432"),
        line(EvidenceStep::Authenticate, EvidenceCode::CredentialRejected, "127.0.0.1:5432"),
        line(EvidenceStep::Identify, EvidenceCode::WrongProtocol, "[::1]:5432"),
        line(EvidenceStep::Own, EvidenceCode::OwnerSystem, "[::1]:5432"),
        line(EvidenceStep::Identify, EvidenceCode::Identified, "127.0.0.1:5433"),
        line(EvidenceStep::Own, EvidenceCode::KoanOwned, "127.0.0.1:5433"),
    ];
    let candidate = Candidate {
        method: DetectionMethod::Automatic,
        source: None,
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: 5432 },
        named_by_manifest: false,
        tls: None,
        database: None,
    };
    let report = CandidateReport { candidate, verdict: CandidateVerdict::Rejected, evidence, refused: Vec::new() };
    world.facts.probe = Some(ProbeReport { candidates: vec![report], fault: None });
    let visit = world.visit();
    let message = &visit.verdict.status.conditions.iter().find(|c| c.type_ == "Provisioned").unwrap().message;
    let all = "127.0.0.1:5432 CredentialRejected, [::1]:5432 WrongProtocol, 127.0.0.1:5433 KoanOwned;";
    assert!(message.contains(all), "{message}");
}

/// DET-23: a credential that is gone while its data live is named with its volume; nothing is created.
#[test]
fn a_lost_credential_names_secret_and_volume() {
    let mut world = World::new(ValidService { mode: ProvisioningMode::Always, ..only("- name: db\n  adapter: ledger") });
    world.visit();
    world.inventory.workloads.clear();
    world.facts.retained = world.inventory.volumes.clone();
    world.facts.generated_credential = CredentialFact::Missing;
    world.facts.versions.clear();
    world.provided = false;
    let visit = world.visit();
    is(&visit.verdict.status, ConditionType::Provisioned, "False", Reason::ProvisionFailed);
    let message = &visit.verdict.status.conditions.iter().find(|c| c.type_ == "Provisioned").unwrap().message;
    assert!(message.contains("shop-db-credentials") && message.contains(&world.inventory.volumes[0].name), "{message}");
    assert_eq!(visit.plan.steps, []);
}

/// S-6, B-10: an invalid edit says what is wrong and leaves what runs alone.
#[test]
fn an_invalid_edit_says_what_is_wrong() {
    let world = ready();
    let mut object = member(&stack_of(API), "api");
    object.spec.service.health = None;
    let violations = validate_service(&object, &Catalogue::new()).expect_err("invalid");
    let (catalogue, facts) = (Catalogue::new(), facts());
    let verdict = conclude_service(&ServiceInput {
        generation: 2,
        valid: Err(&violations),
        facts: &facts,
        decision: None,
        ports: None,
        desired: None,
        inventory: None,
        outcomes: &[],
        deletion: None,
        panic: None,
        recipes: &catalogue,
        old: &world.status,
        began: &world.status,
        now: at(9),
    });
    is(&verdict.status, ConditionType::Accepted, "False", Reason::Invalid);
    is(&verdict.status, ConditionType::Ready, "False", Reason::NotReady);
    is(&verdict.status, ConditionType::Healthy, "Unknown", Reason::Pending);
    assert_eq!(verdict.status.workload, world.status.workload);
    assert_eq!(verdict.requeue.class, RequeueClass::Change);
}

/// L-6, REL-2: a deletion that cannot go on says why; one that goes on writes nothing; a panic is shown as such.
#[test]
fn deletion_and_panic_have_their_words() {
    let mut world = ready();
    let visit = world.visit();
    let catalogue = Catalogue::new();
    let conclude =
        |deletion: &Deletion| world.conclude(&catalogue, &visit.decision, &visit.ports, &visit.desired, &[], Some(deletion));
    assert!(!conclude(&Deletion::Running).changed);
    let blocked = conclude(&Deletion::Blocked { reason: Reason::EngineUnreachable, message: "id-1 is left".into() });
    is(&blocked.status, ConditionType::CleanupBlocked, "True", Reason::EngineUnreachable);
    is(&blocked.status, ConditionType::Ready, "False", Reason::Terminating);
    assert_eq!(names(&blocked), ["CleanupBlocked"]);
    assert_eq!(blocked.requeue.class, RequeueClass::Backoff);
}

/// CLI-36: what happened to a workload is told once, by the event that fits.
#[test]
fn events_tell_what_happened_to_a_workload() {
    let mut world = World::new(only(API));
    assert!(names(&world.visit().verdict).contains(&"ContainerCreated"));
    world.probe_passes();
    world.visit();
    world.record().state = WorkloadState::Exited;
    assert!(names(&world.visit().verdict).contains(&"DriftRepaired"));
    world.service.env.push(koan_core::workload::EnvEntry { name: "A".into(), value: koan_core::text::Text::plain("b") });
    assert!(names(&world.visit().verdict).contains(&"ContainerReplaced"));
}

/// P22, CLI-36: a workload that was taken away is told as repaired, also where an earlier visit saw it gone and could not act.
#[test]
fn p22_a_lost_workload_is_told_as_repaired() {
    let mut world = ready();
    let visit = world.visit();
    world.inventory.workloads.clear();
    let seen = world.conclude(&Catalogue::new(), &visit.decision, &visit.ports, &visit.desired, &[], None);
    is(&seen.status, ConditionType::Ready, "False", Reason::NotReady);
    assert!(seen.status.workload.as_ref().is_some_and(|workload| workload.id.is_none()), "{:?}", seen.status.workload);
    world.status = seen.status;
    assert_eq!(names(&world.visit().verdict), ["DriftRepaired"]);
}

/// K-4, ENG-10: where the choice of an engine falls to programs of the host, the condition says that limits bound nothing.
#[test]
fn limits_that_the_chosen_engine_cannot_keep_are_told() {
    let message = |engine| {
        let mut world = World::new(only("- name: db\n  adapter: ledger\n  resources: {memory: 512Mi}"));
        world.facts.engine =
            EngineVerdict::Selected { engine, version: None, endpoint: None, evidence: vec!["nothing else answers".to_owned()] };
        let conditions = world.visit().verdict.status.conditions;
        let selected = conditions.into_iter().find(|condition| condition.type_ == "EngineSelected").expect("it is there");
        (selected.reason, selected.message)
    };
    let told = "Process: nothing else answers; resources bounds nothing: a program of the host runs without limits";
    assert_eq!(message(EngineName::Process), ("Selected".to_owned(), told.to_owned()));
    assert_eq!(message(EngineName::Docker).1, "Docker: nothing else answers");
}
