use koan_core::probe::{Access, CandidateVerdict, CredentialRef};
use koan_crds::v1alpha1::EvidenceCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::packet::{Connack, Level, Malformed, connack, connect};
use crate::testing::servers::{NOBODY, Server, place, start};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const CONFIGURATION: &str = "/mosquitto/config/mosquitto.conf";

async fn guarded() -> Option<Server> {
    start("mosquitto", NOBODY, &login(Some("shop"), "right p\"a:ss"), |_home| {}).await
}

/// What the broker writes of a client that it turns away.
const REFUSED: &str = "not authorised";

/// ENG-17, DET-16, DET-21: the process recipe brings up a real broker that takes the login of its password file; the right one proves
/// it.
#[tokio::test]
async fn the_right_login_proves_a_real_broker() {
    let Some(server) = guarded().await else { return };
    let access = manifest(login(Some("shop"), "right p\"a:ss"));
    let report = LiveProber::as_user(server.uid).probe(&question("mosquitto", server.port, &ALL), &access).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    assert_eq!(only(&report).evidence[0].detail.as_deref(), Some("MQTT 3.1.1, asks for a login"));
    assert!(matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if found.credential == CredentialRef::Manifest));
}

/// SEC-1, SEC-2, P18: a stranger's broker gets no password; our own refuses a wrong one once, and it is not repeated; a broker with a
/// login does not pass without one. The broker's own log counts every client that it turned away.
#[tokio::test]
async fn sec_1_sec_2_p18_a_wrong_or_missing_login_is_rejected() {
    let Some(server) = guarded().await else { return };
    let question = question("mosquitto", server.port, &ALL);
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &manifest(login(Some("shop"), "right p\"a:ss"))).await;
    assert_eq!(
        codes(only(&stranger)),
        [EvidenceCode::Identified, EvidenceCode::OwnerOther, EvidenceCode::CredentialSkipped, EvidenceCode::CredentialSkipped]
    );
    assert_eq!(server.wrote(REFUSED, 1).await, 1, "the greeting alone");
    let mut access = manifest(login(Some("shop"), "wrong"));
    let first = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert_eq!(only(&first).verdict, CandidateVerdict::Rejected);
    assert_eq!(only(&first).refused.len(), 1);
    assert_eq!(server.wrote(REFUSED, 3).await, 3, "a greeting and the wrong login");
    access.refused = only(&first).refused.clone();
    let second = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert_eq!(server.wrote(REFUSED, 4).await, 4, "a greeting");
    let without = LiveProber::as_user(server.uid).probe(&question, &Access::default()).await;
    assert_eq!(only(&without).verdict, CandidateVerdict::Rejected);
}

/// Lets clients in without a login.
fn open(home: &std::path::Path) {
    let file = place(home, CONFIGURATION);
    let text = std::fs::read_to_string(&file).unwrap();
    let open: String = text
        .lines()
        .filter(|line| !line.starts_with("password_file"))
        .map(|line| if line.starts_with("allow_anonymous") { "allow_anonymous true\n".to_owned() } else { format!("{line}\n") })
        .collect();
    std::fs::remove_file(&file).unwrap();
    std::fs::write(&file, open + "log_type all\n").unwrap();
}

/// DET-16, DET-20, SEC-1: a broker without a login is used anonymously and is not sent the manifest's password; a stranger's is not used.
#[tokio::test]
async fn sec_1_an_open_broker_is_anonymous() {
    let Some(server) = start("mosquitto", NOBODY, &login(None, ""), open).await else { return };
    let question = question("mosquitto", server.port, &ALL);
    let access = manifest(login(Some("shop"), "unused"));
    let report = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if found.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    assert!(!server.log().contains("u'shop'"), "{}", server.log());
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &access).await;
    assert_eq!(only(&stranger).verdict, CandidateVerdict::Rejected);
    assert!(!server.log().contains("u'shop'"), "{}", server.log());
}

