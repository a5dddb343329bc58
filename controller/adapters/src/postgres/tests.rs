use koan_core::probe::{Access, CandidateVerdict, CredentialRef, Usable};
use koan_crds::v1alpha1::EvidenceCode;

use super::recipe;
use crate::testing::forwarders::no_login_passes;
use crate::testing::servers::{DAEMON, NOBODY, Server, place, start};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

/// DET-36: the volume lies over the path that the image of that tag declares.
#[test]
fn the_data_path_follows_the_tag() {
    let paths = recipe().data_paths;
    for (tag, path) in [
        ("18.6", "/var/lib/postgresql"),
        ("17.5-alpine", "/var/lib/postgresql/data"),
        ("0.8.0-pg17", "/var/lib/postgresql/data"),
        ("pg18", "/var/lib/postgresql"),
        ("latest", "/var/lib/postgresql"),
    ] {
        assert_eq!(paths(tag), [path], "{tag}");
    }
}

const ALL: [CredentialRef; 3] = [CredentialRef::Manifest, CredentialRef::Anonymous, CredentialRef::Default(0)];

async fn guarded(uid: u32) -> Option<Server> {
    start("postgres", uid, &login(Some("shop user"), "right p\"ass"), |_home| {}).await
}

fn right() -> Access {
    manifest(login(Some("shop user"), "right p\"ass"))
}

fn refusals(server: &Server) -> usize {
    server.log().matches("password authentication failed").count()
}

/// ENG-17, DET-16, DET-20, DET-21: the process recipe brings up a real server whose database exists; the manifest's login proves it,
/// by challenge–response even where the listener belongs to another login user; nothing broken stands in the server's log (SEC-2).
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    let Some(server) = guarded(NOBODY).await else { return };
    for (prober, owner) in [
        (LiveProber::as_user(server.uid), EvidenceCode::OwnerUser),
        (LiveProber::as_user(server.uid + 1), EvidenceCode::OwnerOther),
    ] {
        let report = prober.probe(&question("postgres", server.port, &ALL), &right()).await;
        let report = only(&report);
        assert_eq!(codes(report), [EvidenceCode::Identified, owner, EvidenceCode::CredentialAccepted]);
        let CandidateVerdict::Usable(Usable { credential, version, server_id, .. }) = &report.verdict else {
            panic!("{report:?}");
        };
        assert_eq!(*credential, CredentialRef::Manifest);
        assert!(version.as_deref().is_some_and(|version| version.starts_with(|letter: char| letter.is_ascii_digit())));
        assert!(server_id.is_some());
    }
    let mut other = question("postgres", server.port, &ALL);
    other.database = "missing".to_owned();
    let report = LiveProber::as_user(server.uid).probe(&other, &right()).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::DatabaseMissing));
    assert_eq!(only(&report).verdict, CandidateVerdict::Rejected);
    let log = server.log();
    for broken in ["incomplete startup", "invalid length", "could not accept SSL", "protocol violation", "unexpected EOF"] {
        assert!(!log.contains(broken), "{log}");
    }
}

/// SEC-2, DET-20, P18: wrong logins are refused by the server and counted in its own log; a second probe of the same generation adds
/// none; a system account's listener gets no default set.
#[tokio::test]
async fn sec_2_p18_wrong_logins_are_few_and_never_repeated() {
    let Some(server) = guarded(DAEMON).await else { return };
    let mut access = manifest(login(Some("shop user"), "wrong"));
    let report = LiveProber::as_user(server.uid).probe(&question("postgres", server.port, &ALL), &access).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Rejected);
    assert_eq!(refusals(&server), 2, "the manifest's and the default login");
    access.refused = only(&report).refused.clone();
    let again = LiveProber::as_user(server.uid).probe(&question("postgres", server.port, &ALL), &access).await;
    assert_eq!(only(&again).verdict, CandidateVerdict::Rejected);
    assert_eq!(refusals(&server), 2);
    let defaults = question("postgres", server.port, &[CredentialRef::Default(0)]);
    let system = LiveProber::as_user(NOBODY).probe(&defaults, &Access::default()).await;
    if server.uid == DAEMON {
        assert_eq!(codes(only(&system)), [EvidenceCode::Identified, EvidenceCode::OwnerSystem, EvidenceCode::CredentialSkipped]);
        assert_eq!(refusals(&server), 2);
    }
}

/// B-2, DET-16: the default set is accepted where the listener is this user's.
#[tokio::test]
async fn the_default_set_opens_our_own_server() {
    let login = login(Some("postgres"), "postgres");
    let Some(server) = start("postgres", NOBODY, &login, |_home| {}).await else { return };
    let defaults = question("postgres", server.port, &[CredentialRef::Anonymous, CredentialRef::Default(0)]);
    let report = LiveProber::as_user(server.uid).probe(&defaults, &Access::default()).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Default(0)),
        "{report:?}"
    );
}

fn demand(method: &'static str) -> impl Fn(&std::path::Path) {
    move |home| {
        let file = place(home, "/var/lib/postgresql/cluster/pg_hba.conf");
        std::fs::write(file, format!("host all all 127.0.0.1/32 {method}\n")).unwrap();
    }
}

/// DET-20, SEC-1: a stranger's server that asks for the password as it is gets none; our own does.
#[tokio::test]
async fn sec_1_a_stranger_gets_no_password_as_it_is() {
    let login = login(Some("shop user"), "right p\"ass");
    let Some(server) = start("postgres", NOBODY, &login, demand("password")).await else { return };
    let question = question("postgres", server.port, &[CredentialRef::Manifest]);
    let report = LiveProber::as_user(server.uid + 1).probe(&question, &right()).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerOther, EvidenceCode::CredentialSkipped]);
    let report = LiveProber::as_user(server.uid).probe(&question, &right()).await;
    assert!(matches!(only(&report).verdict, CandidateVerdict::Usable(_)), "{report:?}");
}

/// DET-20: a server that asks for nothing counts as anonymous.
#[tokio::test]
async fn a_trusting_server_is_anonymous() {
    let login = login(Some("shop user"), "right p\"ass");
    let Some(server) = start("postgres", NOBODY, &login, demand("trust")).await else { return };
    let question = question("postgres", server.port, &[CredentialRef::Manifest]);
    let report = LiveProber::as_user(server.uid).probe(&question, &right()).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    let other = LiveProber::as_user(server.uid + 1).probe(&question, &right()).await;
    assert_eq!(only(&other).verdict, CandidateVerdict::Rejected);
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_cache_is_no_database() {
    let Some(server) = start("redis", NOBODY, &login(None, "secret"), |_home| {}).await else { return };
    let report = LiveProber::new().probe(&question("postgres", server.port, &ALL), &right()).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Impostor);
}

/// DET-17, DET-41, SEC-1: behind `socat` and `ssh -L` a server with the default password is sent no login.
#[tokio::test]
async fn sec_1_no_login_passes_a_forwarder() {
    let login = login(Some("postgres"), "postgres");
    let Some(server) = start("postgres", NOBODY, &login, |_home| {}).await else { return };
    no_login_passes("postgres", &server, &login).await;
}
