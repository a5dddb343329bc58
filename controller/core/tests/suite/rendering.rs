//! `render`: the children that a stack applies.

use std::collections::BTreeMap;

use koan_core::render::render;
use koan_core::validate::Workload;
use koan_crds::labels;
use koan_crds::v1alpha1::{Profile, PullPolicy, ServiceSpec, VolumeReclaim};

use koan_core::step::StepAction;
use kube::ResourceExt;

use crate::world::{SHOP, World, member, service, stack, stack_of, valid_stack};

fn children(stack: &koan_crds::v1alpha1::DevStack) -> BTreeMap<String, ServiceSpec> {
    let children = render(&valid_stack(stack));
    children.into_iter().map(|child| (child.metadata.name.clone().unwrap(), child)).collect()
}

/// Which children publish their ports.
fn published(stack: &koan_crds::v1alpha1::DevStack) -> Vec<String> {
    let publishes = |child: &ServiceSpec| child.spec.service.ports.iter().flatten().any(|port| port.publish == Some(true));
    children(stack).into_iter().filter(|(_, child)| publishes(child)).map(|(name, _)| name).collect()
}

/// PERF-70, K-1: names, labels, one owner that controls, and the finalizer inside the first write.
#[test]
fn a_child_carries_name_owner_labels_and_finalizer() {
    let children = children(&stack(SHOP));
    assert_eq!(
        children.keys().map(String::as_str).collect::<Vec<_>>(),
        ["shop-api", "shop-cache", "shop-db", "shop-migrate", "shop-web"]
    );
    let metadata = &children["shop-api"].metadata;
    assert_eq!(metadata.finalizers.as_deref(), Some(&[labels::FINALIZER.to_owned()][..]));
    let owner = &metadata.owner_references.as_ref().unwrap()[0];
    assert_eq!((owner.kind.as_str(), owner.uid.as_str(), owner.controller), ("DevStack", "stack-uid", Some(true)));
    let labels = metadata.labels.as_ref().unwrap();
    assert_eq!((labels["koan.dev/stack"].as_str(), labels["koan.dev/service"].as_str()), ("shop", "api"));
}

