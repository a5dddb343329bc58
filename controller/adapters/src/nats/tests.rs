use std::path::Path;

use koan_core::probe::{Access, CandidateReport, CandidateVerdict, CredentialRef, Tls, TlsMode};
use koan_core::secret::{Login, Secret};
use koan_crds::v1alpha1::EvidenceCode;

use super::info::{Info, Line};
use crate::testing::script::{Script, Step, say};
use crate::testing::servers::{NOBODY, Server, place, start};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const CONFIGURATION: &str = "/run/koan/nats.conf";
/// As version 2.9.10 greets.
const GREETING: &str = r#"INFO {"server_id":"NBAPPLX5LPJBYAQCSK62MCWWHN747NNSTE7K7AZMTVZPDQX4GF3EKD3E","server_name":"n","version":"2.9.10","proto":1,"go":"go1.19.8","host":"127.0.0.1","port":24002,"headers":true,"auth_required":true,"max_payload":1048576,"client_id":4,"client_ip":"127.0.0.1"} "#;

fn shop() -> Login {
    login(Some("shop user"), "right p\"a$ss\\ü#")
}

/// A server whose `authorization { … }` block says this.
async fn authorised(block: &'static str, login: &Login) -> Option<Server> {
    let change = |home: &Path| {
        let file = place(home, CONFIGURATION);
        let text = std::fs::read_to_string(&file).unwrap();
        let (before, _block) = text.split_once("authorization {").unwrap();
        std::fs::remove_file(&file).unwrap();
        std::fs::write(&file, format!("{before}{block}\n")).unwrap();
    };
    start("nats", NOBODY, login, change).await
}

async fn asked(server: &Server, uid: u32, access: &Access) -> CandidateReport {
    only(&LiveProber::as_user(uid).probe(&question("nats", server.port, &ALL), access).await).clone()
}

fn refusals(server: &Server) -> usize {
    server.log().matches("authentication error").count()
}

/// ENG-17, DET-16, DET-21: the process recipe brings up a real server with a login of any characters; it proves the server, and
/// nothing of it is an error there.
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    let Some(server) = start("nats", NOBODY, &shop(), |_home| {}).await else { return };
    let report = asked(&server, server.uid, &manifest(shop())).await;
    assert_eq!(codes(&report), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    assert!(matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.version.is_some()), "{report:?}");
    assert!(!server.log().contains("[ERR]"), "{}", server.log());
}

/// SEC-1, SEC-2, P18: a stranger's listener gets no CONNECT with a password; our own refuses a wrong one once, by its own log, and it
/// is not repeated; a server with logins does not pass without one, and is not even asked.
#[tokio::test]
async fn sec_1_sec_2_p18_a_wrong_or_missing_login_is_rejected() {
    let Some(server) = start("nats", NOBODY, &shop(), |_home| {}).await else { return };
    let stranger = asked(&server, server.uid + 1, &manifest(shop())).await;
    let skipped = EvidenceCode::CredentialSkipped;
    assert_eq!(codes(&stranger), [EvidenceCode::Identified, EvidenceCode::OwnerOther, skipped, skipped]);
    let mut access = manifest(login(Some("shop user"), "wrong"));
    let first = asked(&server, server.uid, &access).await;
    assert_eq!((first.verdict.clone(), first.refused.len()), (CandidateVerdict::Rejected, 1));
    access.refused = first.refused.clone();
    let second = asked(&server, server.uid, &access).await;
    assert_eq!((second.verdict, second.refused.len()), (CandidateVerdict::Rejected, 0));
    let without = asked(&server, server.uid, &Access::default()).await;
    assert_eq!(without.verdict, CandidateVerdict::Rejected);
    assert_eq!(refusals(&server), 1, "{}", server.log());
}

/// DET-19: a token proves a server that asks for one, as a token or as the user of a URL.
#[tokio::test]
async fn a_token_proves_a_real_server() {
    let token = Login { username: None, password: None, token: Some(Secret::new("to ken".to_owned())) };
    let Some(server) = authorised("authorization { token: \"to ken\" }", &token).await else { return };
    let in_url = Login { username: Some("to ken".to_owned()), password: None, token: None };
    for login in [token, in_url] {
        let report = asked(&server, server.uid, &manifest(login)).await;
        assert!(matches!(report.verdict, CandidateVerdict::Usable(_)), "{report:?}");
    }
}

