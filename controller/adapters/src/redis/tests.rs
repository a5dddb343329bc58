use koan_core::probe::{Access, CandidateVerdict, CredentialRef};
use koan_core::secret::Secret;
use koan_core::text::{Part, Values};
use koan_crds::v1alpha1::EvidenceCode;

use super::recipe;
use super::resp::{Gap, Reply, parse};
use crate::testing::servers::{NOBODY, place, start};
use crate::testing::{codes, login, manifest, only, question};
use crate::texts::credential;
use crate::{LiveProber, Prober};

/// ENG-17: the process form listens on loopback, on the allocated port, with a login, below its data folder.
#[test]
fn the_process_configuration_is_guarded_and_local() {
    let process = recipe().process.unwrap();
    let mut values = Values::default();
    values.insert(credential("password"), Secret::new("se cret".to_owned()));
    let place = |part: &Part| match part {
        Part::Port(_) => Some("7001".to_owned()),
        Part::DataFolder(_) => Some("/state/data".to_owned()),
        _other => None,
    };
    let text = process.files[0].2.render(&values, place).unwrap();
    assert_eq!(
        text.expose(),
        "bind 127.0.0.1\nport 7001\ndir \"/state/data\"\ndaemonize no\nappendonly yes\nrequirepass \"se\\x20cret\"\n"
    );
}

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
const CONFIGURATION: &str = "/run/koan/redis.conf";

/// ENG-17, DET-16, DET-21: the process recipe brings up a real server with a login; the right one proves it.
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    let right = login(None, "right p\"a ss#");
    let Some(server) = start("redis", NOBODY, &right, |_home| {}).await else { return };
    let mut missing = question("redis", server.port, &ALL);
    missing.database = "99".to_owned();
    let report = LiveProber::as_user(server.uid).probe(&missing, &manifest(right.clone())).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::DatabaseMissing));
    let report = LiveProber::as_user(server.uid).probe(&question("redis", server.port, &ALL), &manifest(right)).await;
    assert_eq!(codes(only(&report)), [EvidenceCode::Identified, EvidenceCode::OwnerUser, EvidenceCode::CredentialAccepted]);
    assert!(matches!(&only(&report).verdict, CandidateVerdict::Usable(usable) if usable.version.is_some()), "{report:?}");
}

/// SEC-1, SEC-2, P18: a stranger's listener gets no AUTH at all; our own refuses a wrong password once, and it is not repeated; a server
/// with a login does not pass without one.
#[tokio::test]
async fn sec_1_sec_2_p18_a_wrong_or_missing_login_is_rejected() {
    let Some(server) = start("redis", NOBODY, &login(None, "right"), |_home| {}).await else { return };
    let question = question("redis", server.port, &ALL);
    let stranger = LiveProber::as_user(server.uid + 1).probe(&question, &manifest(login(None, "right"))).await;
    assert_eq!(
        codes(only(&stranger)),
        [EvidenceCode::Identified, EvidenceCode::OwnerOther, EvidenceCode::CredentialSkipped, EvidenceCode::CredentialSkipped]
    );
    let mut access = manifest(login(None, "wrong"));
    let first = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert_eq!(only(&first).verdict, CandidateVerdict::Rejected);
    assert_eq!(only(&first).refused.len(), 1);
    access.refused = only(&first).refused.clone();
    let second = LiveProber::as_user(server.uid).probe(&question, &access).await;
    assert_eq!(only(&second).verdict, CandidateVerdict::Rejected);
    assert!(only(&second).refused.is_empty());
    let denied = info(server.port, "right", "errorstat_WRONGPASS").await;
    assert_eq!(denied.as_deref(), Some("count=1"), "the server itself counts one refused login");
    let without = LiveProber::as_user(server.uid).probe(&question, &Access::default()).await;
    assert_eq!(only(&without).verdict, CandidateVerdict::Rejected);
}

/// A field of `INFO errorstats`, read by the client crate.
async fn info(port: u16, password: &str, name: &str) -> Option<String> {
    let client = redis::Client::open(format!("redis://:{password}@127.0.0.1:{port}/0")).unwrap();
    let mut connection = client.get_multiplexed_async_connection().await.unwrap();
    let text: String = redis::cmd("INFO").arg("errorstats").query_async(&mut connection).await.unwrap();
    text.lines().find_map(|line| line.strip_prefix(&format!("{name}:")).map(|value| value.trim().to_owned()))
}

/// DET-16, DET-20: a server without login is used anonymously and is not sent the manifest's password; a replica is `ReadOnly`.
#[tokio::test]
async fn an_open_server_is_anonymous_and_a_replica_is_read_only() {
    for (more, usable) in [("", true), ("replicaof 127.0.0.1 1\n", false)] {
        let change = |home: &std::path::Path| {
            let file = place(home, CONFIGURATION);
            let text = std::fs::read_to_string(&file).unwrap();
            let open: String =
                text.lines().filter(|line| !line.starts_with("requirepass")).map(|line| format!("{line}\n")).collect();
            std::fs::remove_file(&file).unwrap();
            std::fs::write(&file, open + more).unwrap();
        };
        let Some(server) = start("redis", NOBODY, &login(None, "unused"), change).await else { return };
        let access = manifest(login(None, "unused"));
        let report = LiveProber::as_user(server.uid).probe(&question("redis", server.port, &ALL), &access).await;
        match &only(&report).verdict {
            CandidateVerdict::Usable(found) if usable => assert_eq!(found.credential, CredentialRef::Anonymous),
            CandidateVerdict::Rejected if !usable => {
                assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::ReadOnly));
            }
            other => panic!("{other:?}"),
        }
    }
}

/// DET-40: another adapter's real server is an impostor.
#[tokio::test]
async fn a_database_is_no_cache() {
    let Some(server) = start("postgres", NOBODY, &login(Some("shop"), "secret"), |_home| {}).await else { return };
    let report = LiveProber::new().probe(&question("redis", server.port, &ALL), &manifest(login(None, "secret"))).await;
    assert_eq!(only(&report).verdict, CandidateVerdict::Impostor);
}

/// DET-14: only a whole map that names its server is a greeting.
#[test]
fn replies_are_read_whole_or_not_at_all() {
    let map = b"%2\r\n$6\r\nserver\r\n$5\r\nredis\r\n$5\r\nproto\r\n:3\r\n";
    let (reply, length) = parse(map).unwrap();
    assert_eq!((reply.get("server"), length), (Some("redis"), map.len()));
    for end in 0..map.len() {
        assert_eq!(parse(&map[..end]), Err(Gap::Incomplete), "{end}");
    }
    assert_eq!(parse(b"-NOAUTH HELLO must\r\n").unwrap().0, Reply::Error("NOAUTH".to_owned()));
    assert_eq!(parse(b"HTTP/1.1 200 OK\r\n"), Err(Gap::Malformed));
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault.
    #[test]
    fn p6_any_reply_is_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
        let _reply = parse(&bytes);
    }
}
