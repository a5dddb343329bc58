use koan_core::probe::{Access, CandidateVerdict, CredentialRef, Probe, Usable};
use koan_crds::v1alpha1::EvidenceCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::frame::{self, Malformed, Said, read};
use crate::testing::forwarders::no_login_passes;
use crate::testing::servers::{DAEMON, NOBODY, Server, start};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 4] =
    [CredentialRef::Manifest, CredentialRef::Anonymous, CredentialRef::Default(0), CredentialRef::Default(1)];
/// What the server writes of a login that it refuses.
const REFUSED: &str = "login refused";

async fn guarded() -> Option<Server> {
    start("rabbitmq", DAEMON, &login(Some("shop user"), "right p\"a#ß"), |_home| {}).await
}

/// ENG-17, DET-16, DET-21, SEC-1, SEC-2, P18: the process recipe brings up a real server with its login and virtual host. The right
/// login proves it; a stranger's server gets none; another virtual host is missing; wrong logins are few, counted by the server itself,
/// and never repeated; a login that may not enter is not authorised. One server for all of it: it takes seconds to start.
#[tokio::test]
async fn sec_1_sec_2_p18_a_real_server_is_proved_by_the_right_login_alone() {
    let Some(server) = guarded().await else { return };
    let right = manifest(login(Some("shop user"), "right p\"a#ß"));
    let question = question("rabbitmq", server.port, &ALL);
    let ours = LiveProber::as_user(server.uid);

    let report = ours.probe(&question, &right).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, version, .. }) = &only(&report).verdict else { panic!("{report:?}") };
    assert_eq!(*credential, CredentialRef::Manifest);
    assert!(version.as_deref().is_some_and(|version| version.starts_with("3.")), "{version:?}");

    let stranger = LiveProber::as_user(server.uid + 40_000).probe(&question, &right).await;
    let (owner, last) = if server.uid == DAEMON {
        (EvidenceCode::OwnerSystem, EvidenceCode::CredentialAccepted)
    } else {
        (EvidenceCode::OwnerOther, EvidenceCode::CredentialSkipped)
    };
    assert_eq!(codes(only(&stranger))[..3], [EvidenceCode::Identified, owner, last]);
    let defaults = Probe { credentials: ALL[2..].to_vec(), ..question.clone() };
    let stranger = LiveProber::as_user(server.uid + 40_000).probe(&defaults, &Access::default()).await;
    assert_eq!(codes(only(&stranger))[2..], [EvidenceCode::CredentialSkipped, EvidenceCode::CredentialSkipped]);

    let mut other = question.clone();
    other.database = "nowhere".to_owned();
    let report = ours.probe(&other, &right).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::DatabaseMissing), "{report:?}");
    assert_eq!(server.wrote(REFUSED, 0).await, 0);

    let mut access = manifest(login(Some("shop user"), "wrong"));
    let first = ours.probe(&question, &access).await;
    assert_eq!(only(&first).verdict, CandidateVerdict::Rejected);
    assert_eq!(server.wrote(REFUSED, 3).await, 3, "the manifest's and both default logins: {}", server.log());
    access.refused = only(&first).refused.clone();
    let second = ours.probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert_eq!(server.wrote(REFUSED, 3).await, 3, "{}", server.log());
    let anonymous = Probe { credentials: vec![CredentialRef::Anonymous], ..question };
    let without = ours.probe(&anonymous, &Access::default()).await;
    assert_eq!(codes(only(&without)).last(), Some(&EvidenceCode::CredentialSkipped));

    let log = server.log();
    for broken in ["handshake_error", "bad_header", "handshake_timeout", "unexpected method", "frame_error"] {
        assert!(!log.contains(broken), "{broken}: {log}");
    }
}

/// B-2, DET-16: the second default set is accepted where the listener is this user's, after the first one was refused.
#[tokio::test]
async fn the_default_set_opens_our_own_server() {
    let Some(server) = start("rabbitmq", NOBODY, &login(Some("guest"), "guest"), |_home| {}).await else { return };
    let report = LiveProber::as_user(server.uid).probe(&question("rabbitmq", server.port, &ALL), &Access::default()).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Default(1)),
        "{report:?}"
    );
    assert_eq!(only(&report).refused.len(), 1);
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_cache_is_no_queue() {
    let Some(server) = start("redis", DAEMON, &login(None, "secret"), |_home| {}).await else { return };
    let report = LiveProber::new().probe(&question("rabbitmq", server.port, &ALL), &manifest(login(None, "secret"))).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Impostor);
}

/// `Connection.Start` of RabbitMQ 3.10.8, recorded.
const START: &[u8] = include_bytes!("start-3.10.8.bin");

/// `Connection.Start` of another product or version.
fn start_of(product: &str, version: &str) -> Vec<u8> {
    let text = |name: &str, value: &str| {
        let length = u32::try_from(value.len()).unwrap().to_be_bytes();
        [&[u8::try_from(name.len()).unwrap()][..], name.as_bytes(), b"S", &length, value.as_bytes()].concat()
    };
    let long = |bytes: &[u8]| [&u32::try_from(bytes.len()).unwrap().to_be_bytes()[..], bytes].concat();
    let table = [text("product", product), text("version", version)].concat();
    let payload = [&[0, 10, 0, 10, 0, 9][..], &long(&table), &long(b"PLAIN"), &long(b"en_US")].concat();
    [&[1, 0, 0][..], &long(&payload), &[0xCE]].concat()
}

