//! `questions` and `decide`: the table, stickiness, loss, retained data, credentials.

use koan_core::candidate;
use koan_core::decide::{CredentialNeed, Decision, credential_need, decide};
use koan_core::desired::{Ownership, volume_name};
use koan_core::facts::{CredentialFact, Facts};
use koan_core::inventory::VolumeRecord;
use koan_core::probe::{Address, Candidate, CandidateReport, CandidateVerdict, CredentialRef, ProbeReport, Usable};
use koan_core::questions::questions;
use koan_core::validate::ValidService;
use koan_crds::v1alpha1::{
    Action, DecisionStatus, DetectionMethod, Evidence, EvidenceCode, EvidenceStep, OnLoss, Profile, ProvisioningMode,
};
use koan_crds::vocabulary::Reason;

use crate::catalogue::Catalogue;
use crate::world::{at, facts, only};

pub(crate) fn db(mode: ProvisioningMode) -> ValidService {
    ValidService { mode, ..only("- name: db\n  adapter: ledger") }
}

fn address(port: u16) -> Address {
    Address::Tcp { host: "127.0.0.1".to_owned(), port }
}

fn usable(port: u16, server: Option<&str>) -> CandidateVerdict {
    CandidateVerdict::Usable(Usable {
        credential: CredentialRef::Manifest,
        address: address(port),
        tls: None,
        version: None,
        server_id: server.map(str::to_owned),
    })
}

pub(crate) fn report(verdict: CandidateVerdict) -> ProbeReport {
    let line = Evidence { step: EvidenceStep::Locate, code: EvidenceCode::Refused, endpoint: None, detail: None };
    let candidate = Candidate {
        method: DetectionMethod::Automatic,
        source: None,
        address: address(5432),
        named_by_manifest: false,
        tls: None,
        database: None,
    };
    ProbeReport {
        candidates: vec![CandidateReport { candidate, verdict, evidence: vec![line], refused: Vec::new() }],
        fault: None,
    }
}

fn with(verdict: CandidateVerdict) -> Facts {
    Facts { probe: Some(report(verdict)), ..facts() }
}

fn judged(mode: ProvisioningMode, facts: &Facts) -> (Action, Reason) {
    let decision = decide(&db(mode), facts, &Catalogue::new());
    (decision.action, decision.reason)
}

/// The status that a decision leaves.
fn status(decision: &Decision) -> DecisionStatus {
    DecisionStatus {
        action: decision.action,
        reason: decision.reason.as_str().to_owned(),
        endpoint: decision.endpoint.as_ref().map(|address| format!("ledger://{address}/shop")),
        detection_method: decision.detection_method,
        credential: decision.credential.as_ref().map(CredentialRef::name),
        server_id: decision.server_id.clone(),
        evidence: decision.evidence.clone(),
        observed_at: Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(at(0))),
        generation: Some(1),
    }
}

/// DET-2: every cell of the table.
#[test]
fn the_table_is_as_specified() {
    use Action::{NoAction, ProvisionContainer, UseHostService};
    use ProvisioningMode::{Always, Auto, Disabled, Never};
    let answers = [CandidateVerdict::Absent, usable(5432, None), CandidateVerdict::Rejected, CandidateVerdict::Impostor];
    let row = |mode| answers.clone().map(|verdict| judged(mode, &with(verdict)));
    assert_eq!(
        row(Auto),
        [
            (ProvisionContainer, Reason::NoHostService),
            (UseHostService, Reason::HostValidated),
            (ProvisionContainer, Reason::HostRejected),
            (ProvisionContainer, Reason::HostImpostor),
        ]
    );
    assert_eq!(row(Always), [(ProvisionContainer, Reason::AlwaysMode); 4]);
    let required = (NoAction, Reason::HostServiceRequired);
    assert_eq!(row(Never), [required, (UseHostService, Reason::HostValidated), required, required]);
    assert_eq!(row(Disabled), [(NoAction, Reason::Disabled); 4]);
}

/// DET-35: our own container is no host service.
#[test]
fn our_own_container_is_no_host_service() {
    assert_eq!(
        judged(ProvisioningMode::Auto, &with(CandidateVerdict::KoanOwned)),
        (Action::ProvisionContainer, Reason::NoHostService)
    );
}

/// DET-2, DET-45: no packet is sent for `Always`, `Disabled` and for what is not an adapter alone.
#[test]
fn questions_are_asked_only_where_an_answer_matters() {
    let catalogue = Catalogue::new();
    let asks = |service: &ValidService| questions(service, &facts(), &catalogue).is_some();
    assert!(asks(&db(ProvisioningMode::Auto)) && asks(&db(ProvisioningMode::Never)));
    assert!(!asks(&db(ProvisioningMode::Always)) && !asks(&db(ProvisioningMode::Disabled)));
    assert!(!asks(&only("- name: db\n  adapter: ledger\n  container: {image: a}")));
    assert!(!asks(&only("- name: db\n  process: {command: [a]}\n  restart: Never")));
    assert!(!asks(&only("- name: db\n  adapter: ledger\n  external: {url: \"ledger://h/x\"}")));
}

