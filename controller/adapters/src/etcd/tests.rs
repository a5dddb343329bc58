use koan_core::probe::{CandidateVerdict, CredentialRef, Usable};
use koan_crds::v1alpha1::EvidenceCode;
use proptest::prelude::any;
use serde_json::{Value, json};
use tokio::time::{Duration, Instant};

use super::answers::{Refusal, Reply, Versions, keys, reply, versions};
use crate::http::{Answer, Header, Session};
use crate::testing::servers::{NOBODY, Server, start};
use crate::testing::transcript::{Answers, Stage, json as got};
use crate::testing::{codes, login, manifest, only, question};
use crate::wire::{Peer, Target};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const PASSWORD: &str = "r1ght \"password";
/// What the server writes of a login that it refuses.
const REFUSED: &str = "invalid authentication was requested";

async fn open() -> Option<Server> {
    start("etcd", NOBODY, &login(None, ""), |_home| {}).await
}

/// One change by the gateway; with a token once logins are asked for.
async fn done(session: &mut Session<'_>, path: &str, document: Value, token: Option<&str>) -> Value {
    let header = token.map(|value| Header { name: "Authorization", value });
    let answer = session.post((path, &document), header, Instant::now() + Duration::from_secs(30)).await.unwrap();
    let Reply::Done(said) = reply(&answer) else { panic!("{path}: {answer:?}") };
    said
}

/// A server with a root, a user of the keys below `shop/`, and a user without any role.
async fn guarded() -> Option<Server> {
    let server = open().await?;
    let peer = Peer::new(Target::Tcp(([127, 0, 0, 1], server.port).into()), None);
    let mut session = Session::new(&peer);
    for (path, document) in [
        ("/v3/auth/user/add", json!({"name": "root", "password": PASSWORD})),
        ("/v3/auth/user/add", json!({"name": "shop user", "password": PASSWORD})),
        ("/v3/auth/user/add", json!({"name": "idle", "password": PASSWORD})),
        ("/v3/auth/role/add", json!({"name": "root"})),
        ("/v3/auth/role/add", json!({"name": "shop"})),
        // Keys from `shop/` to before `shop0`.
        (
            "/v3/auth/role/grant",
            json!({"name": "shop", "perm": {"permType": "READ", "key": "c2hvcC8=", "range_end": "c2hvcDA="}}),
        ),
        ("/v3/auth/user/grant", json!({"user": "root", "role": "root"})),
        ("/v3/auth/user/grant", json!({"user": "shop user", "role": "shop"})),
        ("/v3/auth/enable", json!({})),
    ] {
        done(&mut session, path, document, None).await;
    }
    Some(server)
}

async fn revision(server: &Server) -> (Value, Value) {
    let peer = Peer::new(Target::Tcp(([127, 0, 0, 1], server.port).into()), None);
    let mut session = Session::new(&peer);
    let root = done(&mut session, "/v3/auth/authenticate", json!({"name": "root", "password": PASSWORD}), None).await;
    let token = root["token"].as_str().unwrap();
    let users = done(&mut session, "/v3/auth/user/list", json!({}), Some(token)).await;
    (users["header"]["revision"].clone(), users["users"].clone())
}

