use koan_core::probe::{Access, CandidateReport, CandidateVerdict, CredentialRef};
use koan_core::recipe::ProcessRecipe;
use koan_core::secret::Login;
use koan_core::text::{Part, Text};
use koan_core::workload::StopSignal;
use koan_crds::v1alpha1::EvidenceCode;

use super::bson::{Document, Value, Writer};
use super::message::{Malformed, join, split};
use super::probe::{Greeting, judge, secret};
use super::recipe::ID;
use crate::scram::{First, Mechanism};
use crate::testing::forwarders::no_login_passes;
use crate::testing::script::{Script, Step};
use crate::testing::servers::{DAEMON, NOBODY, Server, start, start_as};
use crate::testing::{codes, login, manifest, only, question};
use crate::texts::credential;
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 5] = [
    CredentialRef::Manifest,
    CredentialRef::Anonymous,
    CredentialRef::Default(0),
    CredentialRef::Default(1),
    CredentialRef::Default(2),
];
/// As FerretDB 1.24.2 answers `hello`.
const HELLO: &str = "fb0000000100000001000000dd0700000000000000e60000000869735772697461626c655072696d6172790001106d617842736f6e4f626a65637453697a650000000001106d61784d65737361676553697a65427974657300006cdc02106d61785772697465426174636853697a6500a0860100096c6f63616c54696d650018bcba02a2010000106c6f676963616c53657373696f6e54696d656f75744d696e75746573001e00000010636f6e6e656374696f6e4964002a000000106d696e5769726556657273696f6e0000000000106d61785769726556657273696f6e001500000008726561644f6e6c790000016f6b00000000000000f03f00";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn shop() -> Login {
    login(Some("shop user"), "right p\"a's`s\\ ü")
}

/// FerretDB in the folder of a test: SQLite, its new logins on, its administrator by the environment.
fn form() -> ProcessRecipe {
    let plain = |name: &str, value: &str| (name.to_owned(), Text::plain(value));
    let inside = |before: &str| {
        Text(vec![Part::Plain(before.to_owned()), Part::DataFolder("/data/db".to_owned()), Part::Plain("/".to_owned())])
    };
    ProcessRecipe {
        programs: &["ferretdb"],
        folders: &[],
        package: "ferretdb",
        prepare: Vec::new(),
        files: Vec::new(),
        command: vec![Text(vec![Part::ProgramFolder("ferretdb".to_owned()), Part::Plain("/ferretdb".to_owned())])],
        env: vec![
            (
                "FERRETDB_LISTEN_ADDR".to_owned(),
                Text(vec![Part::Plain("127.0.0.1:".to_owned()), Part::Port("mongodb".to_owned())]),
            ),
            plain("FERRETDB_HANDLER", "sqlite"),
            ("FERRETDB_SQLITE_URL".to_owned(), inside("file:")),
            ("FERRETDB_STATE_DIR".to_owned(), inside("")),
            plain("FERRETDB_DEBUG_ADDR", "-"),
            plain("FERRETDB_TELEMETRY", "disable"),
            plain("FERRETDB_LOG_LEVEL", "DEBUG"),
            plain("FERRETDB_TEST_ENABLE_NEW_AUTH", "true"),
            plain("FERRETDB_SETUP_DATABASE", "admin"),
            ("FERRETDB_SETUP_USERNAME".to_owned(), Text::value(credential("username"))),
            ("FERRETDB_SETUP_PASSWORD".to_owned(), Text::value(credential("password"))),
        ],
        stop_signal: StopSignal::Term,
        data_paths: &["/data/db"],
    }
}

async fn ferretdb(uid: u32, login: &Login) -> Option<Server> {
    start_as(ID, &form(), (uid, &[]), login, |_home| {}).await
}

async fn asked(port: u16, uid: u32, access: &Access) -> CandidateReport {
    only(&LiveProber::as_user(uid).probe(&question(ID, port, &ALL), access).await).clone()
}

fn our_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

fn refusals(server: &Server) -> usize {
    server.log().matches("saslContinue: step failed").count() + server.log().matches("saslStartSCRAM: step failed").count()
}

/// DET-16, DET-20, DET-21: the manifest's login of any characters proves a real server, by challenge and response even where the
/// listener belongs to another login user.
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    let Some(server) = ferretdb(NOBODY, &shop()).await else { return };
    for (uid, owner) in [(server.uid, EvidenceCode::OwnerUser), (server.uid + 1, EvidenceCode::OwnerOther)] {
        let report = asked(server.port, uid, &manifest(shop())).await;
        assert_eq!(codes(&report), [EvidenceCode::Identified, owner, EvidenceCode::CredentialAccepted], "{report:?}");
        let CandidateVerdict::Usable(usable) = &report.verdict else { panic!("{report:?}") };
        assert_eq!(usable.credential, CredentialRef::Manifest);
        assert!(usable.version.is_some());
    }
    assert_eq!(refusals(&server), 0);
}

