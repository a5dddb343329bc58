use std::net::TcpListener;

use koan_core::probe::{Access, CandidateVerdict, CredentialRef, Usable};
use koan_core::recipe::ProcessRecipe;
use koan_crds::v1alpha1::EvidenceCode;
use proptest::prelude::any;

use super::codec::{self, Code, Malformed, Question, Versions, brokers, handshake, split, step};
use crate::testing::programs::program;
use crate::testing::script::{Script, Step};
use crate::testing::servers::{NOBODY, Server, start_as};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const PASSWORD: &str = "r1ght";
/// What the server writes of a login that it refuses.
const REFUSED: &str = "Failed authentication";
/// A broker alone; `MAIN` is the listener whose port is asked.
const BROKER: &str = "process.roles=broker,controller
node.id=1
listeners=MAIN://127.0.0.1:<kafka>,SELF://127.0.0.1:<self>,CONTROLLER://127.0.0.1:<controller>
controller.listener.names=CONTROLLER
controller.quorum.voters=1@127.0.0.1:<controller>
inter.broker.listener.name=SELF
offsets.topic.replication.factor=1
log.dirs=<data>/log
num.network.threads=1
num.io.threads=2
";
const LOGINS: &str = "--add-scram
SCRAM-SHA-256=[name=shop,password=r1ght]
--add-scram
SCRAM-SHA-512=[name=strong,password=r1ght]
";

/// A broker with these settings beside, of which `{main}` is where it sends the clients of its main listener.
fn process(settings: &str, main: &str) -> ProcessRecipe {
    let advertised = format!("advertised.listeners=MAIN://{main},SELF://127.0.0.1:<self>\n");
    let configuration = [BROKER, &advertised, settings].concat();
    let files = [("/server.properties", configuration.as_str()), ("/logins", LOGINS)];
    let words = ["<file:/server.properties>", "<file:/logins>"];
    program(&["kafka-server"], &words, &[("OTHER_PORTS", "<controller> <self>")], &files)
}

fn guarded(mechanisms: &str) -> String {
    let context = "org.apache.kafka.common.security";
    format!(
        "listener.security.protocol.map=MAIN:SASL_PLAINTEXT,SELF:PLAINTEXT,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms={mechanisms}
listener.name.main.plain.sasl.jaas.config={context}.plain.PlainLoginModule required user_shop=\"{PASSWORD}\";
listener.name.main.scram-sha-256.sasl.jaas.config={context}.scram.ScramLoginModule required;
listener.name.main.scram-sha-512.sasl.jaas.config={context}.scram.ScramLoginModule required;
"
    )
}

const OPEN: &str = "listener.security.protocol.map=MAIN:PLAINTEXT,SELF:PLAINTEXT,CONTROLLER:PLAINTEXT\n";

async fn real(settings: &str, main: &str) -> Option<Server> {
    start_as("kafka", &process(settings, main), (NOBODY, &[]), &login(Some("shop"), PASSWORD), |_home| {}).await
}

/// DET-16, DET-20, DET-21, SEC-1, SEC-2, P18: a real broker is proved by the right login alone, by SCRAM even where it is a stranger's;
/// a wrong one is refused once, which the broker itself counts, and is not repeated; without one nobody passes.
#[tokio::test]
async fn sec_1_sec_2_p18_a_real_broker_is_proved_by_the_right_login_alone() {
    let Some(server) = real(&guarded("PLAIN,SCRAM-SHA-256"), "127.0.0.1:<kafka>").await else { return };
    let before = server.wrote(REFUSED, 0).await;
    let question = question("kafka", server.port, &ALL);
    let right = manifest(login(Some("shop"), PASSWORD));
    let ours = LiveProber::as_user(server.uid);
    let report = ours.probe(&question, &right).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, .. }) = &only(&report).verdict else { panic!("{report:?}") };
    assert_eq!(*credential, CredentialRef::Manifest);
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &right).await;
    assert_eq!(codes(only(&stranger))[1..], [EvidenceCode::OwnerOther, EvidenceCode::CredentialAccepted]);
    assert_eq!(server.wrote(REFUSED, before).await, before, "{}", server.log());

    let mut access = manifest(login(Some("shop"), "wr0ng"));
    let first = ours.probe(&question, &access).await;
    assert_eq!(codes(only(&first))[2..], [EvidenceCode::CredentialRejected, EvidenceCode::CredentialSkipped]);
    assert_eq!(server.wrote(REFUSED, before + 1).await, before + 1, "{}", server.log());
    access.refused = only(&first).refused.clone();
    let second = ours.probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert_eq!(server.wrote(REFUSED, before + 1).await, before + 1, "{}", server.log());
    let without = ours.probe(&question, &Access::default()).await;
    assert_eq!(only(&without).verdict, CandidateVerdict::Rejected);
}