/// DET-16, DET-20, DET-21, SEC-1, SEC-2, S-3, P18: a real server is proved by the right login alone. A prefix that the user may not read
/// is not authorised, nor is a user without a role; a stranger's server gets no login; a wrong one is refused once, which the server itself
/// counts, and is not repeated; without one nobody passes though the server answers that it is healthy; no key and no user changes.
#[tokio::test]
async fn sec_1_sec_2_p18_a_real_server_is_proved_by_the_right_login_alone() {
    let Some(server) = guarded().await else { return };
    let before = revision(&server).await;
    let ours = LiveProber::as_user(server.uid);
    let last = async |user: &str, password: &str, prefix: &str| {
        let mut question = question("etcd", server.port, &ALL[..1]);
        question.database = prefix.to_owned();
        let report = ours.probe(&question, &manifest(login(Some(user), password))).await;
        *codes(only(&report)).last().unwrap()
    };
    for (user, prefix, code) in [
        ("shop user", "shop", EvidenceCode::CredentialAccepted),
        ("shop user", "shop/", EvidenceCode::CredentialAccepted),
        ("shop user", "", EvidenceCode::CredentialAccepted),
        ("root", "", EvidenceCode::CredentialAccepted),
        ("root", "orders", EvidenceCode::CredentialAccepted),
        ("shop user", "orders", EvidenceCode::NotAuthorised),
        ("idle", "", EvidenceCode::NotAuthorised),
        ("idle", "shop", EvidenceCode::NotAuthorised),
    ] {
        assert_eq!(last(user, PASSWORD, prefix).await, code, "{user} {prefix}");
    }
    assert_eq!(server.wrote(REFUSED, 0).await, 0, "{}", server.log());

    let question = question("etcd", server.port, &ALL);
    let right = manifest(login(Some("shop user"), PASSWORD));
    let report = ours.probe(&question, &right).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, version, .. }) = &only(&report).verdict else { panic!("{report:?}") };
    assert!(*credential == CredentialRef::Manifest && version.as_deref().is_some_and(|version| version.starts_with("3.")));
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &right).await;
    assert_eq!(codes(only(&stranger))[2..], [EvidenceCode::CredentialSkipped, EvidenceCode::CredentialSkipped]);

    let mut access = manifest(login(Some("shop user"), "wr0ng"));
    let first = ours.probe(&question, &access).await;
    assert_eq!(codes(only(&first))[2..], [EvidenceCode::CredentialRejected, EvidenceCode::CredentialSkipped]);
    assert_eq!(server.wrote(REFUSED, 1).await, 1, "{}", server.log());
    access.refused = only(&first).refused.clone();
    let second = ours.probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert_eq!((server.wrote(REFUSED, 1).await, revision(&server).await), (1, before), "{}", server.log());
}

/// ENG-17, DET-16, DET-20: the process recipe brings up a server that asks nobody; it is used anonymously though a login is at hand.
#[tokio::test]
async fn an_open_server_is_anonymous() {
    let Some(server) = open().await else { return };
    let question = question("etcd", server.port, &ALL);
    let access = manifest(login(Some("shop"), "unused"));
    let report = LiveProber::as_user(server.uid).probe(&question, &access).await;
    let anonymous = |found: &Usable| found.credential == CredentialRef::Anonymous;
    assert!(matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if anonymous(found)), "{report:?}");
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &access).await;
    assert_eq!(only(&stranger).verdict, CandidateVerdict::Rejected);
}

/// An answer to a document, as etcd 3.4.23 frames its errors.
fn error(path: &str, status: u16, words: &str) -> (String, Vec<u8>) {
    let body = format!("{{\"error\":\"etcdserver: {words}\",\"message\":\"etcdserver: {words}\",\"code\":3}}");
    let head = "Content-Type: application/json\r\nTrailer: Grpc-Trailer-Content-Type\r\nTransfer-Encoding: chunked";
    let trailer = "Grpc-Trailer-Content-Type: application/grpc";
    let answer = format!("HTTP/1.1 {status} X\r\n{head}\r\n\r\n{:x}\r\n{body}\r\n0\r\n{trailer}\r\n\r\n", body.len());
    (format!("POST {path} "), answer.into_bytes())
}

fn posted(path: &str, body: &str) -> (String, Vec<u8>) {
    let (asked, answer) = got(path, 200, body);
    (asked.replace("GET", "POST"), answer)
}

const HEADER: &str =
    r#"{"header":{"cluster_id":"13101296829811101016","member_id":"15636939285657332230","revision":"1","raft_term":"2"}}"#;

/// Answers of 3.4.23 with some of them replaced.
fn answers(version: &str, more: Vec<(String, Vec<u8>)>) -> Answers {
    let usual = vec![
        got("/version", 200, &format!("{{\"etcdserver\":\"{version}\",\"etcdcluster\":\"3.4.0\"}}")),
        posted("/v3/maintenance/status", HEADER),
        error("/v3/kv/range", 400, "user name is empty"),
        posted("/v3/auth/authenticate", &HEADER.replace("}}", "},\"token\":\"guxuLkTWgIQDlhAf.14\"}")),
    ];
    [more, usual].concat()
}

async fn codes_of(answers: Answers) -> (Vec<EvidenceCode>, String) {
    let stage = Stage::open(answers).await;
    let report =
        LiveProber::new().probe(&question("etcd", stage.port, &ALL[..1]), &manifest(login(Some("koan"), "c4nary"))).await;
    (codes(only(&report)), stage.seen())
}

