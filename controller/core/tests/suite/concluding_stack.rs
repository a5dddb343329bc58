//! `conclude` about a stack: counts, timeline, life, refusal.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use koan_core::conclude::{RequeueClass, StackInput, Verdict, conclude_stack};
use koan_core::decide::EngineVerdict;
use koan_core::inventory::WorkloadState;
use koan_core::validate::validate_stack;
use koan_crds::v1alpha1::{DevStack, DevStackStatus, ServiceSpec};
use koan_crds::vocabulary::ConditionType;

use crate::catalogue::Catalogue;
use crate::world::{SHOP, World, at, docker, member, stack, stack_of, valid_stack};

/// The children of a stack with the statuses that a service controller left.
fn objects(stack: &DevStack, ready: &[(&str, i64)]) -> BTreeMap<String, ServiceSpec> {
    let mut found = BTreeMap::new();
    for child in valid_stack(stack).members() {
        let mut object = member(stack, &child.name);
        let mut world = World::new(crate::world::service(&object));
        let when = ready.iter().find(|(name, _)| *name == child.name).map(|(_, when)| *when);
        world.now = at(0);
        world.visit();
        if let Some(when) = when {
            world.now = at(when);
            world.probe_passes();
            if world.service.restart == koan_crds::v1alpha1::RestartPolicy::Never {
                world.record().state = WorkloadState::Exited;
                world.record().exit_code = Some(0);
            }
            world.visit();
        }
        object.status = Some(world.status);
        found.insert(object.metadata.name.clone().unwrap(), object);
    }
    found
}

fn conclude(
    stack: &DevStack,
    objects: &BTreeMap<String, ServiceSpec>,
    old: &DevStackStatus,
    now: Timestamp,
) -> Verdict<DevStackStatus> {
    conclude_after(stack, objects, (old, None), now)
}

/// The verdict where a service could not be applied, for this reason.
fn conclude_after(
    stack: &DevStack,
    objects: &BTreeMap<String, ServiceSpec>,
    (old, plan_failure): (&DevStackStatus, Option<&str>),
    now: Timestamp,
) -> Verdict<DevStackStatus> {
    let engine: EngineVerdict = docker();
    let valid = validate_stack(stack, &koan_core::validate::StackOptions::default(), &Catalogue::new());
    conclude_stack(&StackInput {
        generation: stack.metadata.generation.unwrap(),
        valid: valid.as_ref(),
        objects,
        engine: &engine,
        env_written: true,
        plan_failure,
        deletion: None,
        panic: None,
        old,
        now,
    })
}

fn stack_reason(status: &DevStackStatus, kind: ConditionType) -> (&str, &str) {
    let condition = status.conditions.iter().find(|condition| condition.type_ == kind.as_str()).expect("there");
    (&condition.status, &condition.reason)
}

/// Api.md `status`: a stack counts its services, somebody else's included, and names those that are not ready.
#[test]
fn a_stack_counts_its_services() {
    let stack = stack(SHOP);
    let all = [("db", 5), ("cache", 4), ("migrate", 8), ("api", 12), ("web", 15)];
    let objects = objects(&stack, &all);
    let verdict = conclude(&stack, &objects, &DevStackStatus::default(), at(20));
    assert_eq!(verdict.status.ready.as_deref(), Some("5/6"), "{:#?}", verdict.status);
    assert_eq!(stack_reason(&verdict.status, ConditionType::Ready), ("False", "ServicesNotReady"));
    let found: Vec<&str> = verdict.status.conditions.iter().map(|condition| condition.type_.as_str()).collect();
    assert_eq!(found, ConditionType::of_stack().map(ConditionType::as_str).collect::<Vec<_>>());
}

/// Api.md `timeline`: the critical path leads back from the last service that became ready.
#[test]
fn a_ready_stack_tells_its_critical_path() {
    let mut stack = stack(SHOP);
    stack.spec.services.retain(|entry| entry.service_ref.is_none());
    let objects = objects(&stack, &[("db", 5), ("cache", 4), ("migrate", 8), ("api", 12), ("web", 15)]);
    let verdict = conclude(&stack, &objects, &DevStackStatus::default(), at(20));
    assert_eq!(stack_reason(&verdict.status, ConditionType::Ready), ("True", "AllReady"));
    let timeline = verdict.status.timeline.clone().unwrap();
    assert_eq!(timeline.critical_path.unwrap(), ["db", "migrate", "api", "web"]);
    assert_eq!(timeline.ready_at.unwrap().0, at(15));
    assert!(verdict.events.iter().any(|event| event.event.id() == 48_021));
    let again = conclude(&stack, &objects, &verdict.status, at(900));
    assert!(!again.changed && again.events.is_empty(), "B-6: {:#?}", again.events);
}

