//! One test for each code of evidence that the prober gives (DET-5). Codes of decisions stand at `decide`, TLS at its room.

use async_trait::async_trait;
use koan_core::identity::{InstanceId, Owner, Uid};
use koan_core::inventory::LivePort;
use koan_core::probe::{Access, Address, CandidateReport, CandidateVerdict, CredentialRef};
use koan_core::recipe::Recipes;
use koan_crds::v1alpha1::{EvidenceCode, EvidenceStep, Protocol};
use tokio::time::Instant;

use super::live::judged;
use crate::ownership::our_uid;
use crate::product::{Attempt, Identified, Product, Proof};
use crate::testing::zoo::{Cage, Impostor};
use crate::testing::{codes, login, manifest, only, question};
use crate::wire::{Fault, Peer};
use crate::{LiveProber, Prober, catalogue};

/// A product that is identified and answers every login in one way.
struct Says(Proof);

#[async_trait]
impl Product for Says {
    async fn identify(&self, _peer: &Peer, _deadline: Instant) -> Result<Identified, Fault> {
        Ok(Identified { detail: "greets".to_owned(), open: false })
    }

    async fn login(&self, _attempt: &Attempt<'_>) -> Proof {
        self.0.clone()
    }
}

fn proven() -> Proof {
    Proof::Proven { version: None, server_id: None, anonymous: false }
}

/// Asks a product at a listener of our own with the manifest's login.
async fn asked(proof: Proof, port: u16, access: &Access) -> CandidateReport {
    let question = question("redis", port, &[CredentialRef::Manifest]);
    let recipe = catalogue().recipe("redis").unwrap();
    only(&judged(&question, access, (recipe, &Says(proof)), our_uid()).await).clone()
}

async fn answered(proof: Proof) -> CandidateReport {
    let cage = Cage::open(Impostor::Silent).await;
    asked(proof, cage.port, &manifest(login(None, "x"))).await
}

async fn last(proof: Proof) -> EvidenceCode {
    *codes(&answered(proof).await).last().unwrap()
}

async fn greeted(impostor: Impostor) -> EvidenceCode {
    let cage = Cage::open(impostor).await;
    codes(only(&LiveProber::new().probe(&question("redis", cage.port, &[]), &Access::default()).await))[0]
}

/// DET-5: a name without an address is `Unreachable`, and absent.
#[tokio::test]
async fn det_5_unreachable() {
    let mut question = question("redis", 1, &[]);
    question.candidates[0].address = Address::Tcp { host: "nowhere.invalid".to_owned(), port: 6379 };
    let report = LiveProber::new().probe(&question, &Access::default()).await;
    assert_eq!((codes(only(&report)), &only(&report).verdict), (vec![EvidenceCode::Unreachable], &CandidateVerdict::Absent));
}

/// DET-5: whoever accepts and says nothing is `Silent`.
#[tokio::test]
async fn det_5_silent() {
    assert_eq!(greeted(Impostor::Silent).await, EvidenceCode::Silent);
}

/// DET-5: whoever answers with something else is `WrongProtocol`.
#[tokio::test]
async fn det_5_wrong_protocol() {
    assert_eq!(greeted(Impostor::HttpOk).await, EvidenceCode::WrongProtocol);
}

