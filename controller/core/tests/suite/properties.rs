//! Properties of the stages over generated input: total, deterministic, independent of order, at rest when converged.

use koan_core::conclude::StepOutcome;
use koan_core::decide::{allocate_ports, decide};
use koan_core::desired::desired;
use koan_core::facts::{CredentialFact, Facts, PortFacts};
use koan_core::inventory::WorkloadState;
use koan_core::plan::plan;
use koan_core::probe::{Address, CandidateVerdict, CredentialRef, ProbeReport, Usable};
use koan_core::questions::questions;
use koan_core::validate::{StackOptions, ValidService, validate_stack};
use koan_crds::v1alpha1::{Action, DecisionStatus, DevStack, EvidenceCode, OnLoss, Profile, ProvisioningMode};
use koan_crds::vocabulary::{ConditionType, Reason};
use proptest::prelude::*;

use crate::catalogue::Catalogue;
use crate::deciding::report;
use crate::world::{World, facts, only, stack_of};

fn modes() -> impl Strategy<Value = ProvisioningMode> {
    use ProvisioningMode::{Always, Auto, Disabled, Never};
    prop::sample::select(vec![Auto, Always, Never, Disabled])
}

fn forms() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "adapter: ledger",
        "adapter: scratch",
        "adapter: ledger\n  detection: {candidates: [\"ledger://u:p@127.0.0.1:7000/x\"]}",
        "adapter: ledger\n  credentials: {secretRef: {name: login}}",
        "adapter: ledger\n  external: {url: \"ledger://h/x\"}",
        "container: {image: a}\n  restart: Never",
        "process: {command: [a]}\n  restart: Never",
    ])
}

fn services() -> impl Strategy<Value = ValidService> {
    let profiles = prop::sample::select(vec![Profile::Local, Profile::Ci]);
    let losses = prop::sample::select(vec![OnLoss::Hold, OnLoss::Reprovision]);
    (forms(), modes(), profiles, losses, 1i64..3).prop_map(|(form, mode, profile, on_loss, generation)| {
        let mut service = only(&format!("- name: svc\n  {form}"));
        (service.mode, service.profile, service.generation) = (mode, profile, generation);
        service.detection.on_loss = on_loss;
        service
    })
}

fn verdicts() -> impl Strategy<Value = CandidateVerdict> {
    let server = prop::option::of("[ab]");
    let usable = (server, 1u16..9000).prop_map(|(server_id, port)| {
        CandidateVerdict::Usable(Usable {
            credential: CredentialRef::Anonymous,
            address: Address::Tcp { host: "127.0.0.1".into(), port },
            tls: None,
            version: None,
            server_id,
        })
    });
    prop_oneof![
        Just(CandidateVerdict::Absent),
        Just(CandidateVerdict::KoanOwned),
        Just(CandidateVerdict::Rejected),
        Just(CandidateVerdict::Impostor),
        usable,
    ]
}

fn reports() -> impl Strategy<Value = Option<ProbeReport>> {
    let fault = prop::option::weighted(0.1, Just("panicked".to_owned()));
    prop::option::of((prop::collection::vec(verdicts(), 0..9), fault).prop_map(|(verdicts, fault)| {
        let mut whole = ProbeReport { fault, ..ProbeReport::default() };
        for verdict in verdicts {
            let mut one = report(verdict).candidates.remove(0);
            one.evidence = std::iter::repeat_n(one.evidence[0].clone(), 5).collect();
            whole.candidates.push(one);
        }
        whole
    }))
}

fn previous() -> impl Strategy<Value = Option<DecisionStatus>> {
    use Action::{NoAction, ProvisionContainer, UseHostService};
    let actions = prop::sample::select(vec![NoAction, UseHostService, ProvisionContainer]);
    let reasons = prop::sample::select(vec!["HostValidated", "HostLost", "NoHostService", "RetainedData", "Gibberish"]);
    let endpoints = prop::sample::select(vec![None, Some("ledger://127.0.0.1:7000/x"), Some("::broken::")]);
    let credentials = prop::sample::select(vec![None, Some("manifest"), Some("generated"), Some("default:1"), Some("default:x")]);
    let whole = (actions, reasons, endpoints, credentials, prop::option::of(1i64..3), prop::option::of("[ab]"));
    prop::option::of(whole.prop_map(|(action, reason, endpoint, credential, generation, server_id)| DecisionStatus {
        action,
        reason: reason.to_owned(),
        endpoint: endpoint.map(str::to_owned),
        detection_method: None,
        credential: credential.map(str::to_owned),
        server_id,
        evidence: Vec::new(),
        observed_at: None,
        generation,
    }))
}

