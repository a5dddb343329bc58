use koan_core::probe::{CandidateVerdict, CredentialRef};
use koan_core::secret::{Login, Secret};
use koan_crds::v1alpha1::EvidenceCode;

use super::greeting::{Brand, Greeting, colour, read, security_is_up, version};
use crate::http::Answer;
use crate::testing::transcript::{Answers, Stage, json};
use crate::testing::{codes, login, manifest, only, question, token};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const USER: &str = "shop";
const PASSWORD: &str = "c4nary";
/// The two as HTTP Basic sends them.
const BASIC: &str = "Authorization: Basic c2hvcDpjNG5hcnk=\r\n";

/// Recorded of Elasticsearch 8.19.21 with its security on: `GET /` without a login.
const ASKS: &str = concat!(
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"security\", charset=\"UTF-8\"\r\nWWW-Authenticate: ApiKey\r\n",
    "content-type: application/json\r\ncontent-length: 405\r\n\r\n",
    r#"{"error":{"root_cause":[{"type":"security_exception","reason":"missing authentication credentials for REST request [/]","header":{"WWW-Authenticate":["Basic realm=\"security\", charset=\"UTF-8\"","ApiKey"]}}],"type":"security_exception","reason":"missing authentication credentials for REST request [/]","header":{"WWW-Authenticate":["Basic realm=\"security\", charset=\"UTF-8\"","ApiKey"]}},"status":401}"#
);
/// Recorded of the same, whose build has no module that greets: `GET /` of somebody who may.
const GREETS_NOBODY: &str = concat!(
    "HTTP/1.1 405 Method Not Allowed\r\nAllow: DELETE\r\nX-elastic-product: Elasticsearch\r\ncontent-type: application/json\r\n",
    "content-length: 94\r\n\r\n",
    r#"{"error":"Incorrect HTTP method for uri [/] and method [GET], allowed: [DELETE]","status":405}"#
);
/// Recorded of OpenSearch 2.19.4 with its security plugin: `GET /` without a login.
const ASKS_TOO: &str = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"OpenSearch Security\"\r\n\
    content-type: text/plain; charset=UTF-8\r\ncontent-length: 12\r\n\r\nUnauthorized";
/// Recorded of the same: the health of its security plugin, shortened to its body.
const SECURITY_IS_UP: &str = r#"{"message":null,"mode":"strict","status":"UP"}"#;
/// Recorded of the same: `GET /` with a login.
const OPENSEARCH: &str = r#"{"name":"one","cluster_name":"koan-tests","cluster_uuid":"hN3qw2C9SnaA9FqlvhVPpg","version":{"distribution":"opensearch","number":"2.19.4","build_type":"zip","lucene_version":"9.12.3"},"tagline":"The OpenSearch Project: https://opensearch.org/"}"#;
/// `GET /` of an Elasticsearch that lets everybody in, by its documentation.
const ELASTICSEARCH: &str = r#"{"name":"one","cluster_name":"docker-cluster","version":{"number":"9.5.2","build_flavor":"default","build_type":"docker"},"tagline":"You Know, for Search"}"#;
/// Recorded: a user without rights asks for the health of the cluster.
const NOT_AUTHORISED: &str = r#"{"error":{"root_cause":[{"type":"security_exception","reason":"action [cluster:monitor/health] is unauthorized for user [nobody] with effective roles [], this action is granted by the cluster privileges [monitor,manage,all]"}],"type":"security_exception"},"status":403}"#;

/// The same answer with Elasticsearch's own header.
fn elastic((path, answer): (String, Vec<u8>)) -> (String, Vec<u8>) {
    let text = String::from_utf8(answer).unwrap();
    (path, text.replacen("\r\n", "\r\nX-elastic-product: Elasticsearch\r\n", 1).into_bytes())
}

fn root(answer: &str) -> (String, Vec<u8>) {
    ("GET / ".to_owned(), answer.as_bytes().to_vec())
}