/// DET-20: a server without logins is used anonymously and is not sent the manifest's password; a stranger's is not used at all.
#[tokio::test]
async fn an_open_server_is_anonymous() {
    let Some(server) = authorised("", &shop()).await else { return };
    let report = asked(&server, server.uid, &manifest(shop())).await;
    assert!(
        matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    assert_eq!(asked(&server, server.uid + 1, &manifest(shop())).await.verdict, CandidateVerdict::Rejected);
}

/// DET-19: a server whose users sign by nkeys refuses a password, and the evidence says why that may be.
#[tokio::test]
async fn a_server_of_nkeys_says_so() {
    let greeting = GREETING.replace("\"max_payload\"", "\"nonce\":\"x1\",\"max_payload\"");
    let steps = vec![say(&format!("{greeting}\r\n")), Step::Hear, say("-ERR 'Authorization Violation'\r\n")];
    let script = Script::open(steps).await;
    let report = LiveProber::new().probe(&question("nats", script.port, &ALL), &manifest(shop())).await;
    let detail = only(&report).evidence[2].detail.clone().unwrap();
    assert!(detail.contains("nkey"), "{detail}");
}

/// DET-36: a server below the row's version is rejected before any login.
#[tokio::test]
async fn an_old_server_is_rejected() {
    let script = Script::open(vec![say(&format!("{}\r\n", GREETING.replace("2.9.10", "2.1.9")))]).await;
    let report = LiveProber::new().probe(&question("nats", script.port, &ALL), &manifest(shop())).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::VersionUnsupported));
    assert!(!script.heard(b"CONNECT"));
}

/// SEC-1, DET-5: where TLS is missing on either side, no login is sent, and the evidence says what to write.
#[tokio::test]
async fn sec_1_tls_that_is_missing_names_what_to_do() {
    let required = GREETING.replace("\"max_payload\"", "\"tls_required\":true,\"max_payload\"");
    let demanded = Tls { mode: TlsMode::VerifyFull, authorities: None };
    for (greeting, tls, words) in
        [(&required[..], None, "write the candidate as tls://"), (GREETING, Some(demanded), "offers none")]
    {
        let script = Script::open(vec![say(&format!("{greeting}\r\n"))]).await;
        let mut question = question("nats", script.port, &ALL);
        question.candidates[0].tls = tls;
        let report = LiveProber::new().probe(&question, &manifest(shop())).await;
        let report = only(&report);
        assert_eq!((report.verdict.clone(), codes(report)[0]), (CandidateVerdict::Rejected, EvidenceCode::TlsRequired));
        assert!(report.evidence[0].detail.as_ref().unwrap().contains(words), "{report:?}");
        assert!(!script.heard(b"CONNECT"));
    }
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_cache_is_no_messaging() {
    let Some(server) = start("memcached", NOBODY, &shop(), |_home| {}).await else { return };
    let report = asked(&server, server.uid, &manifest(shop())).await;
    assert_eq!(report.verdict, CandidateVerdict::Impostor);
}

/// DET-14: only a greeting that names the server and its version is one.
#[test]
fn greetings_are_read_whole_or_not_at_all() {
    let info = Info::parse(GREETING).unwrap();
    assert_eq!((info.version.as_str(), info.auth_required, info.knows_nkeys()), ("2.9.10", true, false));
    for end in 0..GREETING.len() - 1 {
        assert!(Info::parse(&GREETING[..end]).is_err(), "{end}");
    }
    for other in ["INFO {}", "INFO {\"server_id\":\"\",\"version\":\"2.9\"}", "+OK", "HTTP/1.1 400 Bad Request"] {
        assert!(Info::parse(other).is_err(), "{other}");
    }
}

/// DET-14: lines after the greeting, as the servers say them.
#[test]
fn answers_are_told_apart() {
    assert_eq!(Line::parse("PONG"), Line::Pong);
    assert_eq!(Line::parse("-ERR 'Authorization Violation'"), Line::Refused);
    assert_eq!(Line::parse("-ERR 'maximum connections exceeded'"), Line::Error("maximum connections exceeded".to_owned()));
    assert_eq!((Line::parse("INFO {}"), Line::parse("MSG x")), (Line::Other, Line::Wrong));
}

proptest::proptest! {
    /// P6: whatever a server says, reading it ends.
    #[test]
    fn p6_any_line_is_read(line in "\\PC{0,80}") {
        let _info = Info::parse(&format!("INFO {line}"));
        let _line = Line::parse(&line);
    }
}