/// CLI-27, Cli.md section 7: ports by flag, pull policy and the wish for no launch state reach the service that they are meant for.
#[test]
fn wishes_of_one_run_reach_their_services() {
    let mut shop = stack(SHOP);
    let wishes =
        [(labels::PORTS, "db.ledger=6000,api.http=x,cache=7000"), (labels::PULL, "Never"), (labels::LAUNCH_STATE, "Off")];
    shop.metadata.annotations = Some(wishes.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    let valid = valid_stack(&shop);
    let member = |name: &str| &valid.members().find(|member| member.name == name).unwrap().service;
    assert_eq!(member("db").port_flags, BTreeMap::from([("ledger".to_owned(), 6000)]));
    assert!(member("cache").port_flags.is_empty() && member("api").port_flags.is_empty());
    assert!(!member("db").launch_state && !member("api").launch_state);
    let Workload::Container(container) = &member("api").workload else { panic!("no container") };
    assert_eq!(container.pull, PullPolicy::Never);
    assert!(valid_stack(&stack(SHOP)).members().all(|member| member.service.launch_state));
}

/// Api.md "ServiceSpec": references become names of objects, somebody else's included.
#[test]
fn references_become_object_names() {
    let mut stack = stack(SHOP);
    let api = stack.spec.services.iter_mut().find(|entry| entry.name == "api").unwrap();
    api.service
        .depends_on
        .as_mut()
        .unwrap()
        .push(koan_crds::v1alpha1::DependsOn { name: "shared-queue".into(), condition: None });
    let children = children(&stack);
    let api = &children["shop-api"].spec.service;
    let gates: Vec<&str> = api.depends_on.iter().flatten().map(|on| on.name.as_str()).collect();
    assert_eq!(gates, ["shop-db", "shop-cache", "shop-migrate", "team-queue"]);
    let source = api.env.as_ref().unwrap()[1].value_from.as_ref().unwrap();
    assert_eq!(source.service_ref.as_ref().unwrap().name, "shop-db");
}

/// CLI-29: published is what a program of the host uses, and what nothing in the stack uses; the rest is not.
#[test]
fn only_what_the_host_uses_is_published() {
    // `web` is a process and refers to `api`; `db` and `cache` are used by containers alone; nobody refers to `migrate` but a gate.
    assert_eq!(published(&stack(SHOP)), ["shop-api"]);
    assert_eq!(published(&stack_of("- name: db\n  adapter: ledger")), ["shop-db"]);
}

/// CLI-29: `exposeInternals` and `publish: true` publish.
#[test]
fn what_is_asked_for_is_published() {
    let mut exposed = stack(SHOP);
    exposed.spec.expose_internals = true;
    assert_eq!(published(&exposed), ["shop-api", "shop-cache", "shop-db"]);
    let named = stack_of(
        "- name: db\n  adapter: ledger\n  ports: [{name: ledger, containerPort: 5432, publish: true}]\n- name: api\n  container: {image: a}\n  restart: Never\n  dependsOn: [{name: db}]",
    );
    assert_eq!(published(&named), ["shop-db"]);
}

/// Api.md "ServiceSpec": what a stack says once is written down for each child.
#[test]
fn the_stacks_settings_are_written_down() {
    let mut stack = stack(SHOP);
    stack.spec.suspend = true;
    stack.spec.volume_reclaim = VolumeReclaim::Delete;
    stack.spec.readiness_timeout = Some("90s".into());
    let child = &children(&stack)["shop-db"].spec;
    assert_eq!(
        (child.suspend, child.volume_reclaim, child.profile),
        (Some(true), Some(VolumeReclaim::Delete), Some(Profile::Local))
    );
    assert_eq!(child.service.readiness_timeout.as_ref().unwrap().0, "90s");
}

/// Cli.md section 4, S-2: in `ci` the object itself says that its volumes go with it.
#[test]
fn in_ci_the_child_says_that_its_data_go_with_it() {
    let mut stack = stack_of("- name: db\n  adapter: ledger\n- name: keep\n  adapter: ledger\n  persistence: {mode: Named}");
    stack.spec.profile = Some(Profile::Ci);
    let children = children(&stack);
    assert_eq!(children["shop-db"].spec.volume_reclaim, Some(VolumeReclaim::Delete));
    assert_eq!(children["shop-keep"].spec.volume_reclaim, Some(VolumeReclaim::Retain));
}

/// ENG-8, K-11: a rebuild that is asked for builds again and replaces what runs, once; nothing more follows.
#[test]
fn a_rebuild_replaces_what_runs_once() {
    let asked = |at: Option<&str>| {
        let mut object = member(
            &stack_of(
                "- name: api\n  container: {build: {context: api}}\n  ports: [{name: http, containerPort: 80}]\n  health: {tcp: {port: http}}",
            ),
            "api",
        );
        object.annotations_mut().extend(at.map(|at| (labels::REBUILD.to_owned(), at.to_owned())));
        service(&object)
    };
    let mut world = World::new(asked(None));
    world.visit();
    world.service = asked(Some("2026-01-01T00:00:00Z"));
    let visit = world.visit();
    assert_eq!(visit.verbs(), ["Stop", "Remove", "EnsureImage", "Create", "Start"]);
    assert_eq!(visit.plan.steps[0].cause.split(':').next(), Some("changed"));
    let StepAction::EnsureImage(image) = &visit.plan.steps[2].action else { panic!("{:?}", visit.plan.steps[2]) };
    assert!(image.build.as_ref().unwrap().always, "built although it exists");
    assert_eq!(world.visit().verbs(), [""; 0]);
}