fn any_facts() -> impl Strategy<Value = Facts> {
    (reports(), previous(), any::<bool>(), any::<bool>()).prop_map(|(probe, previous, lost, unreachable)| {
        let mut facts = Facts { probe, previous, lost, ..facts() };
        facts.reach.unreachable_from_stack = unreachable;
        facts
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// DET-2, DET-4, S-15: total, deterministic, at most 24 lines of proof; `Never` never provisions, `Always` never asks, a host is used only with an address.
    #[test]
    fn a_decision_is_total_and_deterministic(service in services(), facts in any_facts()) {
        let catalogue = Catalogue::new();
        let decision = decide(&service, &facts, &catalogue);
        prop_assert_eq!(&decision, &decide(&service, &facts, &catalogue));
        prop_assert!(decision.evidence.len() <= 24);
        let looked_for = service.adapter.is_some() && matches!(service.workload, koan_core::validate::Workload::Recipe { .. });
        let fresh = !decision.sticky && decision.reason != Reason::HostLost;
        match (service.mode, decision.action) {
            (ProvisioningMode::Never, Action::ProvisionContainer) => prop_assert!(!looked_for || !fresh),
            (ProvisioningMode::Always, action) if looked_for => prop_assert_eq!(action, Action::ProvisionContainer),
            (ProvisioningMode::Disabled, action) => prop_assert_eq!(action, Action::NoAction),
            _ => {}
        }
        if decision.action == Action::UseHostService {
            prop_assert!(decision.endpoint.is_some() && looked_for);
        }
        if matches!(service.mode, ProvisioningMode::Always | ProvisioningMode::Disabled) || !looked_for {
            prop_assert_eq!(questions(&service, &facts, &catalogue), None);
        }
        prop_assert!(ConditionType::Provisioned.reasons().contains(&decision.reason) || decision.reason == Reason::Disabled);
        prop_assert!(decision.evidence.iter().filter(|line| line.code == EvidenceCode::HostLost).count() <= 1);
    }
}

/// Text that users and attackers write.
fn odd_text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z]{2,8}", "\\PC{0,12}", Just("../..".to_owned()), Just("1h".to_owned()), Just(String::new()), "[0-9]{1,6}"]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    /// P6, S-14: `validate` never panics, and what it accepts the later stages carry through.
    #[test]
    fn p6_validate_is_total(names in prop::collection::vec(odd_text(), 0..4), texts in prop::collection::vec(odd_text(), 12), numbers in prop::collection::vec(any::<u16>(), 3)) {
        let mut stack: DevStack = stack_of("- name: svc\n  adapter: ledger");
        let template = stack.spec.services[0].clone();
        stack.spec.ttl = Some(texts[0].as_str().into());
        stack.spec.ports = Some(koan_crds::v1alpha1::PortPolicy { offset: Some(numbers[0]), range: Some(texts[1].clone()), probe_max: None, conflicts: None });
        stack.spec.services = names.iter().map(|name| {
            let mut entry = template.clone();
            entry.name.clone_from(name);
            entry.service.adapter = Some(texts[2].clone());
            entry.service.stop_grace_period = Some(texts[3].as_str().into());
            entry.service.env = Some(vec![koan_crds::v1alpha1::EnvVar { name: texts[4].clone(), value: Some(texts[5].clone()), value_from: None }]);
            entry.service.ports = Some(vec![koan_crds::v1alpha1::Port { name: texts[6].clone(), container_port: numbers[1], host_port: Some(numbers[2]), protocol: None, publish: None }]);
            entry.service.depends_on = Some(vec![koan_crds::v1alpha1::DependsOn { name: texts[7].clone(), condition: None }]);
            entry.service.detection = Some(koan_crds::v1alpha1::Detection { candidates: Some(vec![texts[8].clone()]), ..Default::default() });
            entry.service.files = Some(vec![koan_crds::v1alpha1::FileMount { path: texts[9].clone(), mode: Some(texts[10].clone()), content: Some(texts[11].clone()), value_from: None }]);
            entry
        }).collect();
        let catalogue = Catalogue::new();
        match validate_stack(&stack, &StackOptions::default(), &catalogue) {
            Err(violations) => prop_assert!(violations.iter().all(|found| !found.path.is_empty() && !found.message.is_empty())),
            Ok(valid) => for member in valid.members() {
                let facts = facts();
                let decision = decide(&member.service, &facts, &catalogue);
                if let Ok(ports) = allocate_ports(&member.service, &PortFacts::default()) {
                    let wanted = desired(&member.service, &decision, &ports, &facts, &catalogue);
                    plan(&member.service, &wanted, &crate::world::empty(), &facts);
                }
            },
        }
    }

    /// PERF-84, REL-6: the order of the manifest's entries changes no child.
    #[test]
    fn the_order_of_services_changes_no_child(seed in 0usize..24) {
        let text = ["- name: aa\n  adapter: ledger\n", "- name: bb\n  adapter: scratch\n",
            "- name: cc\n  container: {image: x}\n  restart: Never\n  dependsOn: [{name: aa}]\n",
            "- name: dd\n  process: {command: [x]}\n  restart: Never\n  dependsOn: [{name: bb}]\n"];
        let mut order: Vec<usize> = (0..4).collect();
        order.rotate_left(seed % 4);
        order.swap(0, 1 + seed % 3);
        let children = |order: &[usize]| {
            let services: String = order.iter().map(|index| text[*index]).collect();
            let mut found = koan_core::render::render(&crate::world::valid_stack(&stack_of(services.trim_end())));
            found.sort_by(|one, other| one.metadata.name.cmp(&other.metadata.name));
            found
        };
        prop_assert_eq!(children(&order), children(&[0, 1, 2, 3]));
    }

    /// L-1, L-2, L-3, B-6: from any mess of states a perfect engine is converged after few visits, and then nothing is planned or written.
    #[test]
    fn a_converged_service_has_an_empty_plan(service in services(), mess in prop::collection::vec(0u8..6, 0..5)) {
        let mut world = World::new(ValidService { generation: 1, ..service });
        world.facts.manifest_credential = CredentialFact::None;
        for kind in mess {
            world.visit();
            let Some(record) = world.inventory.workloads.first_mut() else { continue };
            match kind {
                0 => record.state = WorkloadState::Exited,
                1 => record.state = WorkloadState::Dead,
                2 => record.hash = "other".into(),
                3 => world.inventory.workloads.clear(),
                4 => world.inventory.volumes.clear(),
                _ => world.inventory.networks.clear(),
            }
        }
        for _ in 0..3 {
            world.visit();
            if !world.inventory.workloads.is_empty() {
                world.probe_passes();
            }
        }
        let last = world.visit();
        prop_assert_eq!(last.plan.steps.len(), 0);
        prop_assert!(!last.verdict.changed);
        let outcomes: Vec<StepOutcome> = Vec::new();
        prop_assert!(outcomes.is_empty() && last.verdict.events.is_empty());
    }

    /// CLI-31, REL-6: ports are unique over everything promised and busy, whatever is taken.
    #[test]
    fn no_port_is_given_twice(taken in prop::collection::btree_set(5430u16..5600, 0..150)) {
        let service = only("- name: db\n  adapter: ledger\n  ports: [{name: one, containerPort: 1, hostPort: 5432}, {name: two, containerPort: 2, hostPort: 5433}]");
        let busy = taken.iter().map(|port| koan_core::decide::BusyPort { port: *port, holder: "x".into() }).collect();
        let facts = PortFacts { busy, ..PortFacts::default() };
        if let Ok(allocation) = allocate_ports(&service, &facts) {
            let mut hosts: Vec<u16> = allocation.ports.iter().filter_map(|port| port.host).map(|(host, _)| host).collect();
            prop_assert!(hosts.iter().all(|host| !taken.contains(host)));
            hosts.sort_unstable();
            let count = hosts.len();
            hosts.dedup();
            prop_assert_eq!(hosts.len(), count);
        }
    }
}