/// S-5, L-1: a generation whose services could not be applied is not ready because those of the last one are; one that was
/// ready stays so while something is put back.
#[test]
fn a_generation_that_was_not_applied_is_not_ready() {
    let mut stack = stack(SHOP);
    stack.spec.services.retain(|entry| entry.service_ref.is_none());
    let objects = objects(&stack, &[("db", 5), ("cache", 4), ("migrate", 8), ("api", 12), ("web", 15)]);
    let before = conclude(&stack, &objects, &DevStackStatus::default(), at(20)).status;
    let failure = Some("ServiceSpec default/shop-db changed meanwhile");
    let same = conclude_after(&stack, &objects, (&before, failure), at(30)).status;
    assert_eq!(stack_reason(&same, ConditionType::Ready), ("True", "AllReady"));
    stack.metadata.generation = stack.metadata.generation.map(|generation| generation + 1);
    let failed = conclude_after(&stack, &objects, (&before, failure), at(30)).status;
    assert_eq!(stack_reason(&failed, ConditionType::Ready), ("False", "ServicesNotReady"));
    assert_eq!(stack_reason(&failed, ConditionType::Planned), ("False", "PlanFailed"));
    let again = conclude_after(&stack, &objects, (&failed, failure), at(31)).status;
    assert_eq!(stack_reason(&again, ConditionType::Ready), ("False", "ServicesNotReady"));
}

/// K-11: an empty stack is valid and ready.
#[test]
fn an_empty_stack_is_ready() {
    let empty = stack("apiVersion: koan.dev/v1alpha1\nkind: DevStack\nmetadata: {name: none, namespace: default}\nspec: {}");
    let verdict = conclude(&empty, &BTreeMap::new(), &DevStackStatus::default(), at(0));
    assert_eq!(
        (verdict.status.ready.as_deref(), stack_reason(&verdict.status, ConditionType::Ready)),
        (Some("0/0"), ("True", "AllReady"))
    );
}

/// Api.md `ttl`: a stack expires that long after its last spec change, says so, and comes back at that moment.
#[test]
fn a_stack_expires() {
    let mut stack = stack_of("- name: db\n  adapter: ledger");
    stack.spec.ttl = Some("2h".into());
    let none = BTreeMap::new();
    let first = conclude(&stack, &none, &DevStackStatus::default(), at(0));
    assert_eq!(first.status.expires_at.as_ref().unwrap().0, at(7200));
    assert_eq!(first.requeue.after, Some(Duration::from_secs(7200)));
    let last = conclude(&stack, &none, &first.status, at(7200));
    assert_eq!(stack_reason(&last.status, ConditionType::Ready), ("False", "Expired"));
    assert!(last.events.iter().any(|event| event.event.id() == 48_089));
}

/// DET-3: a disabled service leaves the count.
#[test]
fn a_disabled_service_leaves_the_count() {
    let stack = stack_of(
        "- name: db\n  adapter: ledger\n  provisioning: {mode: Disabled}\n- name: api\n  container: {image: a}\n  health: {tcp: {port: 80}}",
    );
    let objects = objects(&stack, &[("api", 3)]);
    let verdict = conclude(&stack, &objects, &DevStackStatus::default(), at(5));
    assert_eq!(verdict.status.ready.as_deref(), Some("1/1"));
}

/// Cli.md section 10: an invalid stack tells it once.
#[test]
fn an_invalid_stack_tells_it_once() {
    let stack = stack_of("- name: db\n  adapter: nothing-like-it");
    let none = BTreeMap::new();
    let first = conclude(&stack, &none, &DevStackStatus::default(), at(0));
    assert_eq!(stack_reason(&first.status, ConditionType::Accepted), ("False", "UnknownAdapter"));
    assert_eq!(first.events.iter().map(|event| event.event.id()).collect::<Vec<_>>(), [48_003]);
    assert_eq!(first.requeue.class, RequeueClass::Change);
    assert!(!conclude(&stack, &none, &first.status, at(9)).changed);
}
