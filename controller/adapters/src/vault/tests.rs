use koan_core::probe::{CandidateVerdict, CredentialRef, Usable};
use koan_core::recipe::ProcessRecipe;
use koan_crds::v1alpha1::EvidenceCode;
use serde_json::json as value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::probe::read;
use crate::testing::forwarders::no_login_passes;
use crate::testing::programs::program;
use crate::testing::servers::{NOBODY, Server, start_as};
use crate::testing::transcript::{Answers, Stage, json};
use crate::testing::{codes, manifest, only, question, token};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 5] = [
    CredentialRef::Manifest,
    CredentialRef::Anonymous,
    CredentialRef::Default(0),
    CredentialRef::Default(1),
    CredentialRef::Default(2),
];
const ROOT: &str = "r1ght-token";

/// Dev mode, unsealed, with this root token.
fn dev() -> ProcessRecipe {
    let variables =
        [("VAULT_DEV_ROOT_TOKEN_ID", "<token>"), ("VAULT_DEV_LISTEN_ADDRESS", "127.0.0.1:<http>"), ("HOME", "<data>")];
    program(&["vault"], &["server", "-dev", "-dev-no-store-token"], &variables, &[])
}

/// Not in dev mode, which nobody has initialised.
fn empty() -> ProcessRecipe {
    let text = "disable_mlock = true\nstorage \"inmem\" {}\n\
        listener \"tcp\" {\n  address = \"127.0.0.1:<http>\"\n  tls_disable = true\n}\n";
    program(&["vault"], &["server", "-config=<file:/vault.hcl>"], &[("HOME", "<data>")], &[("/vault.hcl", text)])
}

async fn real(process: &ProcessRecipe, root: &str) -> Option<Server> {
    start_as("vault", process, (NOBODY, &[]), &token(root), |_home| {}).await
}

/// DET-16, DET-19, DET-21, SEC-1, SEC-2, P18: a real server is proved by its token alone, however well its health is; wrong tokens are
/// few and never repeated; a stranger's server gets none. `~/.vault-token` is not among what is tried.
#[tokio::test]
async fn sec_1_sec_2_p18_a_real_server_is_proved_by_its_token_alone() {
    let Some(server) = real(&dev(), ROOT).await else { return };
    let question = question("vault", server.port, &ALL);
    let ours = LiveProber::as_user(server.uid);
    let report = ours.probe(&question, &manifest(token(ROOT))).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, version, server_id, .. }) = &only(&report).verdict else {
        panic!("{report:?}");
    };
    assert_eq!(*credential, CredentialRef::Manifest);
    assert!(version.is_some() && server_id.is_some(), "{report:?}");

    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &manifest(token(ROOT))).await;
    assert!(codes(only(&stranger))[2..].iter().all(|code| *code == EvidenceCode::CredentialSkipped), "{stranger:?}");

    let mut access = manifest(token("wr0ng-token"));
    let first = ours.probe(&question, &access).await;
    assert_eq!(only(&first).verdict, CandidateVerdict::Rejected);
    assert_eq!(only(&first).refused.len(), 3, "the manifest's and two default tokens; then the budget is spent");
    access.refused = only(&first).refused.clone();
    let second = ours.probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert!(only(&second).refused.is_empty());
}

/// B-2, DET-16: the default token is accepted where the listener is this user's.
#[tokio::test]
async fn a_default_token_opens_our_own_server() {
    let Some(server) = real(&dev(), "dev-token").await else { return };
    let report = LiveProber::as_user(server.uid).probe(&question("vault", server.port, &ALL[1..]), &manifest(token(""))).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if found.credential == CredentialRef::Default(1)),
        "{report:?}"
    );
}

/// DET-21: a real server's token needs no more rights than every token has.
#[tokio::test]
async fn a_token_without_the_rights_of_root_is_enough() {
    let Some(server) = real(&dev(), ROOT).await else { return };
    let body = r#"{"id":"an-app-s-token","policies":["default"]}"#;
    let made = put(server.port, "/v1/auth/token/create", ROOT, body).await;
    assert!(made.starts_with("HTTP/1.1 200 "), "{made}");
    let ours = LiveProber::as_user(server.uid);
    let report = ours.probe(&question("vault", server.port, &ALL[..1]), &manifest(token("an-app-s-token"))).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
}