/// SEC-2, DET-20, P18: a wrong login and two of three default sets are refused by the server, by its own log, before the budget is
/// spent; a second probe adds none; a system account's listener gets no default set; whoever has no login does not pass.
#[tokio::test]
async fn sec_2_p18_wrong_logins_are_few_and_never_repeated() {
    let Some(server) = ferretdb(DAEMON, &shop()).await else { return };
    let mut access = manifest(login(Some("shop user"), "wrong"));
    for refused in [3, 0] {
        let report = asked(server.port, server.uid, &access).await;
        assert_eq!((report.verdict.clone(), report.refused.len()), (CandidateVerdict::Rejected, refused), "{report:?}");
        access.refused.extend(report.refused);
        assert!(refusals(&server) <= 3, "{}", server.log());
    }
    let without = asked(server.port, NOBODY, &Access::default()).await;
    assert_eq!(without.verdict, CandidateVerdict::Rejected);
    if server.uid == DAEMON {
        let skipped = EvidenceCode::CredentialSkipped;
        assert_eq!(codes(&without)[1..], [EvidenceCode::OwnerSystem, skipped, skipped, skipped, skipped]);
    }
}

/// B-2, DET-16: a default set is accepted where the listener is this user's.
#[tokio::test]
async fn a_default_set_opens_our_own_server() {
    let Some(server) = ferretdb(NOBODY, &login(Some("root"), "mongodb")).await else { return };
    let report = asked(server.port, server.uid, &Access::default()).await;
    assert!(
        matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Default(1)),
        "{report:?}"
    );
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_cache_is_no_database() {
    let Some(server) = start("redis", NOBODY, &login(None, "secret"), |_home| {}).await else { return };
    assert_eq!(asked(server.port, server.uid, &manifest(shop())).await.verdict, CandidateVerdict::Impostor);
}

/// The answer to the question of this number.
fn answer(number: u8, document: Writer) -> Step {
    let mut message = join(1, &document.whole());
    message[8] = number;
    Step::Say(message)
}

fn hello(wire: i32, writable: bool) -> Writer {
    Writer::default().flag("isWritablePrimary", writable).number("maxWireVersion", wire).number("ok", 1)
}

/// What a server without logins says to a whole probe on one connection; a greeting alone ends after its first answer.
async fn open_server(hello: impl Fn() -> Writer, version: &str) -> CandidateReport {
    let listed = Writer::default().number("ok", 1);
    let info = Writer::default().text("version", version).number("ok", 1);
    let steps = vec![Step::Hear, answer(1, hello()), Step::Hear, answer(2, listed), Step::Hear, answer(3, info)];
    let script = Script::open(steps).await;
    let report = asked(script.port, our_uid(), &manifest(shop())).await;
    assert!(!script.heard(b"saslStart"));
    report
}

