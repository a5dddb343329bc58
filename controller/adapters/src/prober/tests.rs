use std::time::Duration;

use async_trait::async_trait;
use koan_core::probe::{Access, Address, CandidateVerdict, Check, CheckReport, CredentialRef};
use koan_core::recipe::Recipes;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::time::Instant;

use super::live::judged;
use crate::product::{Attempt, Identified, Product, Proof};
use crate::testing::{codes, login, manifest, only, question};
use crate::wire::{Fault, Peer};
use crate::zoo::{Cage, Impostor};
use crate::{LiveProber, Prober, catalogue};

const CREDENTIALS: [CredentialRef; 3] = [CredentialRef::Manifest, CredentialRef::Anonymous, CredentialRef::Default(0)];

/// DET-14, DET-18, SEC-1: whatever answers in place of the product is named an impostor within its budget, and receives nothing of
/// any credential, user name or database name.
#[tokio::test]
async fn sec_1_impostors_get_no_byte_of_a_credential() {
    let canary = login(Some("canary-user-7Qx"), "c@n/ry pass+9Zk");
    for adapter in catalogue().ids() {
        for impostor in Impostor::ALL {
            let cage = Cage::open(impostor).await;
            let mut question = question(adapter, cage.port, &CREDENTIALS);
            question.database = "canary_database".to_owned();
            let report = LiveProber::new().probe(&question, &manifest(canary.clone())).await;
            let report = only(&report);
            assert_eq!(report.verdict, CandidateVerdict::Impostor, "{adapter} {impostor:?}");
            assert!(
                matches!(codes(report)[0], EvidenceCode::Silent | EvidenceCode::WrongProtocol | EvidenceCode::Timeout),
                "{adapter} {impostor:?} {:?}",
                report.evidence
            );
            cage.assert_clean(&canary, "canary_database");
        }
    }
}

/// Products whose servers greet first: a probe of them says nothing, so nobody answers who waits to be asked.
const GREETED: [&str; 3] = ["mariadb", "mysql", "nats"];

/// DET-18: the evidence of an impostor names what it is, where that shows.
#[tokio::test]
async fn an_http_server_is_named() {
    for adapter in catalogue().ids() {
        let cage = Cage::open(Impostor::HttpOk).await;
        let report = LiveProber::new().probe(&question(adapter, cage.port, &[]), &Access::default()).await;
        let detail = if GREETED.contains(&adapter) { "it accepts and says nothing" } else { "an HTTP server answers" };
        assert_eq!(only(&report).evidence[0].detail.as_deref(), Some(detail), "{adapter}");
    }
}

/// DET-5: a closed port is `Refused` and absent.
#[tokio::test]
async fn a_closed_port_is_absent() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for adapter in catalogue().ids() {
        let report = LiveProber::new().probe(&question(adapter, port, &CREDENTIALS), &Access::default()).await;
        assert_eq!(only(&report).verdict, CandidateVerdict::Absent);
        assert_eq!(codes(only(&report)), [EvidenceCode::Refused]);
    }
}

/// DET-10: beyond loopback nothing is dialled that the manifest does not name.
#[tokio::test]
async fn a_remote_candidate_of_the_environment_is_not_dialled() {
    let mut question = question("postgres", 5432, &CREDENTIALS);
    question.candidates[0].address = Address::Tcp { host: "192.0.2.1".to_owned(), port: 5432 };
    question.candidates[0].named_by_manifest = false;
    let report = LiveProber::new().probe(&question, &Access::default()).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::RemoteNotAllowed]);
    assert_eq!(only(&report).verdict, CandidateVerdict::Absent);
}

/// P14, B-1: a port that accepts and whose application does not answer is not ready.
#[tokio::test]
async fn p14_an_open_port_is_not_ready() {
    for adapter in catalogue().ids() {
        let cage = Cage::open(Impostor::Silent).await;
        let check = Check {
            adapter: adapter.to_owned(),
            address: Address::Tcp { host: "127.0.0.1".to_owned(), port: cage.port },
            tls: None,
            login: login(Some("shop"), "secret"),
            database: "shop".to_owned(),
            timeout: Duration::from_secs(1),
        };
        let report = LiveProber::new().check(&check).await;
        assert!(matches!(&report, CheckReport::NotYet(line) if line.code == EvidenceCode::Silent), "{report:?}");
    }
}

struct Panics;

#[async_trait]
impl Product for Panics {
    async fn identify(&self, _peer: &Peer, _deadline: Instant) -> Result<Identified, Fault> {
        panic!("a bug of an adapter");
    }

    async fn login(&self, _attempt: &Attempt<'_>) -> Proof {
        panic!("a bug of an adapter");
    }
}

/// P17, DET-6: an adapter that panics is a fault of that one answer, with evidence of which it was.
#[tokio::test]
async fn p17_a_panic_of_an_adapter_is_a_fault_of_its_answer() {
    let recipe = catalogue().recipe("redis").unwrap();
    let report = judged(&question("redis", 1, &[]), &Access::default(), (recipe, &Panics), 0).await;
    assert_eq!(report.fault.as_deref(), Some("the detector of redis failed"));
}

struct Hangs;

#[async_trait]
impl Product for Hangs {
    async fn identify(&self, _peer: &Peer, _deadline: Instant) -> Result<Identified, Fault> {
        std::future::pending().await
    }

    async fn login(&self, _attempt: &Attempt<'_>) -> Proof {
        std::future::pending().await
    }
}

/// P17, DET-12: an adapter that hangs ends with the budget, and the budget is evidence.
#[tokio::test(start_paused = true)]
async fn p17_an_adapter_that_hangs_ends_with_its_budget() {
    let recipe = catalogue().recipe("redis").unwrap();
    let started = Instant::now();
    let question = question("redis", 1, &[]);
    let report = judged(&question, &Access::default(), (recipe, &Hangs), 0).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Timeout]);
    assert_eq!(started.elapsed(), question.total);
}
