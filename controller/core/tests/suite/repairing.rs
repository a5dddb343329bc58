//! `plan`: what others did to a workload or its network is put right.

use koan_core::inventory::WorkloadState;
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::RestartPolicy;

use crate::world::{World, at, only};

const API: &str = "- name: api\n  container: {image: \"api:1\"}\n  ports: [{name: http, containerPort: 8080}]\n  health: {http: {path: /, port: http}}";
const REMADE: [&str; 5] = ["Stop", "Remove", "CreateNetwork", "EnsureImage", "Create"];

/// P22: a network that somebody removed is made again, and the workload that stood in it is made anew, as a repair.
#[test]
fn p22_a_removed_network_is_repaired() {
    let mut world = World::new(only(API));
    world.visit();
    world.inventory.networks.clear();
    let visit = world.visit();
    assert_eq!(visit.verbs()[..5], REMADE);
    assert!(visit.plan.steps[0].repair && visit.plan.steps[0].cause.contains("is gone"), "{:?}", visit.plan.steps[0]);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// P22: a workload that was cut off from its network is made anew.
#[test]
fn p22_a_workload_that_was_cut_off_is_repaired() {
    let mut world = World::new(only(API));
    world.visit();
    world.record().cut_off = true;
    let visit = world.visit();
    assert_eq!(visit.verbs(), ["Stop", "Remove", "EnsureImage", "Create", "Start"]);
    assert!(visit.plan.steps[0].cause.contains("cut off"), "{:?}", visit.plan.steps[0]);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// ENG-7: a workload that the engine cannot start any more is made anew instead of being started.
#[test]
fn a_dead_workload_is_made_anew() {
    let mut world = World::new(only(API));
    world.visit();
    world.record().state = WorkloadState::Dead;
    assert_eq!(world.visit().verbs(), ["Remove", "EnsureImage", "Create", "Start"]);
    assert_eq!(world.visit().verbs(), [""; 0]);
}

/// ENG-7: one that never ran and cannot be started is owed its run, whatever its policy says of a second; one that ran is not.
#[test]
fn a_dead_workload_that_never_ran_is_owed_its_run() {
    for (ran, verbs) in [(false, &["Remove", "EnsureImage", "Create", "Start"][..]), (true, &[])] {
        let mut world = World::new(ValidService { restart: RestartPolicy::Never, ..only(API) });
        world.visit();
        let record = world.record();
        record.state = WorkloadState::Dead;
        record.started_at = ran.then(|| at(1));
        assert_eq!(world.visit().verbs(), verbs);
    }
}