/// DET-9, DET-10, DET-11 (decision 0007): slot 0, the environment, loopback on the adapter's port, the own machine's names, its gateway; no address twice; logins stay with their URL.
#[test]
fn candidates_come_in_their_order() {
    let service = only("- name: db\n  adapter: ledger\n  detection: {candidates: [\"ledger://u:p@h:1\"]}");
    let hit = candidate::parse("ledger://127.0.0.1/x", Some(5432)).unwrap();
    let beyond = |method, host: &str| candidate::parse(&format!("{host}:5432"), None).unwrap().question(method, None, false);
    let environment = vec![
        beyond(DetectionMethod::ContainerLoopback, "172.17.0.1"),
        beyond(DetectionMethod::HostGateway, "host.docker.internal"),
        hit.question(DetectionMethod::Environment, Some("LEDGER_URL".into()), false),
    ];
    let facts = Facts { environment, ..facts() };
    let probe = questions(&service, &facts, &Catalogue::new()).expect("a question");
    let found: Vec<(DetectionMethod, String)> =
        probe.candidates.iter().map(|candidate| (candidate.method, candidate.address.to_string())).collect();
    assert_eq!(
        found,
        [
            (DetectionMethod::Explicit, "h:1".to_owned()),
            (DetectionMethod::Environment, "127.0.0.1:5432".to_owned()),
            (DetectionMethod::Automatic, "[::1]:5432".to_owned()),
            (DetectionMethod::HostGateway, "host.docker.internal:5432".to_owned()),
            (DetectionMethod::ContainerLoopback, "172.17.0.1:5432".to_owned()),
        ]
    );
    assert_eq!(
        probe.credentials,
        [CredentialRef::Candidate(0), CredentialRef::Anonymous, CredentialRef::Default(0), CredentialRef::Default(1)]
    );
}

/// DET-19, B-2: the manifest first; default sets never with `defaults: false`, nor outside `local` and `ci`.
#[test]
fn credentials_come_in_their_order() {
    let ask = |service: &ValidService| questions(service, &facts(), &Catalogue::new()).expect("a question").credentials;
    let own = only("- name: db\n  adapter: ledger\n  credentials: {secretRef: {name: login}, defaults: false}");
    assert_eq!(ask(&own), [CredentialRef::Manifest, CredentialRef::Anonymous]);
    let staging = ValidService { profile: Profile::Staging, ..db(ProvisioningMode::Auto) };
    assert_eq!(ask(&staging), [CredentialRef::Anonymous]);
}

/// DET-26, S-11: a decision stands within its generation whatever answers now, is not asked about again, and ends with the generation.
#[test]
fn a_decision_is_sticky_within_its_generation() {
    let service = db(ProvisioningMode::Auto);
    let catalogue = Catalogue::new();
    let container = decide(&service, &with(CandidateVerdict::Absent), &catalogue);
    let later = Facts { previous: Some(status(&container)), ..with(usable(5432, None)) };
    let kept = decide(&service, &later, &catalogue);
    assert_eq!((kept.action, kept.reason, kept.sticky), (Action::ProvisionContainer, Reason::NoHostService, true));
    assert_eq!(questions(&service, &later, &catalogue), None);
    let next = ValidService { generation: 2, ..service };
    assert_eq!(decide(&next, &later, &catalogue).action, Action::UseHostService);
}

/// DET-26: `--redetect` makes one new decision.
#[test]
fn a_redetection_is_served_once() {
    let catalogue = Catalogue::new();
    let container = decide(&db(ProvisioningMode::Auto), &with(CandidateVerdict::Absent), &catalogue);
    let facts = Facts { previous: Some(status(&container)), ..with(usable(5432, None)) };
    let asked = ValidService { redetect: Some(at(10)), ..db(ProvisioningMode::Auto) };
    assert_eq!(decide(&asked, &facts, &catalogue).action, Action::UseHostService);
    let served = ValidService { redetect: Some(at(-10)), ..db(ProvisioningMode::Auto) };
    assert_eq!(decide(&served, &facts, &catalogue).action, Action::ProvisionContainer);
}

fn lost(server: Option<&str>, elsewhere: CandidateVerdict) -> Facts {
    let used = decide(&db(ProvisioningMode::Auto), &with(usable(5432, server)), &Catalogue::new());
    Facts { previous: Some(status(&used)), lost: true, ..with(elsewhere) }
}

/// DET-28: a lost service is held where data matter, replaced where they do not.
#[test]
fn a_lost_host_service_follows_the_policy() {
    let catalogue = Catalogue::new();
    let facts = lost(None, CandidateVerdict::Absent);
    let held = decide(&db(ProvisioningMode::Auto), &facts, &catalogue);
    assert_eq!((held.action, held.reason), (Action::UseHostService, Reason::HostLost));
    assert_eq!(held.evidence[0].code, EvidenceCode::HostLost);
    let mut service = db(ProvisioningMode::Auto);
    service.detection.on_loss = OnLoss::Reprovision;
    let replaced = decide(&service, &facts, &catalogue);
    assert_eq!((replaced.action, replaced.reason), (Action::ProvisionContainer, Reason::HostLost));
}

