//! `plan`: what is done, in which order, and above all what is not done.

use koan_core::desired::{Ownership, changed_fields};
use koan_core::facts::{GateState, GateVerdict};
use koan_core::inventory::WorkloadState;
use koan_core::plan::{hold, plan, plan_deletion, plan_stack};
use koan_core::step::{Downtime, StepAction};
use koan_core::text::Text;
use koan_core::validate::ValidService;
use koan_core::workload::Run;
use koan_crds::v1alpha1::{DependencyCondition, EngineName, Profile, ProvisioningMode, RestartPolicy, VolumeReclaim};

use crate::world::{World, empty, only};

const API: &str = "- name: api\n  container: {image: \"api:1\"}\n  ports: [{name: http, containerPort: 8080}]\n  health: {http: {path: /, port: http}}\n  env: [{name: LEVEL, value: info}]";

fn db() -> ValidService {
    ValidService { mode: ProvisioningMode::Always, ..only("- name: db\n  adapter: ledger") }
}

fn gate(state: GateVerdict) -> GateState {
    GateState { object: "shop-db".to_owned(), condition: DependencyCondition::Ready, state }
}

/// ENG-6, P16: network, one volume over each data path, image, create, start; then nothing more.
#[test]
fn p16_a_service_is_made_once_with_a_named_volume_per_path() {
    let mut world = World::new(db());
    let first = world.visit();
    assert_eq!(first.verbs(), ["CreateNetwork", "CreateVolume", "EnsureImage", "Create", "Start"]);
    let start = first.plan.steps.last().unwrap();
    assert_eq!(start.depends_on, [first.plan.steps[3].id]);
    assert_eq!(first.plan.steps[3].depends_on.len(), 3);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// DET-24, B-7: the credential travels as a reference inside a file, by the name of the service's own Secret.
#[test]
fn a_generated_credential_is_referred_to_by_name() {
    let mut world = World::new(db());
    let spec = world.visit().desired.workloads.remove(0);
    let Text(parts) = &spec.files[0].content;
    assert_eq!(format!("{parts:?}"), r#"[Value(SecretKey { name: "shop-db-credentials", key: "password" })]"#);
    assert_eq!(spec.env[1].value, Text::plain("shop"), "the database's placeholder is filled");
}

/// CLI-37, cli.md section 4: programs of the user's own are told of profile `local`, where the manifest says nothing else; servers of
/// adapters and other profiles are not.
#[test]
fn programs_are_told_of_the_local_profile() {
    let told = |service: ValidService| {
        let spec = World::new(service).visit().desired.workloads.remove(0);
        spec.env.into_iter().map(|entry| (entry.name, format!("{:?}", entry.value))).collect::<Vec<_>>()
    };
    let names = |found: &[(String, String)]| found.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>();
    let local = told(only(API));
    assert_eq!(names(&local), ["KOAN_SEED", "ASPNETCORE_ENVIRONMENT", "LEVEL"]);
    assert!(local[0].1.contains("true") && local[1].1.contains("Development"), "{local:?}");
    let own = told(only(&format!("{API}\n").replace("LEVEL, value: info", "KOAN_SEED, value: \"false\"")));
    assert_eq!(names(&own), ["ASPNETCORE_ENVIRONMENT", "KOAN_SEED"]);
    assert!(own[1].1.contains("false"), "{own:?}");
    assert_eq!(names(&told(ValidService { profile: Profile::Ci, ..only(API) })), ["LEVEL"]);
    assert!(!names(&told(db())).contains(&"KOAN_SEED".to_owned()));
}

/// ENG-7, P4: a changed field replaces the workload and is named; volumes stay.
#[test]
fn a_change_replaces_the_workload_and_names_the_field() {
    let mut world = World::new(only(API));
    world.visit();
    world.service.env[0].value = Text::plain("debug");
    let visit = world.visit();
    assert_eq!(visit.verbs(), ["Stop", "Remove", "EnsureImage", "Create", "Start"]);
    assert_eq!(visit.plan.steps[0].cause, "changed: env");
    assert_eq!(visit.plan.steps[0].downtime, Downtime::Recreate);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// CLI-14: a changed image is named with both values.
#[test]
fn a_changed_image_is_named_with_both_values() {
    let mut world = World::new(only(API));
    world.visit();
    world.service = only(&API.replace("api:1", "api:2"));
    assert_eq!(world.visit().plan.steps[0].cause, "changed: image: api:1 → api:2");
}

/// P4: every field of a workload with an effect changes the hash, and the group that is named is the right one.
#[test]
fn p4_every_effective_field_is_in_the_hash() {
    let base = World::new(only(API)).visit().desired.workloads.remove(0);
    let changes: [(&str, &str); 9] = [
        ("image", "container: {image: \"api:2\"}"),
        ("run", "container: {image: \"api:1\", command: [x]}"),
        ("env", "env: [{name: LEVEL, value: debug}]"),
        ("files", "files: [{path: /a, content: x}]"),
        ("ports", "ports: [{name: http, containerPort: 8080}, {name: admin, containerPort: 9090}]"),
        ("mounts", "volumes: [{target: /data}]"),
        ("networks", "networks: [front]"),
        ("resources", "resources: {cpu: 2, memory: 64Mi}"),
        ("lifecycle", "stopGracePeriod: 20s"),
    ];
    for (group, change) in changes {
        let key = change.split(':').next().unwrap();
        let kept: Vec<&str> =
            API.lines().filter(|line| !line.trim_start_matches(['-', ' ']).starts_with(&format!("{key}:"))).collect();
        let changed = World::new(only(&format!("{}\n  {change}", kept.join("\n")))).visit().desired.workloads.remove(0);
        assert_eq!(changed_fields(&base.hash, &changed.hash), [group], "{change}");
    }
}

/// P4, DET-34: another version of a referenced value replaces the workload.
#[test]
fn a_new_version_of_a_referenced_value_replaces_the_workload() {
    let mut world = World::new(db());
    world.visit();
    for version in world.facts.versions.values_mut() {
        *version = "2".to_owned();
    }
    world.provided = false;
    assert_eq!(world.visit().verbs(), ["Stop", "Remove", "EnsureImage", "Create", "Start"]);
}

/// ENG-7, PERF-70: a workload that died is started; one that is gone is made anew.
#[test]
fn a_dead_workload_is_started_and_a_lost_one_is_made_anew() {
    let mut world = World::new(only(API));
    world.visit();
    world.record().state = WorkloadState::Exited;
    assert_eq!(world.visit().verbs(), ["Start"]);
    world.inventory.workloads.clear();
    assert_eq!(world.visit().verbs(), ["EnsureImage", "Create", "Start"]);
}

/// L-4: a change and its way back end in the first state.
#[test]
fn a_change_and_its_way_back_end_where_they_began() {
    let mut world = World::new(only(API));
    let first = world.visit().desired;
    world.service.env[0].value = Text::plain("debug");
    world.visit();
    world.service.env[0].value = Text::plain("info");
    assert_eq!(world.visit().desired, first);
    assert_eq!(world.record().hash, first.workloads[0].hash);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// REL-6: a workload that ends again and again is not started before its pause is over.
#[test]
fn the_back_off_holds_a_restart() {
    let mut world = World::new(only(API));
    world.visit();
    world.record().state = WorkloadState::Exited;
    world.facts.restarts.held = true;
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// S-10, PERF-84: before its gate is open a workload is created and not started; afterwards it is started.
#[test]
fn a_workload_is_created_ahead_of_its_gate_and_started_at_it() {
    let mut world = World::new(only(API));
    world.facts.gates = vec![gate(GateVerdict::Closed)];
    assert_eq!(world.visit().verbs(), ["CreateNetwork", "EnsureImage", "Create"]);
    assert_eq!(world.visit().verbs(), [""; 0]);
    world.facts.gates = vec![gate(GateVerdict::Open)];
    assert_eq!(world.visit().verbs(), ["Start"]);
}

/// PERF-84: nothing is created while a value that it needs is not there: it would have to be made twice.
#[test]
fn nothing_is_created_before_its_values_are_there() {
    let mut world = World::new(db());
    world.provided = false;
    let visit = world.visit();
    assert_eq!(visit.verbs(), [""; 0]);
    let why = hold(&visit.desired, &world.facts).expect("something is missing");
    assert!(why.contains("shop-db-credentials"), "{why}");
}

/// S-10: a changed workload runs on until its gates are open again.
#[test]
fn a_change_waits_for_its_gates() {
    let mut world = World::new(only(API));
    world.visit();
    world.service.env[0].value = Text::plain("debug");
    world.facts.gates = vec![gate(GateVerdict::Closed)];
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// S-10: what ran once and ended starts again at its open gates alone: after a pause, and after its engine came back.
#[test]
fn what_ended_starts_again_at_its_gates() {
    let mut world = World::new(only(API));
    world.visit();
    world.service.suspend = true;
    assert_eq!(world.visit().verbs(), ["Stop"]);
    world.service.suspend = false;
    world.facts.gates = vec![gate(GateVerdict::Closed)];
    assert_eq!(world.visit().verbs(), [""; 0]);
    world.facts.gates = vec![gate(GateVerdict::Open)];
    assert_eq!(world.visit().verbs(), ["Start"]);
}

/// Api.md `suspend`: workloads stop; data, network and allocations stay; resuming starts them.
#[test]
fn suspending_stops_and_keeps() {
    let mut world = World::new(db());
    world.visit();
    world.service.suspend = true;
    let visit = world.visit();
    assert_eq!(visit.verbs(), ["Stop"]);
    assert_eq!(visit.verdict.status.ports.len(), 1);
    assert_eq!(world.visit().verbs(), [""; 0]);
    world.service.suspend = false;
    assert_eq!(world.visit().verbs(), ["Start"]);
}

/// S-4: replicas are made and taken away one by one; only the first is published.
#[test]
fn replicas_come_and_go() {
    let mut world = World::new(ValidService { replicas: 2, ..only(API) });
    let visit = world.visit();
    assert_eq!(visit.verbs().iter().filter(|verb| **verb == "Start").count(), 2);
    let hosts: Vec<Option<u16>> = visit.desired.workloads.iter().map(|spec| spec.ports[0].host).collect();
    assert!(hosts[0].is_some() && hosts[1].is_none(), "{hosts:?}");
    world.service.replicas = 1;
    assert_eq!(world.visit().verbs(), ["Stop", "Remove"]);
}

/// Api.md `restart: Never`: a job that ended well is not run again, even when its container is gone; one that failed stays failed.
#[test]
fn a_job_runs_once() {
    let mut world = World::new(only("- name: job\n  container: {image: a}\n  restart: Never"));
    world.visit();
    world.record().state = WorkloadState::Exited;
    world.record().exit_code = Some(0);
    assert_eq!(world.visit().verbs(), [""; 0]);
    world.facts.completed = koan_core::facts::completed(&world.service, &world.status);
    assert!(world.facts.completed);
    world.inventory.workloads.clear();
    assert_eq!(world.visit().verbs(), [""; 0]);
    let mut failed = World::new(ValidService { restart: RestartPolicy::Never, ..world.service.clone() });
    failed.visit();
    failed.record().state = WorkloadState::Exited;
    failed.record().exit_code = Some(1);
    assert_eq!(failed.visit().verbs(), [""; 0]);
}

/// API-3: a restart replaces exactly the workload that was named, and a repeat does nothing.
#[test]
fn a_restart_replaces_exactly_the_named_workload() {
    let mut world = World::new(only(API));
    world.visit();
    world.service.restart_request = Some(world.record().id.0.clone());
    assert_eq!(world.visit().verbs(), ["Stop", "Remove", "EnsureImage", "Create", "Start"]);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// DET-2, K-11: a decision for the host takes the own workload away; its volume stays.
#[test]
fn a_workload_that_nothing_asks_for_goes_and_its_volume_stays() {
    let mut world = World::new(db());
    world.visit();
    world.service.mode = ProvisioningMode::Disabled;
    assert_eq!(world.visit().verbs(), ["Stop", "Remove"]);
    assert_eq!(world.inventory.volumes.len(), 1);
}

/// S-1, S-2, S-7: deletion takes workload and network; the volume goes only where the object says so, by name and creation time.
#[test]
fn deletion_keeps_volumes_unless_the_object_says_otherwise() {
    let mut world = World::new(db());
    world.visit();
    let kept = plan_deletion(&Ownership::of_service(&world.service, &"instance".into()), &world.inventory);
    let verbs: Vec<&str> = kept.steps.iter().map(|step| step.action.verb()).collect();
    assert_eq!(verbs, ["Stop", "Remove", "RemoveNetwork"]);
    world.service.reclaim = VolumeReclaim::Delete;
    let own = Ownership::of_service(&world.service, &"instance".into());
    let all = plan_deletion(&own, &world.inventory);
    let volume = all.steps.iter().find_map(|step| match &step.action {
        StepAction::RemoveVolume { object, created_at } => Some((object.name.clone(), created_at.clone())),
        _ => None,
    });
    assert_eq!(volume, Some((world.inventory.volumes[0].name.clone(), "then".to_owned())));
    world.apply(&all);
    assert_eq!(plan_deletion(&own, &world.inventory).steps, [], "nothing is left to do");
}

/// P1, P9, B-5: a deletion never touches a service of the same name with another UID, nor its network.
#[test]
fn p1_a_new_service_of_the_same_name_is_untouched() {
    let mut world = World::new(ValidService { reclaim: VolumeReclaim::Retain, ..db() });
    world.visit();
    let mut old = Ownership::of_service(&world.service, &"instance".into());
    old.owner.uid = "older".into();
    old.network_owner.uid = "older".into();
    assert_eq!(plan_deletion(&old, &world.inventory).steps, []);
    let mut foreign = Ownership::of_service(&world.service, &"other instance".into());
    foreign.deletes_volumes = true;
    assert_eq!(plan_deletion(&foreign, &world.inventory).steps, []);
}

/// S-1: the network stays while a sibling is in it.
#[test]
fn the_network_goes_with_the_last_service() {
    let mut world = World::new(db());
    world.visit();
    let mut sibling = world.record().clone();
    sibling.owner.uid = "sibling".into();
    world.inventory.workloads.push(sibling);
    let steps = plan_deletion(&Ownership::of_service(&world.service, &"instance".into()), &world.inventory).steps;
    assert_eq!(steps.iter().map(|step| step.action.verb()).collect::<Vec<_>>(), ["Stop", "Remove"]);
}

/// K-11: after a change of product the old volume is neither used nor deleted, and an event names it.
#[test]
fn another_product_gets_another_volume() {
    let mut world = World::new(db());
    world.visit();
    let old = world.inventory.volumes[0].clone();
    world.facts.retained = world.inventory.volumes.clone();
    world.service = ValidService {
        generation: 2,
        mode: ProvisioningMode::Always,
        ..only("- name: db\n  adapter: scratch\n  persistence: {paths: [/var/lib/ledger]}")
    };
    let visit = world.visit();
    assert_ne!(visit.desired.volumes[0].name, old.name);
    assert!(world.inventory.volumes.contains(&old));
    let named = visit.verdict.events.iter().any(|event| event.event.id() == 48_085 && event.message.contains(&old.name));
    assert!(named, "{:?}", visit.verdict.events);
}

/// ENG-17: as a process the recipe's own command, files and folders are used, without image and network.
#[test]
fn a_recipe_runs_as_a_process() {
    let mut world = World::new(db());
    world.facts.engine = koan_core::decide::EngineVerdict::Selected {
        engine: EngineName::Process,
        version: None,
        endpoint: None,
        evidence: Vec::new(),
    };
    let visit = world.visit();
    assert_eq!(visit.verbs(), ["CreateVolume", "Create", "Start"]);
    let spec = &visit.desired.workloads[0];
    assert!(matches!(&spec.run, Run::Process(process) if process.command[0] == Text::plain("ledgerd")));
    assert_eq!(spec.files[0].path, "/run/koan/ledger.conf");
}

/// ENG-3: without an engine nothing is planned.
#[test]
fn without_an_engine_nothing_is_planned() {
    let mut world = World::new(db());
    world.facts.engine = koan_core::decide::EngineVerdict::NotNeeded;
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// CLI-14: a stack's plan lists what its services share once, renumbered, with dependencies kept.
#[test]
fn a_stacks_plan_lists_shared_steps_once() {
    let plans = [db(), ValidService { service: "api".into(), uid: "api-uid".into(), ..only(API) }].map(|service| {
        let mut world = World::new(service);
        world.visit().plan
    });
    let whole = plan_stack(plans);
    let networks = whole.steps.iter().filter(|step| step.action.verb() == "CreateNetwork").count();
    assert_eq!(networks, 1);
    for (index, step) in whole.steps.iter().enumerate() {
        assert_eq!(step.id.0 as usize, index);
        assert!(step.depends_on.iter().all(|before| (before.0 as usize) < index), "{step:?}");
    }
}

/// SEC-21: equal readable names get different engine names when the owner differs.
#[test]
fn sec_21_engine_names_follow_the_owner() {
    let one = World::new(only(API)).visit().desired.workloads.remove(0).object;
    let other = World::new(ValidService { uid: "another".into(), ..only(API) }).visit().desired.workloads.remove(0).object;
    assert_ne!(one, other);
}

/// PERF-82, ENG-6: an engine that holds nothing leaves nothing to do for a service that nothing asks for.
#[test]
fn a_service_left_out_has_an_empty_plan() {
    let mut world = World::new(ValidService { mode: ProvisioningMode::Disabled, ..db() });
    let visit = world.visit();
    assert_eq!(plan(&world.service, &visit.desired, &empty(), &world.facts).steps, []);
}