/// DET-41, S-3: a client with a session of its own keeps its connection and its session while its broker is probed.
#[tokio::test]
async fn a_probe_disconnects_no_client() {
    let Some(server) = start("mosquitto", NOBODY, &login(None, ""), open).await else { return };
    let mut client = TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    // A session that lasts: not a clean start.
    let mut packet = connect(Level::Four, "resident", None).unwrap();
    packet[9] = 0;
    client.write_all(&packet).await.unwrap();
    let mut answer = [0; 4];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
    for _probe in 0..20 {
        let report = LiveProber::as_user(server.uid).probe(&question("mosquitto", server.port, &ALL), &Access::default()).await;
        assert!(matches!(only(&report).verdict, CandidateVerdict::Usable(_)), "{report:?}");
    }
    client.write_all(&[0xC0, 0]).await.unwrap();
    let mut answer = [0; 2];
    client.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0xD0, 0], "a ping is answered");
    let log = server.log();
    assert!(!log.contains("already connected") && !log.contains("Client resident"), "{log}");
    let probes = log.lines().filter(|line| line.contains("New client connected") && line.contains(" as koan"));
    assert!(probes.clone().count() >= 40 && probes.clone().all(|line| line.contains("c1")), "each starts clean: {log}");
    let count = probes.count();
    assert_eq!(server.wrote("Received DISCONNECT from koan", count).await, count, "each said goodbye");
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_cache_is_no_broker() {
    let Some(server) = start("redis", NOBODY, &login(None, "secret"), |_home| {}).await else { return };
    let report = LiveProber::new().probe(&question("mosquitto", server.port, &ALL), &manifest(login(None, "secret"))).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Impostor);
}

/// DET-14: only a whole CONNACK is a greeting; both levels are read. The first two are recorded from Mosquitto 2.0.11.
#[test]
fn answers_are_read_whole_or_not_at_all() {
    for (bytes, answer) in [
        (&[0x20, 2, 0, 0][..], Connack::Accepted),
        (&[0x20, 2, 0, 5], Connack::LoginRefused(5)),
        (&[0x20, 2, 0, 1], Connack::OtherLevel),
        (&[0x20, 2, 0, 3], Connack::Refused(3)),
        (&[0x20, 3, 0, 0x84, 0], Connack::OtherLevel),
        (&[0x20, 9, 0, 0, 6, 0x22, 0, 10, 0x21, 0, 20], Connack::Accepted),
        (&[0x20, 3, 0, 0x87, 0], Connack::LoginRefused(0x87)),
        (&[0x20, 3, 0, 0x88, 0], Connack::Refused(0x88)),
    ] {
        assert_eq!(connack(bytes), Ok(Some(answer)), "{bytes:?}");
        for end in 0..bytes.len() {
            assert_eq!(connack(&bytes[..end]), Ok(None), "{bytes:?} {end}");
        }
    }
    for bytes in [
        &b"HTTP/1.1 400"[..],
        &[0x20, 2, 1, 0],
        &[0x20, 2, 0, 9],
        &[0x20, 3, 0, 0x84, 7],
        &[0x20, 0],
        &[0x20, 0xFF, 0xFF, 0xFF, 0xFF],
    ] {
        assert_eq!(connack(bytes), Err(Malformed), "{bytes:?}");
    }
    assert_eq!(connect(Level::Five, "a", Some(("u", &"p".repeat(70_000)))), None);
}

/// A broker that speaks one level alone, by transcript.
async fn broker_of(level: u8) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _peer)) = listener.accept().await {
            let mut packet = [0; 256];
            let Ok(count @ 9..) = stream.read(&mut packet).await else { continue };
            let answer: &[u8] = match (packet[8] == level, packet[..count].windows(5).any(|text| text == b"right")) {
                (false, _) => &[0x20, 3, 0, 0x84, 0],
                (true, true) => &[0x20, 3, 0, 0, 0],
                (true, false) => &[0x20, 3, 0, 0x87, 0],
            };
            let _sent = stream.write_all(answer).await;
        }
    });
    port
}

/// DET-14, DET-5: a broker of MQTT 5 alone is asked in 5; one that speaks neither level is not usable.
#[tokio::test]
async fn a_broker_of_one_level_is_asked_in_it() {
    let access = manifest(login(Some("shop"), "right"));
    let prober = LiveProber::new();
    let report = prober.probe(&question("mosquitto", broker_of(5).await, &ALL), &access).await;
    assert_eq!(only(&report).evidence[0].detail.as_deref(), Some("MQTT 5, asks for a login"));
    assert!(matches!(only(&report).verdict, CandidateVerdict::Usable(_)), "{report:?}");
    let report = prober.probe(&question("mosquitto", broker_of(9).await, &ALL), &access).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::VersionUnsupported), "{report:?}");
}

proptest::proptest! {
    /// P6: whatever a broker sends, reading it ends without a fault.
    #[test]
    fn p6_any_answer_is_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..40)) {
        let _answer = connack(&bytes);
        let _answer = connack(&[&[0x20][..], &bytes].concat());
    }
}