/// DET-28: only the same server is a switch; without an identity there is none.
#[test]
fn only_the_same_server_elsewhere_is_a_switch() {
    let judge = |server, elsewhere| decide(&db(ProvisioningMode::Auto), &lost(server, elsewhere), &Catalogue::new());
    let switched = judge(Some("a"), usable(6000, Some("a")));
    assert_eq!((switched.reason, switched.endpoint), (Reason::HostValidated, Some(address(6000))));
    assert_eq!(judge(Some("a"), usable(6000, Some("b"))).reason, Reason::HostLost);
    assert_eq!(judge(None, usable(6000, None)).reason, Reason::HostLost);
}

/// DET-29: a service that comes back is used again, with no new decision.
#[test]
fn a_service_that_comes_back_is_used_again() {
    let service = db(ProvisioningMode::Auto);
    let catalogue = Catalogue::new();
    let held = decide(&service, &lost(None, CandidateVerdict::Absent), &catalogue);
    let back = Facts { previous: Some(status(&held)), ..facts() };
    let decision = decide(&service, &back, &catalogue);
    assert_eq!((decision.action, decision.reason, decision.sticky), (Action::UseHostService, Reason::HostValidated, true));
}

fn volume(service: &ValidService, product: &str) -> VolumeRecord {
    let owner = Ownership::of_service(service, &"instance".into()).owner;
    let path = "/var/lib/ledger".to_owned();
    VolumeRecord { name: volume_name(&owner, product, &path), owner, path, created_at: "then".to_owned() }
}

/// DET-8: retained data win without a probe; `Never` and an explicit candidate override.
#[test]
fn retained_data_win() {
    let catalogue = Catalogue::new();
    let service = db(ProvisioningMode::Auto);
    let facts = Facts { retained: vec![volume(&service, "ledger")], ..with(usable(5432, None)) };
    assert_eq!(questions(&service, &facts, &catalogue), None);
    let decision = decide(&service, &facts, &catalogue);
    assert_eq!((decision.action, decision.reason), (Action::ProvisionContainer, Reason::RetainedData));
    assert_eq!(decide(&db(ProvisioningMode::Never), &facts, &catalogue).action, Action::UseHostService);
    let explicit = only("- name: db\n  adapter: ledger\n  detection: {candidates: [\"127.0.0.1:5432\"]}");
    assert_eq!(decide(&explicit, &facts, &catalogue).action, Action::UseHostService);
}

/// K-11: another product's volume is not this service's data.
#[test]
fn another_products_volume_is_not_our_data() {
    let service = db(ProvisioningMode::Auto);
    let facts = Facts { retained: vec![volume(&service, "other")], ..with(CandidateVerdict::Absent) };
    assert_eq!(decide(&service, &facts, &Catalogue::new()).reason, Reason::NoHostService);
}

/// DET-22, DET-23, S-9: a credential is generated before data exist, and never made anew while they do.
#[test]
fn a_lost_credential_is_never_made_anew() {
    let service = db(ProvisioningMode::Always);
    let mut facts = Facts { generated_credential: CredentialFact::None, ..facts() };
    let decision = decide(&service, &facts, &Catalogue::new());
    assert_eq!(credential_need(&service, &decision, &facts), CredentialNeed::Generate);
    facts.retained.push(volume(&service, "ledger"));
    assert_eq!(credential_need(&service, &decision, &facts), CredentialNeed::Lost);
    facts.generated_credential = CredentialFact::Present { keys: Vec::new() };
    assert_eq!(credential_need(&service, &decision, &facts), CredentialNeed::Nothing);
}

/// DET-6, P17: a fault in judging is named and never becomes `NoAction` under `Auto`, nor anything but an error under `Never`.
#[test]
fn p17_a_fault_in_judging_is_named() {
    let facts = Facts { probe: Some(ProbeReport { fault: Some("panicked".into()), ..ProbeReport::default() }), ..facts() };
    assert_eq!(judged(ProvisioningMode::Auto, &facts), (Action::ProvisionContainer, Reason::NoHostService));
    assert_eq!(judged(ProvisioningMode::Never, &facts), (Action::NoAction, Reason::HostServiceRequired));
    let decision = decide(&db(ProvisioningMode::Auto), &facts, &Catalogue::new());
    assert!(decision.evidence[0].detail.as_ref().unwrap().contains("panicked"));
}

/// DET-31: a host service that the stack's containers cannot reach is not used.
#[test]
fn a_host_service_out_of_reach_is_not_used() {
    let mut facts = with(usable(5432, None));
    facts.reach.unreachable_from_stack = true;
    assert_eq!(judged(ProvisioningMode::Auto, &facts).0, Action::ProvisionContainer);
    assert_eq!(judged(ProvisioningMode::Never, &facts), (Action::NoAction, Reason::HostServiceRequired));
}