/// DET-16, DET-20, SEC-1: a listener that takes PLAIN alone is told the password where that is allowed, and nowhere else.
#[tokio::test]
async fn sec_1_plain_is_for_trusted_listeners() {
    let Some(server) = real(&guarded("PLAIN"), "127.0.0.1:<kafka>").await else { return };
    let question = question("kafka", server.port, &ALL[..1]);
    let right = manifest(login(Some("shop"), PASSWORD));
    let ours = LiveProber::as_user(server.uid).probe(&question, &right).await;
    assert_eq!(codes(only(&ours)).last(), Some(&EvidenceCode::CredentialAccepted));
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &right).await;
    assert_eq!(codes(only(&stranger)).last(), Some(&EvidenceCode::CredentialSkipped));
}

/// DET-20: the strongest mechanism that the listener offers is the one that is used.
#[tokio::test]
async fn the_strongest_mechanism_is_used() {
    let Some(server) = start_as(
        "kafka",
        &process(&guarded("SCRAM-SHA-256,SCRAM-SHA-512"), "127.0.0.1:<kafka>"),
        (NOBODY, &[]),
        &login(Some("strong"), PASSWORD),
        |_home| {},
    )
    .await
    else {
        return;
    };
    let report = LiveProber::as_user(server.uid)
        .probe(&question("kafka", server.port, &ALL[..1]), &manifest(login(Some("strong"), PASSWORD)))
        .await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::CredentialAccepted), "{report:?}");
}

/// DET-20: a real broker that takes no login is used anonymously, and sent none.
#[tokio::test]
async fn an_open_broker_is_anonymous() {
    let Some(server) = real(OPEN, "127.0.0.1:<kafka>").await else { return };
    let access = manifest(login(Some("shop"), "unused"));
    let report = LiveProber::as_user(server.uid).probe(&question("kafka", server.port, &ALL), &access).await;
    let anonymous = |found: &Usable| found.credential == CredentialRef::Anonymous;
    assert!(matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if anonymous(found)), "{report:?}");
}

/// What 4.3.1 answers to the question what it speaks, recorded; its number is 1.
const VERSIONS: &[u8] = include_bytes!("versions-4.3.1.bin");
/// Answers of 4.3.1 without length and number, recorded.
const OFFERED: &[u8] = b"\0\0\0\0\0\x02\0\x05PLAIN\0\rSCRAM-SHA-256";
const NOT_OFFERED: &[u8] = b"\0\x21\0\0\0\x02\0\x05PLAIN\0\rSCRAM-SHA-256";
const NO_LOGIN: &[u8] = b"\0\x22\0\0\0\0";
const LET_IN: &[u8] = b"\0\0\0\0\0\0\0\0";
const KEPT_OUT: &[u8] = b"\0:\x003Authentication failed: Invalid username or password\0\0\0\0";
const CLUSTER: &[u8] = b"\0\0\0\x01\0\0\0\x01\0\t127.0.0.1\0\0fe\xff\xff\0\x16a29hbi10ZXN0cy1zZXJ2ZQ\0\0\0\x01\0\0\0\0";

/// The cluster with one broker there.
fn cluster(host: &str, port: u16) -> Vec<u8> {
    let broker = [&codec::text(host)[..], &u32::from(port).to_be_bytes(), b"\xff\xff"].concat();
    [&b"\0\0\0\x01\0\0\0\x01"[..], &broker, b"\xff\xff\0\0\0\x01\0\0\0\0"].concat()
}

/// A broker that gives these answers in order to each connection, each with the number that a probe counts.
async fn broker(answers: &[&[u8]]) -> Script {
    let steps = answers.iter().zip(u32::from_be_bytes(*b"koan") + 1..).flat_map(|(answer, number)| {
        let whole = codec::bytes(&[&number.to_be_bytes()[..], answer].concat());
        [Step::Hear, Step::Say(whole)]
    });
    Script::open(steps.collect()).await
}

async fn told(answers: &[&[u8]]) -> (Vec<EvidenceCode>, String, bool) {
    let script = broker(answers).await;
    let access = manifest(login(Some("shop"), "c4nary"));
    let report = LiveProber::new().probe(&question("kafka", script.port, &ALL[..1]), &access).await;
    let detail = only(&report).evidence.last().and_then(|line| line.detail.clone()).unwrap_or_default();
    (codes(only(&report)), detail, script.heard(b"c4nary"))
}

