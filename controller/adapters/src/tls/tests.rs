use std::time::Duration;

use koan_core::probe::{Access, Address, CandidateReport, CandidateVerdict, Check, CheckReport, CredentialRef, Tls, TlsMode};
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;

use crate::testing::certificates::{Flaw, Papers};
use crate::testing::servers::{NOBODY, Server, start, start_with};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ADAPTERS: [&str; 4] = ["mariadb", "nats", "postgres", "redis"];

fn right() -> Login {
    login(Some("default"), "right password 8Zq")
}

async fn served(adapter: &str, papers: &Papers, more: &str) -> Option<Server> {
    start_with(adapter, NOBODY, &right(), Papers::words(adapter), |home| papers.turn_on(adapter, home, NOBODY, more)).await
}

async fn asked(adapter: &str, server: &Server, host: &str, tls: Option<Tls>) -> CandidateReport {
    let mut question = question(adapter, server.port, &[CredentialRef::Manifest]);
    question.candidates[0].address = Address::Tcp { host: host.to_owned(), port: server.port };
    question.candidates[0].tls = tls;
    only(&LiveProber::as_user(server.uid).probe(&question, &manifest(right())).await).clone()
}

/// It was refused for its TLS alone, with this remedy, and since this place in its log no login reached it.
fn assert_refused(report: &CandidateReport, (server, since): (&Server, usize), words: &str) {
    assert_eq!(report.verdict, CandidateVerdict::Rejected, "{report:?}");
    assert_eq!(codes(report), [EvidenceCode::TlsRequired, EvidenceCode::OwnerUser], "{report:?}");
    let detail = report.evidence[0].detail.clone().unwrap();
    assert!(detail.contains(words), "{detail}");
    let log = server.log().split_off(since).replace("unauthenticated", "");
    for login in ["authenticated", "authentication failed", "authentication error", "Access denied", "user=default"] {
        assert!(!log.contains(login), "{log}");
    }
}

/// DET-16, SEC-1: a server whose certificate leads to the authority that the candidate names is used, by every mode of TLS; the name
/// that was verified is the one that consumers get, and readiness is checked over TLS too.
#[tokio::test]
async fn sec_1_a_verified_server_is_used_and_checked_over_tls() {
    let papers = Papers::new(Flaw::None);
    for adapter in ADAPTERS {
        let Some(server) = served(adapter, &papers, "").await else { return };
        for (host, mode) in
            [("127.0.0.1", TlsMode::VerifyFull), ("localhost", TlsMode::VerifyFull), ("127.0.0.1", TlsMode::Require)]
        {
            let tls = papers.demand(mode);
            let report = asked(adapter, &server, host, Some(tls.clone())).await;
            let accepted = [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted];
            assert_eq!(codes(&report), accepted, "{adapter} {host} {mode:?} {report:?}");
            let CandidateVerdict::Usable(usable) = &report.verdict else { panic!("{report:?}") };
            assert_eq!(usable.tls.as_ref(), Some(&tls));
            assert_eq!(usable.address.to_string(), format!("{host}:{}", server.port));
            let check = Check {
                adapter: adapter.to_owned(),
                address: usable.address.clone(),
                tls: Some(tls),
                login: right(),
                database: "shop".to_owned(),
                timeout: Duration::from_secs(10),
            };
            let report = LiveProber::new().check(&check).await;
            assert!(matches!(report, CheckReport::Passed { .. }), "{adapter} {report:?}");
        }
    }
}

/// DET-16, SEC-1: a certificate that ended, names another host, or leads to nobody who is trusted is told with its remedy, and the
/// server gets no login.
#[tokio::test]
async fn sec_1_a_refused_certificate_is_told_and_gets_no_login() {
    let strangers = Papers::new(Flaw::None);
    for adapter in ADAPTERS {
        for (flaw, words) in [
            (Flaw::Expired, "has expired: renew it on the server"),
            (Flaw::OtherName, "and not 127.0.0.1: use a name that it has"),
            (Flaw::SelfSigned, "nobody whom this machine trusts signed its certificate: name the authority's file"),
        ] {
            let papers = Papers::new(flaw);
            let Some(server) = served(adapter, &papers, "").await else { return };
            let since = server.log().len();
            let own = (flaw != Flaw::SelfSigned).then(|| papers.demand(TlsMode::VerifyFull));
            let demand = own.unwrap_or(Tls { mode: TlsMode::Require, authorities: None });
            assert_refused(&asked(adapter, &server, "127.0.0.1", Some(demand)).await, (&server, since), words);
            let other = Some(strangers.demand(TlsMode::VerifyCa));
            assert!(
                asked(adapter, &server, "127.0.0.1", other).await.verdict == CandidateVerdict::Rejected,
                "{adapter} {flaw:?}"
            );
        }
    }
}