fn node(status: u16, version: &str) -> (String, Vec<u8>) {
    json(
        "/_nodes/_local?filter_path=nodes.*.version",
        status,
        &format!(r#"{{"nodes":{{"zMpo20-kQnyVR9Q-c_QCKg":{{"version":"{version}"}}}}}}"#),
    )
}

fn health(status: u16, colour: &str) -> (String, Vec<u8>) {
    json("/_cluster/health", status, &format!(r#"{{"cluster_name":"koan-tests","status":"{colour}","timed_out":false}}"#))
}

/// Elasticsearch that asks for a login, and gives these answers to it.
fn closed(node: (String, Vec<u8>), health: (String, Vec<u8>)) -> Answers {
    vec![root(ASKS), node, health]
}

/// OpenSearch that asks for a login, and gives these answers to it.
fn closed_too(security: (u16, &str), node: (String, Vec<u8>)) -> Answers {
    vec![root(ASKS_TOO), json("/_plugins/_security/health", security.0, security.1), node, health(200, "green")]
}

async fn asked(adapter: &str, answers: Answers, login: Login) -> (CandidateVerdict, Vec<EvidenceCode>, String) {
    let stage = Stage::open(answers).await;
    let report = LiveProber::new().probe(&question(adapter, stage.port, &ALL), &manifest(login)).await;
    (only(&report).verdict.clone(), codes(only(&report)), stage.seen())
}

fn shop() -> Login {
    login(Some(USER), PASSWORD)
}

/// DET-5, DET-14, DET-21, DET-36: a server that asks for a login is recognised without one, gets it once, and has to be new enough, to let
/// the login see the cluster, and to be whole.
#[tokio::test]
async fn a_server_that_asks_is_recognised_and_judged() {
    let refuses = || ("GET /_nodes/_local".to_owned(), ASKS.as_bytes().to_vec());
    let unprivileged = || json("/_cluster/health", 403, NOT_AUTHORISED);
    for (answers, code) in [
        (closed(node(200, "8.19.21"), health(200, "green")), EvidenceCode::CredentialAccepted),
        (closed(node(200, "8.19.21"), health(200, "yellow")), EvidenceCode::CredentialAccepted),
        (closed(node(200, "8.19.21"), health(200, "red")), EvidenceCode::CapabilityMissing),
        (closed(node(200, "7.13.4"), health(200, "green")), EvidenceCode::VersionUnsupported),
        (closed(node(200, "8.19.21"), unprivileged()), EvidenceCode::NotAuthorised),
        (closed(node(403, ""), health(200, "green")), EvidenceCode::NotAuthorised),
        (closed(node(503, ""), health(503, "red")), EvidenceCode::WrongProtocol),
    ] {
        let (_verdict, codes, seen) = asked("elasticsearch", answers, shop()).await;
        assert!(codes[0] == EvidenceCode::Identified && codes.contains(&code), "{code:?} {codes:?}");
        let before = seen.split("GET /_nodes").next().unwrap();
        assert!(seen.contains(BASIC) && !before.contains("Authorization"), "{seen}");
    }
    let (verdict, found, seen) = asked("elasticsearch", closed(refuses(), health(200, "green")), shop()).await;
    assert_eq!((verdict, seen.matches(BASIC).count()), (CandidateVerdict::Rejected, 1), "{seen}");
    assert!(found.contains(&EvidenceCode::CredentialRejected), "{found:?}");
    let up = (200, SECURITY_IS_UP);
    for (answers, code) in [
        (closed_too(up, node(200, "2.19.4")), EvidenceCode::CredentialAccepted),
        (closed_too(up, node(200, "0.9.9")), EvidenceCode::VersionUnsupported),
        (closed_too(up, ("GET /_nodes/_local".to_owned(), ASKS_TOO.as_bytes().to_vec())), EvidenceCode::CredentialRejected),
    ] {
        let (_verdict, codes, seen) = asked("opensearch", answers, shop()).await;
        assert!(codes[0] == EvidenceCode::Identified && codes.contains(&code), "{code:?} {codes:?}");
        assert!(seen.contains(BASIC), "{seen}");
    }
}

/// DET-16, DET-20: whoever lets everybody in is used without a login and sent none, whatever the manifest has.
#[tokio::test]
async fn an_open_server_is_sent_no_login() {
    let version = |number: &str| node(200, number);
    let open = |brand: &str| vec![json("/", 200, brand), version("9.5.2"), health(200, "green")];
    let with_header = |answers: Answers| answers.into_iter().map(elastic).collect::<Answers>();
    for (adapter, answers) in [
        ("elasticsearch", with_header(open(ELASTICSEARCH))),
        ("elasticsearch", vec![root(GREETS_NOBODY), version("8.19.21"), health(200, "yellow")]),
        ("opensearch", open(OPENSEARCH)),
    ] {
        let (verdict, _codes, seen) = asked(adapter, answers, shop()).await;
        assert!(
            matches!(&verdict, CandidateVerdict::Usable(found) if found.credential == CredentialRef::Anonymous),
            "{adapter} {verdict:?}"
        );
        assert!(!seen.contains("Authorization"), "{seen}");
    }
}

/// DET-14, DET-18, SEC-1: neither product is taken for the other, a realm alone proves nothing, and none of these is sent a login.
#[tokio::test]
async fn sec_1_what_is_not_the_product_gets_no_login() {
    let up = (200, SECURITY_IS_UP);
    let basic_alone = ASKS.replace("WWW-Authenticate: ApiKey\r\n", "");
    let other_error = ASKS.replace("security_exception", "other_exceptionXXX");
    let good = || (node(200, "8.19.21"), health(200, "green"));
    for (adapter, answers) in [
        ("opensearch", closed(good().0, good().1)),
        ("elasticsearch", closed_too(up, node(200, "2.19.4"))),
        ("opensearch", closed_too((404, "{}"), node(200, "2.19.4"))),
        ("opensearch", closed_too((200, r#"{"status":"UP"}"#), node(200, "2.19.4"))),
        ("elasticsearch", vec![root(&basic_alone), good().0, good().1]),
        ("elasticsearch", vec![root(&other_error), good().0, good().1]),
        ("elasticsearch", vec![json("/", 200, ELASTICSEARCH), good().0, good().1]),
        ("elasticsearch", vec![json("/", 200, OPENSEARCH), good().0, good().1]),
        ("opensearch", vec![elastic(json("/", 200, ELASTICSEARCH)), good().0, good().1]),
    ] {
        let (verdict, codes, seen) = asked(adapter, answers, shop()).await;
        assert_eq!(verdict, CandidateVerdict::Impostor, "{adapter} {codes:?} {seen}");
        assert!(!seen.contains("Authorization") && !seen.contains("_nodes"), "{seen}");
    }
}

/// DET-5, DET-14: OpenSearch whose security is not up says so to everybody; it is no impostor, is not used and is sent no login.
#[tokio::test]
async fn a_server_whose_security_is_not_up_is_not_used() {
    let down = r#"{"message":"Not initialized","mode":"strict","status":"DOWN"}"#;
    let unavailable =
        "HTTP/1.1 503 X\r\ncontent-type: text/plain\r\ncontent-length: 36\r\n\r\nOpenSearch Security not initialized.";
    for greets in [ASKS_TOO, unavailable] {
        let mut answers = closed_too((503, down), node(200, "2.19.4"));
        answers[0] = root(greets);
        let (verdict, codes, seen) = asked("opensearch", answers, shop()).await;
        assert_eq!(verdict, CandidateVerdict::Rejected, "{codes:?}");
        assert_eq!((codes[0], codes.last()), (EvidenceCode::Identified, Some(&EvidenceCode::Timeout)));
        assert!(!seen.contains("Authorization"), "{seen}");
    }
}

/// DET-19, SEC-1: an API key goes to Elasticsearch alone; what no header can carry, or would be another login there, is not sent.
#[tokio::test]
async fn sec_1_only_what_can_be_sent_is_sent() {
    let good = || closed(node(200, "8.19.21"), health(200, "green"));
    let (_verdict, found, seen) = asked("elasticsearch", good(), token("a-key==")).await;
    assert!(seen.contains("Authorization: ApiKey a-key==\r\n") && found.contains(&EvidenceCode::CredentialAccepted), "{seen}");
    let answers = closed_too((200, SECURITY_IS_UP), node(200, "2.19.4"));
    let both = Login { username: Some("a:b".to_owned()), password: Some(Secret::new("x".to_owned())), token: None };
    for (adapter, answers, login) in [
        ("opensearch", answers, token("a-key==")),
        ("elasticsearch", good(), token("a\r\nX-Other: 1")),
        ("elasticsearch", good(), both),
        ("elasticsearch", good(), login(None, PASSWORD)),
    ] {
        let (verdict, codes, seen) = asked(adapter, answers, login).await;
        assert_eq!(verdict, CandidateVerdict::Rejected, "{codes:?}");
        assert!(codes.contains(&EvidenceCode::CredentialSkipped) && !seen.contains("Authorization"), "{seen}");
    }
}

/// DET-14: the recorded answers are read as what they are.
#[test]
fn recorded_answers_are_read() {
    let of = |bytes: &str| Answer::parsed(bytes.as_bytes()).unwrap();
    assert_eq!(read(&of(ASKS)), Some(Greeting::Closed(Brand::Elasticsearch)));
    assert_eq!(read(&of(GREETS_NOBODY)), Some(Greeting::Open(Brand::Elasticsearch, None)));
    assert_eq!(read(&of(ASKS_TOO)), Some(Greeting::PerhapsClosed));
    let document = |body: &str| Answer::parsed(&json("/", 200, body).1).unwrap();
    assert_eq!(read(&document(OPENSEARCH)), Some(Greeting::Open(Brand::OpenSearch, Some("2.19.4".to_owned()))));
    assert_eq!(security_is_up(&document(SECURITY_IS_UP)), Some(true));
    assert_eq!(version(&Answer::parsed(&node(200, "8.19.21").1).unwrap()).as_deref(), Some("8.19.21"));
}

proptest::proptest! {
    /// P6: whatever answer a server gives, reading it ends without a fault.
    #[test]
    fn p6_any_answer_is_judged(
        status in 200_u16..600,
        header in "(X-elastic-product: Elasticsearch|WWW-Authenticate: (ApiKey|Basic realm=\"(security|OpenSearch Security)\")|X: [ -~]{0,20})",
        body in r#"\{"(version|nodes|status|mode|error)": ?(\{"(number|distribution|type|a)": ?("[ -~&&[^"\\]]{0,9}"|\{\}|1)\}|"[a-zA-Z]{0,9}"|\[\]|null|[0-9]{1,30})\}?"#,
    ) {
        let head = format!("HTTP/1.1 {status} X\r\n{header}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n", body.len());
        if let Some(answer) = Answer::parsed((head + &body).as_bytes()) {
            let _read = (read(&answer), security_is_up(&answer), version(&answer), colour(&answer));
        }
    }
}
