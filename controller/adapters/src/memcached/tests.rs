use std::path::Path;

use koan_core::probe::{Access, CandidateReport, CandidateVerdict, CredentialRef};
use koan_crds::v1alpha1::EvidenceCode;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::probe::{Greeting, judge, login_command};
use crate::testing::script::{Script, Step, say};
use crate::testing::servers::{NOBODY, Server, start, start_with};
use crate::testing::{codes, login, manifest, only, question};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];

/// A server that asks for the login of `-Y`.
async fn guarded(uid: u32) -> Option<Server> {
    let right = login(Some("shop"), "right:p\"ass");
    start_with("memcached", uid, &right, &["-Y", "{home}/logins"], |home: &Path| {
        std::fs::write(home.join("logins"), "shop:right:p\"ass\n").unwrap();
    })
    .await
}

fn right() -> Access {
    manifest(login(Some("shop"), "right:p\"ass"))
}

async fn asked(server: &Server, uid: u32, access: &Access) -> CandidateReport {
    only(&LiveProber::as_user(uid).probe(&question("memcached", server.port, &ALL), access).await).clone()
}

/// A number that the server itself counts.
async fn counted(server: &Server, login: Option<&str>, name: &str) -> u64 {
    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", server.port)).await.unwrap();
    let login = login.unwrap_or_default();
    stream.write_all(format!("{login}stats\r\n").as_bytes()).await.unwrap();
    let mut text = String::new();
    while !text.ends_with("END\r\n") {
        let mut chunk = [0_u8; 4096];
        let count = stream.read(&mut chunk).await.unwrap();
        assert!(count > 0, "{text}");
        text.push_str(std::str::from_utf8(&chunk[..count]).unwrap());
    }
    let value = text.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} "))).unwrap();
    value.trim().parse().unwrap()
}

const LOGIN: &str = "set koan 0 0 16\r\nshop right:p\"ass\r\n";

/// DET-16, DET-21: the right login proves a real server that asks for one; nothing is stored by it.
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    let Some(server) = guarded(NOBODY).await else { return };
    let report = asked(&server, server.uid, &right()).await;
    assert_eq!(codes(&report), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    assert!(matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.version.is_some()), "{report:?}");
    assert_eq!(counted(&server, Some(LOGIN), "total_items").await, 0);
}

/// SEC-1, SEC-2, P18: a stranger's listener gets no login at all; our own refuses a wrong one once, by its own count, and it is not
/// repeated; a server with logins does not pass without one.
#[tokio::test]
async fn sec_1_sec_2_p18_a_wrong_or_missing_login_is_rejected() {
    let Some(server) = guarded(NOBODY).await else { return };
    let stranger = asked(&server, server.uid + 1, &right()).await;
    let skipped = EvidenceCode::CredentialSkipped;
    assert_eq!(codes(&stranger), [EvidenceCode::Identified, EvidenceCode::OwnerOther, skipped, skipped]);
    let mut access = manifest(login(Some("shop"), "wrong"));
    let first = asked(&server, server.uid, &access).await;
    assert_eq!((first.verdict.clone(), first.refused.len()), (CandidateVerdict::Rejected, 1));
    access.refused = first.refused.clone();
    let second = asked(&server, server.uid, &access).await;
    assert_eq!((second.verdict, second.refused.len()), (CandidateVerdict::Rejected, 0));
    assert_eq!(counted(&server, Some(LOGIN), "auth_errors").await, 1);
    let without = asked(&server, server.uid, &Access::default()).await;
    assert_eq!(without.verdict, CandidateVerdict::Rejected);
}

/// DET-20, S-3: a server without logins is used anonymously; the manifest's password is not sent, since its command would write there.
#[tokio::test]
async fn s_3_an_open_server_is_anonymous_and_nothing_is_written() {
    let Some(server) = start("memcached", NOBODY, &login(None, "unused"), |_home| {}).await else { return };
    let report = asked(&server, server.uid, &right()).await;
    assert!(
        matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    assert_eq!(counted(&server, None, "cmd_set").await, 0);
    let stranger = asked(&server, server.uid + 1, &right()).await;
    assert_eq!(stranger.verdict, CandidateVerdict::Rejected);
}

/// DET-40: another adapter's real server is an impostor, and is named.
#[tokio::test]
async fn another_cache_is_no_memcached() {
    let Some(server) = start("redis", NOBODY, &login(None, "secret"), |_home| {}).await else { return };
    let report = asked(&server, server.uid, &right()).await;
    assert_eq!(report.verdict, CandidateVerdict::Impostor);
    assert_eq!(report.evidence[0].detail.as_deref(), Some("a server of the Redis protocol answers"));
}

/// DET-36: a server below the row's version is rejected.
#[tokio::test]
async fn an_old_server_is_rejected() {
    let script = Script::open(vec![Step::Hear, say("VERSION 1.5.22\r\n")]).await;
    let report = LiveProber::new().probe(&question("memcached", script.port, &ALL), &right()).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::VersionUnsupported));
    assert!(!script.heard(b"set "));
}

/// DET-14: only a version and the demand for a login are greetings, as version 1.6.18 says them.
#[test]
fn greetings_are_told_from_other_lines() {
    assert_eq!(judge("VERSION 1.6.18").unwrap(), Greeting::Open("1.6.18".to_owned()));
    assert_eq!(judge("CLIENT_ERROR unauthenticated").unwrap(), Greeting::Guarded);
    for other in ["ERROR", "VERSION", "VERSION x", "-ERR unknown command", "HTTP/1.1 400 Bad Request", ""] {
        assert!(judge(other).is_err(), "{other}");
    }
}

/// SEC-1: a login that the protocol cannot say is not sent; it could end its command and begin another.
#[test]
fn sec_1_a_login_cannot_hold_a_command() {
    assert_eq!(login_command("shop", "a:b").as_deref(), Some("set koan 0 0 8\r\nshop a:b\r\n"));
    for (user, password) in
        [("sh op", "x"), ("shop", "x y"), ("shop", "x\r\nflush_all"), ("shop\n", "x"), ("", "x"), ("shop", "")]
    {
        assert_eq!(login_command(user, password), None, "{user:?} {password:?}");
    }
}

proptest::proptest! {
    /// P6: whatever a server says, judging it ends.
    #[test]
    fn p6_any_line_is_judged(line in "\\PC{0,80}") {
        let _greeting = judge(&line);
    }
}