/// DET-5: a greeting is `Identified`, our own listener `OwnerUser`, a login that works `CredentialAccepted`, in this order.
#[tokio::test]
async fn det_5_identified_owner_user_credential_accepted() {
    let report = answered(proven()).await;
    assert_eq!(codes(&report), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let steps: Vec<EvidenceStep> = report.evidence.iter().map(|line| line.step).collect();
    assert_eq!(steps, [EvidenceStep::Identify, EvidenceStep::Own, EvidenceStep::Authenticate]);
}

/// A port that an engine publishes.
fn published(port: u16, owner: Option<Owner>) -> Access {
    let live = LivePort {
        service: "db".to_owned(),
        host: port,
        container: port,
        protocol: Protocol::Tcp,
        address: std::net::Ipv4Addr::LOCALHOST.into(),
        owner,
        pid: None,
    };
    Access { engine_ports: vec![live], ..manifest(login(None, "x")) }
}

/// DET-5, DET-15: a port that a foreign container publishes is `OwnerEngine`, and used.
#[tokio::test]
async fn det_5_owner_engine() {
    let cage = Cage::open(Impostor::Silent).await;
    let report = asked(proven(), cage.port, &published(cage.port, None)).await;
    assert_eq!(codes(&report)[1], EvidenceCode::OwnerEngine);
    assert!(matches!(report.verdict, CandidateVerdict::Usable(_)));
}

/// DET-5, DET-35: a port that a workload of Koan's publishes is `KoanOwned`, and no login is tried.
#[tokio::test]
async fn det_5_koan_owned() {
    let cage = Cage::open(Impostor::Silent).await;
    let owner = Owner {
        instance: InstanceId::from("instance"),
        namespace: "default".to_owned(),
        stack: Some("other".to_owned()),
        service: "db".to_owned(),
        uid: Uid::from("uid"),
    };
    let report = asked(proven(), cage.port, &published(cage.port, Some(owner))).await;
    assert_eq!(codes(&report), [EvidenceCode::Identified, EvidenceCode::KoanOwned]);
    assert_eq!(report.verdict, CandidateVerdict::KoanOwned);
}

/// DET-5: a login that the server refuses is `CredentialRejected`, and remembered.
#[tokio::test]
async fn det_5_credential_rejected() {
    let report = answered(Proof::Refused("no".to_owned())).await;
    assert_eq!(codes(&report).last(), Some(&EvidenceCode::CredentialRejected));
    assert_eq!(report.refused.len(), 1);
}

/// DET-5: a login that was not sent is `CredentialSkipped`, and not remembered.
#[tokio::test]
async fn det_5_credential_skipped() {
    let report = answered(Proof::Skipped("it wants plain text".to_owned())).await;
    assert_eq!(codes(&report).last(), Some(&EvidenceCode::CredentialSkipped));
    assert!(report.refused.is_empty());
}

/// DET-5, SEC-2: after three refused logins of an endpoint and generation the next one is `AttemptBudget`, and not sent.
#[tokio::test]
async fn det_5_attempt_budget() {
    let cage = Cage::open(Impostor::Silent).await;
    let refused = (1..=3).map(|number| format!("127.0.0.1:{}#1:{number:08}", cage.port)).collect();
    let access = Access { refused, ..manifest(login(None, "x")) };
    let report = asked(proven(), cage.port, &access).await;
    assert_eq!(codes(&report).last(), Some(&EvidenceCode::AttemptBudget));
    assert_eq!(report.verdict, CandidateVerdict::Rejected);
}

/// DET-5: what a login may not do is `NotAuthorised`.
#[tokio::test]
async fn det_5_not_authorised() {
    unusable(EvidenceCode::NotAuthorised).await;
}

/// DET-5: a server without the database is `DatabaseMissing`.
#[tokio::test]
async fn det_5_database_missing() {
    unusable(EvidenceCode::DatabaseMissing).await;
}

/// DET-5: a server that lacks what is needed is `CapabilityMissing`.
#[tokio::test]
async fn det_5_capability_missing() {
    unusable(EvidenceCode::CapabilityMissing).await;
}

/// DET-5, DET-36: a server below the minimum of its row is `VersionUnsupported`, with both versions.
#[tokio::test]
async fn det_5_version_unsupported() {
    let fault = crate::product::too_old("5.0.14", "6");
    assert_eq!((fault.code, fault.detail.as_str()), (EvidenceCode::VersionUnsupported, "version 5.0.14 is older than 6"));
    assert_eq!(last(Proof::Unusable(fault)).await, EvidenceCode::VersionUnsupported);
}

/// DET-5: a store that is sealed is `Sealed`.
#[tokio::test]
async fn det_5_sealed() {
    unusable(EvidenceCode::Sealed).await;
}

/// DET-5: a replica is `ReadOnly`.
#[tokio::test]
async fn det_5_read_only() {
    unusable(EvidenceCode::ReadOnly).await;
}

/// The right product that cannot be used: refused at the step Authorise, with that code.
async fn unusable(code: EvidenceCode) {
    let report = answered(Proof::Unusable(Fault::new(code, "told"))).await;
    let line = report.evidence.last().unwrap();
    assert_eq!((line.step, line.code, line.detail.as_deref()), (EvidenceStep::Authorise, code, Some("manifest: told")));
    assert_eq!(report.verdict, CandidateVerdict::Rejected);
}