/// DET-20: a server without logins is used anonymously and is told no user; a secondary is `ReadOnly`; one below the row's version is
/// rejected.
#[tokio::test]
async fn servers_without_logins_are_judged_by_what_they_say() {
    let report = open_server(|| hello(9, true), "4.4.29").await;
    assert!(
        matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    let secondary = open_server(|| hello(21, false).text("setName", "rs0"), "7.0.1").await;
    assert_eq!((codes(&secondary)[2], secondary.verdict), (EvidenceCode::ReadOnly, CandidateVerdict::Rejected));
    let old = open_server(|| hello(8, true), "4.2.1").await;
    assert_eq!((codes(&old)[2], old.verdict), (EvidenceCode::VersionUnsupported, CandidateVerdict::Rejected));
}

/// SEC-1: a server that does not know the password is not taken for one that accepted it.
#[tokio::test]
async fn sec_1_a_server_that_accepts_everything_proves_nothing() {
    let refused = || Writer::default().number("ok", 0).number("code", 13);
    let said =
        Writer::default().number("conversationId", 1).flag("done", false).bytes("payload", b"r=x,s=AAAA,i=4096").number("ok", 1);
    let steps = vec![Step::Hear, answer(1, hello(21, true)), Step::Hear, answer(2, refused()), Step::Hear, answer(3, said)];
    let script = Script::open(steps).await;
    let report = asked(script.port, our_uid(), &manifest(shop())).await;
    assert_eq!((codes(&report)[2], report.verdict), (EvidenceCode::WrongProtocol, CandidateVerdict::Rejected));
}

/// DET-14: the greeting of a real server is read whole or not at all, and nothing else is one.
#[test]
fn greetings_are_read_whole_or_not_at_all() {
    let bytes = bytes(HELLO);
    let (document, length) = split(&bytes, 1).unwrap().unwrap();
    assert_eq!(length, bytes.len());
    let greeting = judge(&document).unwrap();
    assert_eq!(greeting, Greeting { wire: 21.0, writable: true, in_set: false, mechanism: Mechanism::Sha256 });
    for end in 0..bytes.len() {
        assert_eq!(split(&bytes[..end], 1), Ok(None), "{end}");
    }
    assert_eq!(split(&bytes, 2), Err(Malformed), "the answer to another question");
    assert_eq!(split(b"HTTP/1.1 200 OK\r\n", 1), Err(Malformed));
    let question = Writer::command("hello", "admin").whole();
    assert_eq!(split(&join(1, &question), 1), Err(Malformed), "its own question, echoed");
    assert_eq!(judge(&Document::parse(&question).unwrap()), None);
    let unknown = Writer::default().number("ok", 0).number("code", 59).whole();
    assert!(judge(&Document::parse(&unknown).unwrap()).is_some_and(|greeting| greeting.wire < 1.0));
}

/// DET-20: the proof of RFC 7677's example, the digest of MongoDB's own example for SCRAM-SHA-1, and no proof for a server that asks
/// for few rounds or repeats another nonce.
#[test]
fn proofs_are_right() {
    let begin = |mechanism, nonce: &str| First::new(mechanism, "user", secret(mechanism, "user", "pencil"), nonce.to_owned());
    let first = begin(Mechanism::Sha256, "rOprNGfwEbeRWgbNEkqO");
    assert_eq!(first.message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
    assert_eq!(First::new(Mechanism::Sha256, "a=b,c", "x".to_owned(), "r".to_owned()).message(), "n,,n=a=3Db=2Cc,r=r");
    let said = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
    let proof = first.answer(said.as_bytes()).unwrap();
    assert!(proof.message.ends_with(",p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="), "{}", proof.message);
    assert!(proof.is_answered_by(b"v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
    assert!(!proof.is_answered_by(b"v=AAAA") && !proof.is_answered_by(b""));
    let first = begin(Mechanism::Sha1, "fyko+d2lbbFgONRv9qkxdawL");
    let said = "r=fyko+d2lbbFgONRv9qkxdawLHo+Vgk7qvUOKUwuWLIWg4l/9SraGMHEE,s=rQ9ZY3MntBeuP3E1TDVC4w==,i=10000";
    let proof = first.answer(said.as_bytes()).unwrap();
    assert!(proof.message.ends_with(",p=MC2T8BvbmWRckDw8oWl5IVghwCY="), "{}", proof.message);
    assert!(proof.is_answered_by(b"v=UMWeI25JD1yNYZRMpZ4VHvhZ9e0="));
    for other in [
        "r=other,s=AAAA,i=10000",
        "r=fyko+d2lbbFgONRv9qkxdawLx,s=AAAA,i=1",
        "r=fyko+d2lbbFgONRv9qkxdawLx,s=AAAA,i=99999999",
        "e=x",
        "",
    ] {
        assert!(first.answer(other.as_bytes()).is_none(), "{other}");
    }
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault.
    #[test]
    fn p6_any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let _answer = split(&bytes, 1);
        if let Some(document) = Document::parse(&bytes) {
            let _greeting = judge(&document);
        }
        let _proof = First::new(Mechanism::Sha256, "user", "pencil".to_owned(), "n".to_owned()).answer(&bytes);
    }

    /// P6: damage to a real answer is read, or refused, without a fault.
    #[test]
    fn p6_damaged_answers_are_read(at in 0_usize..251, byte in proptest::prelude::any::<u8>()) {
        let mut bytes = bytes(HELLO);
        bytes[at] = byte;
        if let Ok(Some((document, _length))) = split(&bytes, 1) {
            let _greeting = judge(&document);
        }
    }

    /// P6: what a probe says can be read again.
    #[test]
    fn p6_documents_round_trip(text in "\\PC{0,40}", number in proptest::prelude::any::<i32>(), flag in proptest::prelude::any::<bool>()) {
        let whole = Writer::default().text("t", &text).number("n", number).flag("f", flag).bytes("b", text.as_bytes()).whole();
        let document = Document::parse(&whole).unwrap();
        proptest::prop_assert_eq!(document.text("t"), Some(text.as_str()));
        proptest::prop_assert_eq!(document.number("n"), Some(f64::from(number)));
        proptest::prop_assert_eq!(document.flag("f"), flag);
        proptest::prop_assert_eq!(document.get("b"), Some(Value::Bytes(text.as_bytes())));
    }
}

/// DET-17, DET-41, SEC-1: behind `socat` and `ssh -L` a server with a default password is sent no login.
#[tokio::test]
async fn sec_1_no_login_passes_a_forwarder() {
    let login = login(Some("mongo"), "mongo");
    let Some(server) = ferretdb(NOBODY, &login).await else { return };
    no_login_passes(ID, &server, &login).await;
}