/// DET-5, SEC-1: a real server that nobody has initialised is `Sealed`, and so it is once somebody has and nobody unsealed it; no token
/// helps, and none is counted as refused.
#[tokio::test]
async fn sec_1_a_server_that_is_not_initialised_or_not_unsealed_is_sealed() {
    let Some(server) = real(&empty(), ROOT).await else { return };
    for (what, state) in [("not initialised", "501"), ("is sealed", "503")] {
        let question = question("vault", server.port, &ALL);
        let report = LiveProber::as_user(server.uid).probe(&question, &manifest(token(ROOT))).await;
        let last = only(&report).evidence.last().unwrap();
        assert_eq!(last.code, EvidenceCode::Sealed, "{report:?}");
        assert!(last.detail.as_ref().is_some_and(|detail| detail.contains(what)), "{state} {last:?}");
        assert_eq!(only(&report).verdict, CandidateVerdict::Rejected);
        assert!(only(&report).refused.is_empty());
        let made = put(server.port, "/v1/sys/init", "", r#"{"secret_shares":1,"secret_threshold":1}"#).await;
        assert!(made.starts_with(if state == "501" { "HTTP/1.1 200 " } else { "HTTP/1.1 400 " }), "{made}");
    }
}

/// What a server answers to a document, with a token where there is one.
async fn put(port: u16, path: &str, token: &str, body: &str) -> String {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let length = body.len();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: localhost\r\nX-Vault-Token: {token}\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n"
    );
    stream.write_all((head + body).as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Health as Vault 1.21 and OpenBao 2.3 give it, with this status and state.
fn health(status: u16, (initialized, sealed): (bool, bool), version: &str) -> (String, Vec<u8>) {
    let document = value!({
        "initialized": initialized, "sealed": sealed, "standby": status != 200, "performance_standby": status == 473,
        "replication_performance_mode": "disabled", "replication_dr_mode": "disabled", "server_time_utc": 1_795_340_776,
        "version": version, "enterprise": false, "cluster_name": "vault-cluster-1", "cluster_id": "0a1b-2c",
        "echo_duration_ms": 0, "clock_skew_ms": 0
    });
    json("/v1/sys/health", status, &document.to_string())
}

fn lookup(status: u16) -> (String, Vec<u8>) {
    let body =
        if status == 200 { r#"{"data":{"id":"x","policies":["default"]}}"# } else { r#"{"errors":["permission denied"]}"# };
    json("/v1/auth/token/lookup-self", status, body)
}

async fn played(answers: Answers, access: &str) -> (Vec<EvidenceCode>, String) {
    let stage = Stage::open(answers).await;
    let report = LiveProber::new().probe(&question("vault", stage.port, &ALL[..1]), &manifest(token(access))).await;
    (codes(only(&report)), stage.seen())
}

/// DET-5, DET-36: every state of the server has its code, and whoever cannot be used is sent no token.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    for (status, state, version, code) in [
        (503, (true, true), "1.21.4", EvidenceCode::Sealed),
        (501, (false, true), "1.21.4", EvidenceCode::Sealed),
        (472, (true, false), "1.21.4+ent", EvidenceCode::ReadOnly),
        (200, (true, false), "1.7.10", EvidenceCode::VersionUnsupported),
    ] {
        let (codes, seen) = played(vec![health(status, state, version), lookup(200)], "c4nary").await;
        assert_eq!(codes.last(), Some(&code), "{status}");
        assert!(!seen.contains("c4nary"), "{seen}");
    }
    for (status, version, answer, code) in [
        (200, "1.21.4", 200, EvidenceCode::CredentialAccepted),
        (429, "2.3.1", 200, EvidenceCode::CredentialAccepted),
        (473, "1.21.4+ent", 200, EvidenceCode::CredentialAccepted),
        (200, "1.21.4", 403, EvidenceCode::CredentialRejected),
        (200, "1.21.4", 503, EvidenceCode::Sealed),
        (200, "1.21.4", 302, EvidenceCode::WrongProtocol),
    ] {
        let (codes, seen) = played(vec![health(status, (true, false), version), lookup(answer)], "c4nary").await;
        assert_eq!(codes.last(), Some(&code), "{status} {answer}");
        assert!(seen.contains("X-Vault-Token: c4nary\r\n"), "{seen}");
    }
}

/// SEC-1: a token that would end its header is not sent.
#[tokio::test]
async fn sec_1_a_token_that_ends_its_line_is_not_sent() {
    let (codes, seen) = played(vec![health(200, (true, false), "1.21.4"), lookup(200)], "c4nary\r\nX-Other: 1").await;
    assert_eq!(codes.last(), Some(&EvidenceCode::CredentialSkipped));
    assert!(!seen.contains("c4nary"), "{seen}");
}

/// DET-14: only the health document is a greeting.
#[test]
fn other_documents_are_no_health() {
    for document in
        [value!({}), value!([]), value!({"initialized": true, "sealed": "no", "version": "1"}), value!({"sealed": false})]
    {
        assert_eq!(read(200, &document), None, "{document}");
    }
}

/// DET-17, DET-41, SEC-1: behind `socat` and `ssh -L` a server with a well-known token is sent none.
#[tokio::test]
async fn sec_1_no_token_passes_a_forwarder() {
    let Some(server) = real(&dev(), "root-token").await else { return };
    no_login_passes("vault", &server, &token("root-token")).await;
}
