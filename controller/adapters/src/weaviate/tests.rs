use koan_core::probe::{Access, CandidateVerdict, CredentialRef, Usable};
use koan_core::recipe::ProcessRecipe;
use koan_crds::v1alpha1::EvidenceCode;

use crate::testing::programs::program;
use crate::testing::servers::{NOBODY, Server, start_as};
use crate::testing::transcript::{Answers, Stage, json};
use crate::testing::{codes, login, manifest, only, question, token};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const KEY: &str = "r1ght-key";
/// Of every start: one node that talks to itself.
const ALONE: [(&str, &str); 14] = [
    ("PERSISTENCE_DATA_PATH", "<data>"),
    ("CLUSTER_HOSTNAME", "node1"),
    ("CLUSTER_IN_LOCALHOST", "false"),
    ("CLUSTER_BIND_ADDR", "127.0.0.1"),
    ("CLUSTER_ADVERTISE_ADDR", "127.0.0.1"),
    ("CLUSTER_GOSSIP_BIND_PORT", "<gossip>"),
    ("CLUSTER_DATA_BIND_PORT", "<cluster>"),
    ("RAFT_PORT", "<raft>"),
    ("RAFT_INTERNAL_RPC_PORT", "<rpc>"),
    ("RAFT_BOOTSTRAP_EXPECT", "1"),
    ("RAFT_JOIN", "node1"),
    ("GRPC_PORT", "<grpc>"),
    ("DISABLE_TELEMETRY", "true"),
    ("GO_PROFILING_DISABLE", "true"),
];
const KEYED: [(&str, &str); 4] = [
    ("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "false"),
    ("AUTHENTICATION_APIKEY_ENABLED", "true"),
    ("AUTHENTICATION_APIKEY_ALLOWED_KEYS", "<token>"),
    ("AUTHENTICATION_APIKEY_USERS", "shop"),
];
const OPEN: [(&str, &str); 1] = [("AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED", "true")];

fn process(login: &[(&str, &str)]) -> ProcessRecipe {
    let words = ["--host", "127.0.0.1", "--port", "<http>", "--scheme", "http"];
    program(&["weaviate-server"], &words, &[&ALONE[..], login].concat(), &[])
}

async fn real(login: &[(&str, &str)]) -> Option<Server> {
    start_as("weaviate", &process(login), (NOBODY, &[]), &token(KEY), |_home| {}).await
}

/// DET-16, DET-20, DET-21, SEC-1, P18: a real server is proved by its key alone; a wrong key is refused once and not repeated; a
/// stranger's server gets no key; without a key it does not pass, though it answers that it is ready. One server for all of it: it takes
/// seconds to start.
#[tokio::test]
async fn sec_1_p18_a_real_server_is_proved_by_its_key_alone() {
    let Some(server) = real(&KEYED).await else { return };
    let question = question("weaviate", server.port, &ALL);
    let ours = LiveProber::as_user(server.uid);
    let report = ours.probe(&question, &manifest(token(KEY))).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    let CandidateVerdict::Usable(Usable { credential, version, .. }) = &only(&report).verdict else { panic!("{report:?}") };
    assert_eq!((credential, version.as_deref()), (&CredentialRef::Manifest, Some("1.39.0")));

    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &manifest(token(KEY))).await;
    assert_eq!(codes(only(&stranger))[2..], [EvidenceCode::CredentialSkipped, EvidenceCode::CredentialSkipped]);

    let mut access = manifest(token("wr0ng-key"));
    let first = ours.probe(&question, &access).await;
    assert_eq!(codes(only(&first))[2..], [EvidenceCode::CredentialRejected, EvidenceCode::CredentialSkipped]);
    access.refused = only(&first).refused.clone();
    assert_eq!(access.refused.len(), 1);
    let second = ours.probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert!(only(&second).refused.is_empty());
    let without = ours.probe(&question, &Access::default()).await;
    assert_eq!(only(&without).verdict, CandidateVerdict::Rejected);
}

/// DET-16, DET-20: a real server that asks nobody is used anonymously; a stranger's is not used.
#[tokio::test]
async fn an_open_server_is_anonymous() {
    let Some(server) = real(&OPEN).await else { return };
    let question = question("weaviate", server.port, &ALL);
    let report = LiveProber::as_user(server.uid).probe(&question, &manifest(token(KEY))).await;
    assert!(
        matches!(&only(&report).verdict, CandidateVerdict::Usable(found) if found.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &manifest(token(KEY))).await;
    assert_eq!(only(&stranger).verdict, CandidateVerdict::Rejected);
}

/// Answers as 1.39.0 gives them, shortened, with a key asked for or not.
fn answers(ready: u16, (meta, version): (u16, &str), (schema, collections): (u16, &str)) -> Answers {
    let links = r#"{"links":[{"href":"/v1/meta","name":"Meta information about this instance/cluster"},{"href":"/v1/schema"}]}"#;
    vec![
        json("/v1", 200, links),
        json("/v1/.well-known/ready", ready, ""),
        json("/v1/meta", meta, &format!("{{\"hostname\":\"http://[::]:8080\",\"modules\":{{}},\"version\":\"{version}\"}}")),
        json("/v1/schema", schema, collections),
    ]
}

/// DET-5, DET-20, DET-36: versions before 1.20 are refused; a server that is not ready is no impostor and not used; each refusal has its code; whoever answers
/// without a key is sent none, and however long the list of collections is, the probe ends.
#[tokio::test]
async fn what_is_not_usable_says_why() {
    let many = format!("{{\"classes\":[{}", "{\"class\":\"A\"},".repeat(9000));
    for (answers, code) in [
        (answers(200, (200, "1.20.0"), (200, "{\"classes\":[]}")), EvidenceCode::CredentialAccepted),
        (answers(200, (200, "1.39.0"), (200, &many)), EvidenceCode::CredentialAccepted),
        (answers(200, (200, "1.19.13"), (200, "{}")), EvidenceCode::VersionUnsupported),
        (answers(200, (200, "1.39.0"), (403, "{}")), EvidenceCode::NotAuthorised),
    ] {
        let stage = Stage::open(answers).await;
        let access = manifest(token("c4nary"));
        let report = LiveProber::new().probe(&question("weaviate", stage.port, &ALL), &access).await;
        assert_eq!(codes(only(&report)).last(), Some(&code), "{report:?}");
        assert!(!stage.seen().contains("c4nary"), "{}", stage.seen());
    }
    let stage = Stage::open(answers(503, (200, "1.39.0"), (200, "{}"))).await;
    let report = LiveProber::new().probe(&question("weaviate", stage.port, &ALL), &manifest(login(None, "c4nary"))).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Rejected);
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::Timeout]);
    assert!(
        only(&report).evidence[2].detail.as_deref().is_some_and(|detail| detail.ends_with("is not ready: 503")),
        "{report:?}"
    );
    assert!(!stage.seen().contains("c4nary"), "{}", stage.seen());
}