/// DET-5, DET-20, DET-21: a client is sent on to what the broker advertises, so an address that does not answer is named and refused;
/// each other refusal has its code, and where no login is taken none is sent.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    let versions = &VERSIONS[8..];
    let there = TcpListener::bind("127.0.0.1:0").unwrap();
    let (open, gone) =
        (there.local_addr().unwrap().port(), TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port());
    let (near, lost, named) = (cluster("127.0.0.1", open), cluster("127.0.0.1", gone), cluster("kafka-1.invalid", 9092));
    let nowhere = [&b"\0\0\0\0"[..], b"\xff\xff\0\0\0\x01\0\0\0\0"].concat();
    let (codes, _detail, sent) = told(&[versions, NO_LOGIN, &near]).await;
    assert_eq!((codes.last(), sent), (Some(&EvidenceCode::CredentialAccepted), false));
    for (cluster, words) in
        [(&lost, format!("127.0.0.1:{gone}")), (&named, "kafka-1.invalid:9092".to_owned()), (&nowhere, "no address".to_owned())]
    {
        let (codes, detail, sent) = told(&[versions, NO_LOGIN, cluster]).await;
        assert_eq!((codes.last(), sent), (Some(&EvidenceCode::Unreachable), false));
        assert!(detail.contains(&words), "{detail}");
    }
    // The strongest of these is SCRAM, which the broker then answers with what is none.
    let (codes, _detail, sent) = told(&[versions, OFFERED, LET_IN]).await;
    assert_eq!((codes.last(), sent), (Some(&EvidenceCode::WrongProtocol), false));
    let (codes, _detail, sent) = told(&[versions, OFFERED, KEPT_OUT]).await;
    assert_eq!((codes.last(), sent), (Some(&EvidenceCode::CredentialRejected), false));
    let (codes, _detail, _sent) = told(&[versions, b"\0\x21\0\0\0\x01\0\x06GSSAPI"]).await;
    assert_eq!(codes.last(), Some(&EvidenceCode::CredentialSkipped));
    // A broker from before logins had messages of their own.
    let old = [&b"\0\0\0\0\0\x04\0\0\0\0\0\x02\0\x01\0\0\0\x03\0\x03\0\0\0\x02\0\x12\0\0\0\0"[..]].concat();
    assert_eq!(told(&[&old]).await.0.last(), Some(&EvidenceCode::VersionUnsupported));
}

/// DET-14, DET-18, SEC-1: what answers otherwise than a broker is none, and is told nothing.
#[tokio::test]
async fn sec_1_others_are_impostors() {
    let controller = &b"\0\0\0\0\0\x01\0\x12\0\0\0\x04"[..];
    for answer in [&b""[..], b"\0\x23", b"\0\0\0\0\0\0", controller, &VERSIONS[8..40], &[VERSIONS, b"x"].concat()[8..]] {
        let (codes, _detail, sent) = told(&[answer]).await;
        assert!(codes[0] == EvidenceCode::WrongProtocol && !sent, "{answer:?} {codes:?}");
    }
}

/// DET-14: the recorded answers are read as the broker meant them, whole or not at all; an echo of a question is no answer.
#[test]
fn answers_are_read_whole_or_not_at_all() {
    let answer = split(VERSIONS, 1).unwrap().unwrap();
    let versions = Versions::read(answer).unwrap();
    assert_eq!(versions.count(), 75);
    let all = [Question::Versions, Question::Handshake, Question::Authenticate, Question::Brokers];
    assert!(all.into_iter().all(|question| versions.speaks(question)));
    for end in 0..VERSIONS.len() {
        assert_eq!(split(&VERSIONS[..end], 1), Ok(None), "{end}");
        let cut = VERSIONS.get(8..end).unwrap_or_default();
        assert_eq!(Versions::read(cut), None, "{end}");
    }
    for bytes in [&b"HTTP/1.1 400"[..], b"\0\0\0\x04\0\0\0\x02", b"\0\0\0\x03\0\0\0\x01", &[VERSIONS, b"x"].concat()] {
        assert_eq!(split(bytes, 1), Err(Malformed), "{bytes:?}");
    }
    let number = u32::from_be_bytes(*b"koan") + 1;
    assert_eq!(split(&Question::Versions.message(number, &[]), number), Err(Malformed));
    let mechanisms = vec!["PLAIN".to_owned(), "SCRAM-SHA-256".to_owned()];
    assert_eq!(handshake(OFFERED), Some((Code::Fine, mechanisms.clone())));
    assert_eq!(handshake(NOT_OFFERED), Some((Code::OtherMechanism, mechanisms)));
    assert_eq!(handshake(NO_LOGIN), Some((Code::NoLogin, Vec::new())));
    assert_eq!((step(LET_IN), step(KEPT_OUT)), (Some((Code::Fine, Vec::new())), Some((Code::Refused, Vec::new()))));
    assert_eq!(brokers(CLUSTER), Some(vec![("127.0.0.1".to_owned(), 0x6665)]));
    assert_eq!(brokers(&cluster("kafka-1", 9092)), Some(vec![("kafka-1".to_owned(), 9092)]));
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault, also where a real answer is broken in one place.
    #[test]
    fn p6_any_answer_is_read(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..464, byte: u8, name in "\\PC{0,300}") {
        let _split = split(&bytes, 1);
        let mut broken = VERSIONS.to_vec();
        broken[at] = byte;
        if let Ok(Some(answer)) = split(&broken, 1) {
            let _versions = Versions::read(answer);
        }
        for start in [&b""[..], b"\0\0", b"\0\0\0\x01", b"\0\0\0\0\0\x02\0\x05"] {
            let whole = [start, &bytes].concat();
            let _read = (Versions::read(&whole), handshake(&whole), step(&whole), brokers(&whole));
        }
        proptest::prop_assert!(codec::text(&name).len() == name.len() + 2);
    }
}
