//! Port allocation: the goldens of cli.md section 7.

use koan_core::decide::{BusyPort, PortPromise, allocate_ports, avoid_refused, decide, deterministic};
use koan_core::facts::PortFacts;
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::{ConflictPolicy, Evidence, EvidenceCode, EvidenceStep, PortSource, Profile, ServicePort};
use koan_crds::vocabulary::Reason;

use crate::catalogue::Catalogue;
use crate::world::{facts, only};

fn db() -> ValidService {
    only("- name: db\n  adapter: ledger")
}

fn busy(ports: &[u16]) -> PortFacts {
    let busy = ports.iter().map(|port| BusyPort { port: *port, holder: "server pid 811".to_owned() }).collect();
    PortFacts { busy, ..PortFacts::default() }
}

fn host(service: &ValidService, facts: &PortFacts) -> (u16, PortSource) {
    allocate_ports(service, facts).expect("a port").ports[0].host.expect("published")
}

/// Cli.md section 7, row 5: the two examples of the deterministic port.
#[test]
fn deterministic_ports_follow_the_key() {
    assert_eq!(deterministic("default/shop/api/http", 30_000, 50_000), 45_270);
    assert_eq!(deterministic("default/shop/db/postgres", 30_000, 50_000), 43_242);
}

/// CLI-30: two services on 5432 with 5432 and 5433 taken get 5434 and 5435.
#[test]
fn a_busy_port_moves_to_the_next_free_one() {
    let mut facts = busy(&[5432, 5433]);
    assert_eq!(host(&db(), &facts), (5434, PortSource::Repicked));
    facts.promised.push(PortPromise { port: 5434, service: "default/shop-db".to_owned() });
    assert_eq!(host(&db(), &facts), (5435, PortSource::Repicked));
}

/// CLI-30, CLI-31: nothing free within `probeMax` is `Exhausted`, and the holder is named.
#[test]
fn nothing_free_within_the_bound_is_exhausted() {
    let mut service = db();
    service.port_policy.probe_max = 2;
    let failure = allocate_ports(&service, &busy(&[5432, 5433, 5434])).expect_err("exhausted");
    assert_eq!(failure.reason, Reason::Exhausted);
    assert!(failure.message.contains("server pid 811"), "{}", failure.message);
}

/// CLI-32: `Fail` refuses a busy port; `Repick` and `Warn` move and record it.
#[test]
fn the_policy_decides_about_a_busy_port() {
    let mut service = db();
    service.port_policy.conflicts = ConflictPolicy::Fail;
    assert_eq!(allocate_ports(&service, &busy(&[5432])).expect_err("conflict").reason, Reason::Conflict);
    service.port_policy.conflicts = ConflictPolicy::Warn;
    let moved = allocate_ports(&service, &busy(&[5432])).expect("moved").moved;
    assert_eq!((moved[0].wanted, moved[0].taken), (5432, 5433));
}

/// Cli.md section 7: flag, declared, launch, default, deterministic, in this order; `ci` skips the adapter's own port.
#[test]
fn the_sources_come_in_their_order() {
    let mut facts = PortFacts::default();
    let mut service = db();
    assert_eq!(host(&service, &facts), (5432, PortSource::Default));
    facts.launch.insert("ledger".to_owned(), 40_000);
    assert_eq!(host(&service, &facts), (40_000, PortSource::Launch));
    service.ports[0].declared = Some(6000);
    assert_eq!(host(&service, &facts), (6000, PortSource::Declared));
    facts.flags.insert("ledger".to_owned(), 7000);
    assert_eq!(host(&service, &facts), (7000, PortSource::Flag));
    facts.busy.push(BusyPort { port: 7000, holder: "x".to_owned() });
    assert_eq!(allocate_ports(&service, &facts).expect_err("a busy flag fails").reason, Reason::Conflict);
    let mut ci = db();
    ci.profile = Profile::Ci;
    assert_eq!(host(&ci, &PortFacts::default()).1, PortSource::Deterministic);
}

/// CLI-30: the offset is added once, to declared and default ports.
#[test]
fn the_offset_is_added_once() {
    let mut service = db();
    service.port_policy.offset = 100;
    assert_eq!(host(&service, &PortFacts::default()).0, 5532);
    let current = vec![ServicePort { name: "ledger".into(), container: 5432, host: 5532, source: PortSource::Default }];
    assert_eq!(host(&service, &PortFacts { current, ..PortFacts::default() }).0, 5532);
}

/// K-11, S-11: a port that was allocated is kept, also after the first wish became free again, and while we listen on it ourselves.
#[test]
fn an_allocated_port_is_kept() {
    let current = vec![ServicePort { name: "ledger".into(), container: 5432, host: 5434, source: PortSource::Repicked }];
    let facts = PortFacts { current, ..busy(&[5434]) };
    assert_eq!(host(&db(), &facts), (5434, PortSource::Repicked));
}

/// P19, DET-25, B-3: the port of a rejected host service is never bound, not even once it is free again.
#[test]
fn p19_a_rejected_host_service_keeps_its_port() {
    let line = |code, port: u16| Evidence {
        step: EvidenceStep::Identify,
        code,
        endpoint: Some(format!("127.0.0.1:{port}")),
        detail: None,
    };
    let mut decision = decide(&db(), &facts(), &Catalogue::new());
    decision.reason = Reason::HostRejected;
    decision.evidence = vec![line(EvidenceCode::Identified, 5432), line(EvidenceCode::Refused, 5433)];
    let mut free = PortFacts::default();
    avoid_refused(&decision, &mut free);
    assert_eq!(host(&db(), &free), (5433, PortSource::Repicked));
    decision.reason = Reason::NoHostService;
    let mut untouched = PortFacts::default();
    avoid_refused(&decision, &mut untouched);
    assert_eq!(host(&db(), &untouched), (5432, PortSource::Default));
}

/// CLI-29: an unpublished port gets no host port.
#[test]
fn an_unpublished_port_gets_no_host_port() {
    let mut service = db();
    service.ports[0].publish = false;
    assert_eq!(allocate_ports(&service, &PortFacts::default()).unwrap().ports[0].host, None);
}