/// DET-5, DET-20, DET-36: versions before 3.4 are refused, a server without its gateway or without a leader says so, none of them is sent
/// a login; whoever answers without one is sent none; each refusal has its code.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    let without = |path: &str| vec![(format!("POST {path} "), b"HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n".to_vec())];
    let undecided = vec![got("/version", 200, r#"{"etcdserver":"3.6.1","etcdcluster":"not_decided"}"#)];
    for (answers, code) in [
        (answers("3.3.27", Vec::new()), EvidenceCode::VersionUnsupported),
        (answers("3.4.23", without("/v3/maintenance/status")), EvidenceCode::CapabilityMissing),
        (answers("3.6.1", undecided), EvidenceCode::Timeout),
        (answers("3.4.23", vec![posted("/v3/kv/range", HEADER)]), EvidenceCode::CredentialAccepted),
        (answers("3.4.23", vec![error("/v3/kv/range", 503, "no leader")]), EvidenceCode::Timeout),
    ] {
        let (codes, seen) = codes_of(answers).await;
        assert_eq!((codes[0], codes.last()), (EvidenceCode::Identified, Some(&code)), "{codes:?}");
        assert!(!seen.contains("c4nary"), "{seen}");
    }
    let wrong = error("/v3/auth/authenticate", 400, "authentication failed, invalid user ID or password");
    let (codes, seen) = codes_of(answers("3.4.23", vec![wrong])).await;
    assert_eq!(codes.last(), Some(&EvidenceCode::CredentialRejected));
    assert!(seen.contains(r#"{"name":"koan","password":"c4nary"}"#), "{seen}");
}

/// DET-14, DET-18, SEC-1: a document with a version is not etcd, nor is one with etcd's keys and other values, nor one whose gateway
/// answers something else; none is sent a login.
#[tokio::test]
async fn sec_1_a_version_alone_is_no_proof() {
    for body in [
        r#"{"version":"3.4.23"}"#,
        r#"{"etcdserver":"3.4.23"}"#,
        r#"{"etcdserver":"3.4","etcdcluster":"3.4.0"}"#,
        r#"{"etcdserver":"ok","etcdcluster":"ok"}"#,
        r#"{"etcdserver":3,"etcdcluster":"3.4.0"}"#,
        r#"[{"etcdserver":"3.4.23","etcdcluster":"3.4.0"}]"#,
    ] {
        let (codes, seen) = codes_of(answers("3.4.23", vec![got("/version", 200, body)])).await;
        assert!(codes[0] == EvidenceCode::WrongProtocol && !seen.contains("c4nary"), "{body}: {codes:?}");
    }
    for status in [posted("/v3/maintenance/status", "{}"), posted("/v3/maintenance/status", r#"{"header":{"cluster_id":"x"}}"#)] {
        let (codes, seen) = codes_of(answers("3.4.23", vec![status])).await;
        assert!(codes[0] == EvidenceCode::WrongProtocol && !seen.contains("c4nary"), "{codes:?}");
    }
}

/// DET-14, DET-21: versions are read as etcd writes them; the keys that are asked for are those below the prefix and no neighbour's.
#[test]
fn documents_are_read_and_written_as_etcd_means_them() {
    let read = |server: &str, cluster: &str| versions(&json!({"etcdserver": server, "etcdcluster": cluster, "storage": "3.6.0"}));
    let some = |server: &str, decided| Some(Versions { server: server.to_owned(), decided });
    assert_eq!(read("3.4.23", "3.4.0"), some("3.4.23", true));
    assert_eq!(read("3.7.0-rc.0", "not_decided"), some("3.7.0-rc.0", false));
    assert_eq!(read("3.4.23", "maybe"), None);
    let below = json!({"key": "c2hvcC8=", "range_end": "c2hvcDA=", "limit": "1", "keys_only": true});
    assert_eq!((keys("shop"), keys("shop/")), (below.clone(), below));
    assert_eq!(keys("")["key"], "AA==");
}

proptest::proptest! {
    /// P6: whatever a server says over HTTP, judging it ends, and only a known error is taken for one.
    #[test]
    fn p6_any_answer_is_judged(status in 200_u16..600, body in proptest::collection::vec(any::<u8>(), 0..200), words in "\\PC{0,40}") {
        let _reply = reply(&Answer::of(status, &body));
        let said = json!({"error": format!("etcdserver: {words}"), "etcdserver": words, "etcdcluster": words}).to_string();
        let judged = reply(&Answer::of(status, said.as_bytes()));
        if let Reply::Error(Refusal::Other(text)) = judged {
            proptest::prop_assert!(text.len() <= 80);
        }
        let _versions = versions(&serde_json::from_str(&said).unwrap());
        let _keys = keys(&words);
    }
}