/// DET-16: with authorities of one's own, `verify-ca` leaves the name out, and a self-signed certificate vouches for itself.
#[tokio::test]
async fn ones_own_authorities_excuse_a_name_and_a_self_signed_server() {
    for (flaw, mode) in [(Flaw::OtherName, TlsMode::VerifyCa), (Flaw::SelfSigned, TlsMode::VerifyFull)] {
        let papers = Papers::new(flaw);
        for adapter in ADAPTERS {
            let Some(server) = served(adapter, &papers, "").await else { return };
            let report = asked(adapter, &server, "127.0.0.1", Some(papers.demand(mode))).await;
            assert!(matches!(report.verdict, CandidateVerdict::Usable(_)), "{adapter} {flaw:?} {report:?}");
        }
    }
}

/// SEC-1: a server that speaks no TLS, or somebody who strips it on the way, gets no login where TLS is demanded.
#[tokio::test]
async fn sec_1_a_server_without_tls_gets_no_login() {
    let papers = Papers::new(Flaw::None);
    for adapter in ADAPTERS {
        let Some(server) = start(adapter, NOBODY, &right(), |_home| {}).await else { return };
        let since = server.log().len();
        let report = asked(adapter, &server, "127.0.0.1", Some(papers.demand(TlsMode::VerifyFull))).await;
        assert!(matches!(report.verdict, CandidateVerdict::Rejected | CandidateVerdict::Impostor), "{report:?}");
        assert!(!codes(&report).contains(&EvidenceCode::Identified), "{report:?}");
        assert_eq!(server.log().split_off(since).matches("default").count(), 0);
    }
}

/// DET-5: `TlsRequired` names what to write where a server speaks TLS alone, and what to change where it wants a certificate of its
/// clients or the authorities cannot be read.
#[tokio::test]
async fn tls_that_is_missing_names_what_to_do() {
    let papers = Papers::new(Flaw::None);
    let Some(server) = served("redis", &papers, "").await else { return };
    let plain = asked("redis", &server, "127.0.0.1", None).await;
    assert_refused(&plain, (&server, 0), "it speaks TLS alone: write the candidate as rediss://");
    let lost = Tls { mode: TlsMode::VerifyFull, authorities: Some("/nowhere/ca.pem".to_owned()) };
    let report = asked("redis", &server, "127.0.0.1", Some(lost)).await;
    assert_eq!((codes(&report), &report.verdict), (vec![EvidenceCode::TlsRequired], &CandidateVerdict::Rejected));
    assert!(report.evidence[0].detail.as_ref().unwrap().contains("/nowhere/ca.pem, the file of authorities, cannot be read"));
    let Some(strict) = served("redis", &papers, "tls-auth-clients yes").await else { return };
    let report = asked("redis", &strict, "127.0.0.1", Some(papers.demand(TlsMode::VerifyFull))).await;
    assert_refused(&report, (&strict, 0), "demands a certificate of its clients");
}

/// DET-10: a candidate of the environment that demands TLS is as local as any other.
#[tokio::test]
async fn tls_does_not_lead_beyond_loopback() {
    let mut question = question("redis", 6379, &[]);
    question.candidates[0].address = Address::Tcp { host: "192.0.2.1".to_owned(), port: 6379 };
    question.candidates[0].tls = Some(Tls { mode: TlsMode::VerifyFull, authorities: None });
    question.candidates[0].named_by_manifest = false;
    let report = LiveProber::new().probe(&question, &Access::default()).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::RemoteNotAllowed]);
}