/// A server that answers each message with the next of these frames.
async fn transcript(answers: Vec<Vec<u8>>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            for answer in &answers {
                let mut message = [0; 4096];
                let Ok(1..) = stream.read(&mut message).await else { break };
                let _sent = stream.write_all(answer).await;
            }
        }
    });
    port
}

/// A frame of the server without arguments that a probe reads.
fn said(channel: u8, class: u8, method: u8, arguments: &[u8]) -> Vec<u8> {
    let length = u8::try_from(4 + arguments.len()).unwrap();
    [&[1, 0, channel, 0, 0, 0, length, 0, class, 0, method][..], arguments, &[0xCE]].concat()
}

async fn last_code(answers: Vec<Vec<u8>>) -> EvidenceCode {
    let question = question("rabbitmq", transcript(answers).await, &ALL[..1]);
    let report = LiveProber::new().probe(&question, &manifest(login(Some("shop"), "secret"))).await;
    *codes(only(&report)).last().unwrap()
}

/// DET-5, DET-36: versions before 3.8 are refused before any login, another product of the protocol is none, and each refusal of a login
/// has its code.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    let tune = said(0, 10, 30, &[7, 255, 0, 2, 0, 0, 0, 60]);
    let close = |code: u16, text: &str| {
        let text = [&[u8::try_from(text.len()).unwrap()][..], text.as_bytes(), &[0; 4]].concat();
        said(0, 10, 50, &[&code.to_be_bytes()[..], &text].concat())
    };
    // Tune-Ok and Open arrive together or apart: either is answered once.
    let opened = |answer: Vec<u8>| vec![START.to_vec(), tune.clone(), answer];
    assert_eq!(last_code(vec![start_of("RabbitMQ", "3.7.28")]).await, EvidenceCode::VersionUnsupported);
    assert_eq!(last_code(vec![start_of("LavinMQ", "3.9.0")]).await, EvidenceCode::OwnerUser);
    assert_eq!(last_code(vec![START.to_vec(), close(403, "ACCESS_REFUSED - no")]).await, EvidenceCode::CredentialRejected);
    assert_eq!(last_code(opened(close(530, "NOT_ALLOWED - vhost shop not found"))).await, EvidenceCode::DatabaseMissing);
    assert_eq!(last_code(opened(close(530, "NOT_ALLOWED - access to vhost 'shop' refused"))).await, EvidenceCode::NotAuthorised);
    assert_eq!(last_code(opened(close(541, "INTERNAL_ERROR"))).await, EvidenceCode::NotAuthorised);
}

/// DET-14: only a whole `Start` is a greeting; the recorded one is read as the server meant it.
#[test]
fn frames_are_read_whole_or_not_at_all() {
    let (said, length) = read(START).unwrap().unwrap();
    assert_eq!(length, START.len());
    let mechanisms = vec!["AMQPLAIN".to_owned(), "PLAIN".to_owned()];
    assert_eq!(said, Said::Start { product: "RabbitMQ".to_owned(), version: "3.10.8".to_owned(), mechanisms });
    for end in 0..START.len() {
        assert_eq!(read(&START[..end]), Ok(None), "{end}");
    }
    for bytes in [&b"HTTP/1.1 400"[..], b"AMQP\0\0\x09\x01", &[1, 0, 0, 0xFF, 0, 0, 0], &[1, 0, 0, 0, 0, 0, 4, 0, 10, 0, 10, 7]] {
        assert_eq!(read(bytes), Err(Malformed), "{bytes:?}");
    }
    let heartbeat = [8, 0, 0, 0, 0, 0, 0, 0xCE];
    assert_eq!(read(&heartbeat), Ok(Some((Said::Other, 8))));
    assert_eq!(frame::open(&"v".repeat(256)), None);
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault, also where a real greeting is broken in one place.
    #[test]
    fn p6_any_frame_is_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200), at in 0_usize..503, byte: u8) {
        let _said = read(&bytes);
        let _said = read(&[&[1, 0, 0, 0, 0, 0, u8::try_from(bytes.len()).unwrap_or(0)][..], &bytes, &[0xCE]].concat());
        let mut broken = START.to_vec();
        broken[at] = byte;
        if let Ok(Some((_said, end))) = read(&broken) {
            proptest::prop_assert!(end <= broken.len());
        }
    }
}

/// DET-17, DET-41, SEC-1: behind `socat` and `ssh -L` a server with a default password is sent no login.
#[tokio::test]
async fn sec_1_no_login_passes_a_forwarder() {
    let login = login(Some("koan"), "koan");
    let Some(server) = start("rabbitmq", DAEMON, &login, |_home| {}).await else { return };
    no_login_passes("rabbitmq", &server, &login).await;
}
