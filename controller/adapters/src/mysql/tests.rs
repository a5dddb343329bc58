//! Over 400 lines: one test per promise, each on both servers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use koan_core::probe::{Access, Address, CandidateReport, CandidateVerdict, Check, CheckReport, CredentialRef};
use koan_core::secret::Login;
use koan_crds::v1alpha1::EvidenceCode;
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::Instant;

use super::authentication::{Method, response};
use super::greeting::{Brand, First, first, numbers};
use super::packet::{Pieces, TooLong, join, split};
use super::result::{columns, row};
use super::session::{Answer, Opened, Session};
use crate::testing::script::{Script, Step};
use crate::testing::servers::{NOBODY, Server, start, start_with};
use crate::testing::{codes, login, manifest, only, question};
use crate::wire::{Peer, Target};
use crate::{LiveProber, Prober};

const ALL: [CredentialRef; 2] = [CredentialRef::Manifest, CredentialRef::Anonymous];
/// As version 10.11.19 greets.
const MARIADB_GREETING: &str = "640000000a352e352e352d31302e31312e31392d4d6172696144422d302b6465623132753100500000006f584b513349554f00fef7080200ff81150000000000001d0000006e5d645f32792e737a2e716f006d7973716c5f6e61746976655f70617373776f726400";
/// As version 8.4 greets.
const MYSQL_GREETING: &str = "4a0000000a382e342e313100080000003b2d2f5b6c4d5c3200ffffff0200ffdf15000000000000000000006c0a6b1d5c7e24464d2e6a5e0063616368696e675f736861325f70617373776f726400";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn shop() -> Login {
    login(Some("shop user"), "right p\"a's`s\\ ü")
}

async fn asked(adapter: &str, port: u16, uid: u32, access: &Access) -> CandidateReport {
    only(&LiveProber::as_user(uid).probe(&question(adapter, port, &ALL), access).await).clone()
}

fn local(port: u16) -> Peer {
    Peer::new(Target::Tcp(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)), None)
}

/// The last value of the only row, read by [`shop`].
async fn read(server: &Server, query: &str) -> String {
    let password = shop().password.unwrap();
    let password = password.expose();
    let opened = Session::open(&local(server.port), Instant::now() + Duration::from_secs(10)).await.unwrap();
    let Opened::Greeted(mut session) = opened else { panic!("it does not greet") };
    let hello = response(&session.greeting, session.encrypted, "shop user", Some(password));
    assert!(matches!(session.log_in(&hello, Some(password), true).await.unwrap(), Answer::Done));
    let values = session.query(query).await.unwrap().unwrap();
    session.goodbye(1).await;
    values.into_iter().next_back().flatten().unwrap()
}

async fn aborted(server: &Server) -> u64 {
    read(server, "SHOW GLOBAL STATUS LIKE 'Aborted_connects'").await.parse().unwrap()
}

fn denied(server: &Server, user: &str) -> usize {
    server.log().matches(&format!("Access denied for user '{user}'")).count()
}

const BOTH: [&str; 2] = ["mariadb", "mysql"];
/// Says of each refused login who it was; MariaDB does so by itself.
fn loud(adapter: &str) -> &'static [&'static str] {
    if adapter == "mysql" { &["--log-error-verbosity=3"] } else { &[] }
}

/// ENG-17, DET-16, DET-20, DET-21: the process recipe brings up a real server whose database exists; the manifest's login of any
/// characters proves it, by challenge and response even where the listener belongs to another login user.
#[tokio::test]
async fn the_right_login_proves_a_real_server() {
    for adapter in BOTH {
        let Some(server) = start(adapter, NOBODY, &shop(), |_home| {}).await else { continue };
        for (uid, owner) in [(server.uid, EvidenceCode::OwnerUser), (server.uid + 1, EvidenceCode::OwnerOther)] {
            let report = asked(adapter, server.port, uid, &manifest(shop())).await;
            assert_eq!(codes(&report), [EvidenceCode::Identified, owner, EvidenceCode::CredentialAccepted], "{report:?}");
            let CandidateVerdict::Usable(usable) = &report.verdict else { panic!("{report:?}") };
            assert_eq!((&usable.credential, usable.server_id.is_some()), (&CredentialRef::Manifest, adapter == "mysql"));
            assert!(usable.version.as_deref().is_some_and(|version| !version.starts_with("5.5.5")), "{usable:?}");
        }
        let mut other = question(adapter, server.port, &ALL);
        other.database = "missing".to_owned();
        let report = LiveProber::as_user(server.uid).probe(&other, &manifest(shop())).await;
        let expected = [EvidenceCode::DatabaseMissing, EvidenceCode::NotAuthorised];
        assert!(expected.contains(&only(&report).evidence[2].code), "{report:?}");
        assert_eq!(only(&report).verdict, CandidateVerdict::Rejected);
    }
}

/// SEC-1, DET-20: a stranger's server that does not remember the user gets no password as it is; once its owner's login has been
/// there, challenge and response are enough.
#[tokio::test]
async fn sec_1_a_stranger_gets_no_password_as_it_is() {
    let Some(server) = start("mysql", NOBODY, &shop(), |_home| {}).await else { return };
    forget(&server).await;
    let first = asked("mysql", server.port, server.uid + 1, &manifest(shop())).await;
    assert_eq!(codes(&first)[2], EvidenceCode::CredentialSkipped, "{first:?}");
    assert!(first.evidence[2].detail.as_ref().unwrap().contains("the password as it is"), "{first:?}");
    for uid in [server.uid, server.uid + 1] {
        let report = asked("mysql", server.port, uid, &manifest(shop())).await;
        assert!(matches!(report.verdict, CandidateVerdict::Usable(_)), "{report:?}");
    }
}

/// Makes a server forget what it remembers of passwords.
async fn forget(server: &Server) {
    let opened = Session::open(&local(server.port), Instant::now() + Duration::from_secs(10)).await.unwrap();
    let Opened::Greeted(mut session) = opened else { panic!("it does not greet") };
    let password = shop().password.unwrap();
    let hello = response(&session.greeting, session.encrypted, "shop user", Some(password.expose()));
    assert!(matches!(session.log_in(&hello, Some(password.expose()), true).await.unwrap(), Answer::Done));
    let same = "\x03ALTER USER USER() IDENTIFIED BY 'right p\"a''s`s\\\\ ü'";
    assert!(matches!(session.command(same.as_bytes()).await.unwrap(), Answer::Done));
    session.goodbye(1).await;
}

/// DET-5: whoever may see every database learns that one is missing.
#[tokio::test]
async fn a_missing_database_is_told() {
    let root = login(Some("root"), "right");
    let Some(server) = start("mariadb", NOBODY, &root, |_home| {}).await else { return };
    let mut other = question("mariadb", server.port, &ALL);
    other.database = "missing".to_owned();
    let report = LiveProber::as_user(server.uid).probe(&other, &manifest(root)).await;
    assert_eq!(codes(only(&report)).last(), Some(&EvidenceCode::DatabaseMissing), "{report:?}");
}

/// SEC-2, DET-20, P18: the server refuses a wrong login once, and root without a password once; a second probe of the same
/// generation adds none to either.
#[tokio::test]
async fn sec_2_p18_wrong_logins_are_few_and_never_repeated() {
    for adapter in BOTH {
        let Some(server) = start_with(adapter, NOBODY, &shop(), loud(adapter), |_home| {}).await else { continue };
        let mut access = manifest(login(Some("shop user"), "wrong"));
        for refused in [2, 0] {
            let report = asked(adapter, server.port, server.uid, &access).await;
            assert_eq!((report.verdict.clone(), report.refused.len()), (CandidateVerdict::Rejected, refused), "{report:?}");
            access.refused.extend(report.refused);
            assert_eq!((denied(&server, "shop user"), denied(&server, "root")), (1, 1), "{}", server.log());
        }
    }
}

/// SEC-2, S-3: probes with a login add nothing to the server's own count of connections that came to nothing.
#[tokio::test]
async fn sec_2_200_probes_with_a_login_are_not_counted_as_aborted() {
    for adapter in BOTH {
        let Some(server) = start_with(adapter, NOBODY, &shop(), loud(adapter), |_home| {}).await else { continue };
        let before = aborted(&server).await;
        for _probe in 0..200 {
            let report = asked(adapter, server.port, server.uid, &manifest(shop())).await;
            assert!(matches!(report.verdict, CandidateVerdict::Usable(_)), "{report:?}");
        }
        assert_eq!(aborted(&server).await, before);
        assert!(!server.log().contains("Aborted connection"), "{}", server.log());
    }
}

/// Carries connections to a server from an address that is not the one which servers never block.
struct Detour {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Detour {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Detour {
    async fn open(to: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            while let Ok((mut near, _peer)) = listener.accept().await {
                tokio::spawn(async move {
                    let socket = TcpSocket::new_v4().unwrap();
                    socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
                    let mut far = socket.connect(SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), to)).await.unwrap();
                    let _ended = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { port, task }
    }
}

/// SEC-2, DET-41: 200 probes that get no further than the greeting do not make a server block their host, though it would after
/// three broken handshakes; a server that blocks us says so and is rejected.
#[tokio::test]
async fn sec_2_200_greetings_block_no_host() {
    for adapter in BOTH {
        let words = ["--skip-name-resolve=0", "--max-connect-errors=3"];
        let Some(server) = start_with(adapter, NOBODY, &shop(), &words, |_home| {}).await else { continue };
        let detour = Detour::open(server.port).await;
        for _probe in 0..200 {
            let question = question(adapter, detour.port, &[]);
            let report = LiveProber::new().probe(&question, &Access::default()).await;
            assert_eq!(codes(only(&report))[0], EvidenceCode::Identified, "{report:?}");
        }
        let ours = rustix::process::geteuid().as_raw();
        let report = asked(adapter, detour.port, ours, &manifest(shop())).await;
        assert!(matches!(report.verdict, CandidateVerdict::Usable(_)), "{report:?}");
        if adapter == "mariadb" {
            assert_blocks(&detour).await;
        }
    }
}

/// The server blocks the host of a detour once its handshakes broke, and says so.
async fn assert_blocks(detour: &Detour) {
    let ours = rustix::process::geteuid().as_raw();
    // A login that succeeds would make the server forget, so none does until it blocks.
    let deadline = Instant::now() + Duration::from_secs(20);
    while let Opened::Greeted(broken) = Session::open(&local(detour.port), deadline).await.unwrap() {
        drop(broken);
    }
    let blocked = asked("mariadb", detour.port, ours, &manifest(shop())).await;
    assert_eq!(blocked.verdict, CandidateVerdict::Rejected, "{blocked:?}");
    assert!(blocked.evidence[0].detail.as_ref().unwrap().contains("1129"), "{blocked:?}");
    assert!(blocked.evidence.iter().any(|line| line.detail.as_ref().is_some_and(|text| text.contains("FLUSH HOSTS"))));
}

/// DET-5: a server that lets nobody write is `ReadOnly`.
#[tokio::test]
async fn a_read_only_server_is_rejected() {
    let Some(server) = start_with("mariadb", NOBODY, &shop(), &["--read-only=1"], |_home| {}).await else { return };
    let report = asked("mariadb", server.port, server.uid, &manifest(shop())).await;
    assert_eq!((codes(&report)[2], report.verdict), (EvidenceCode::ReadOnly, CandidateVerdict::Rejected));
}

/// DET-20: a server that asks nobody for a password counts as anonymous, whatever login it was given.
#[tokio::test]
async fn a_trusting_server_is_anonymous() {
    let Some(server) = start_with("mariadb", NOBODY, &shop(), &["--skip-grant-tables"], |_home| {}).await else { return };
    let report = asked("mariadb", server.port, server.uid, &manifest(shop())).await;
    assert!(
        matches!(&report.verdict, CandidateVerdict::Usable(usable) if usable.credential == CredentialRef::Anonymous),
        "{report:?}"
    );
    let stranger = asked("mariadb", server.port, server.uid + 1, &manifest(shop())).await;
    assert_eq!(stranger.verdict, CandidateVerdict::Rejected);
}

/// DET-14, DET-40: the other product of the same protocol is told by name, and so is another database.
#[tokio::test]
async fn another_product_is_an_impostor() {
    let Some(server) = start("mariadb", NOBODY, &shop(), |_home| {}).await else { return };
    let report = asked("mysql", server.port, server.uid, &manifest(shop())).await;
    assert_eq!(report.verdict, CandidateVerdict::Impostor);
    assert_eq!(report.evidence[0].detail.as_deref(), Some("a MariaDB server answers"));
    assert_eq!((denied(&server, "shop user"), denied(&server, "koan_probe")), (0, 1));
    let check = Check {
        adapter: "mysql".to_owned(),
        address: Address::Tcp { host: "127.0.0.1".to_owned(), port: server.port },
        tls: None,
        login: shop(),
        database: "shop".to_owned(),
        timeout: Duration::from_secs(10),
    };
    let report = LiveProber::new().check(&check).await;
    assert!(matches!(&report, CheckReport::NotYet(line) if line.code == EvidenceCode::WrongProtocol), "{report:?}");
    assert_eq!((denied(&server, "shop user"), denied(&server, "koan_probe")), (0, 2));
    let Some(server) = start("nats", NOBODY, &shop(), |_home| {}).await else { return };
    let report = asked("mariadb", server.port, server.uid, &manifest(shop())).await;
    assert_eq!(report.verdict, CandidateVerdict::Impostor);
}

/// What a server says after the login's answer, one packet after each.
fn packets(greeting: &str, answers: &[&[u8]]) -> Vec<Step> {
    let mut steps = vec![Step::Say(bytes(greeting))];
    for (index, answer) in answers.iter().enumerate() {
        let number = u8::try_from(index * 2 + 2).unwrap();
        steps.extend([Step::Hear, Step::Say(join(number, answer).unwrap())]);
    }
    steps
}

const OK: &[u8] = &[0, 0, 0, 2, 0, 0, 0];
const DENIED: &[u8] = b"\xff\x15\x04#28000Access denied for user 'x'@'localhost' (using password: YES)";

fn switch(plugin: &str) -> Vec<u8> {
    [&[0xfe], plugin.as_bytes(), &[0], b"12345678901234567890", &[0]].concat()
}

/// SEC-1, DET-20: a method that would send the password as it is, or that is not spoken, gets an empty answer, and the server itself
/// ends the handshake; the evidence says what it asked for.
#[tokio::test]
async fn sec_1_a_method_that_is_not_answered_is_told() {
    for (plugin, words) in [
        ("client_ed25519", "asks for client_ed25519, which Koan does not speak"),
        ("mysql_clear_password", "asks for the password as it is"),
        ("parsec", "asks for parsec, which Koan does not speak"),
    ] {
        let script = Script::open(packets(MARIADB_GREETING, &[&switch(plugin), DENIED])).await;
        let report = asked("mariadb", script.port, rustix::process::geteuid().as_raw(), &manifest(shop())).await;
        assert_eq!(codes(&report)[2], EvidenceCode::CredentialSkipped, "{report:?}");
        assert!(report.evidence[2].detail.as_ref().unwrap().contains(words), "{report:?}");
        assert!(!script.heard(shop().password.unwrap().expose().as_bytes()));
    }
}

/// DET-20: a server that asks for the whole password of `caching_sha2_password` without TLS gets none.
#[tokio::test]
async fn sec_1_no_whole_password_travels_without_tls() {
    let script = Script::open(packets(MYSQL_GREETING_WITHOUT_TLS, &[&[1, 4], DENIED])).await;
    let report = asked("mysql", script.port, rustix::process::geteuid().as_raw(), &manifest(shop())).await;
    assert_eq!(codes(&report)[2], EvidenceCode::CredentialSkipped, "{report:?}");
    assert!(report.evidence[2].detail.as_ref().unwrap().contains("offers no TLS"), "{report:?}");
    assert!(!script.heard(shop().password.unwrap().expose().as_bytes()));
}

/// The same greeting from a server without TLS.
const MYSQL_GREETING_WITHOUT_TLS: &str = "4a0000000a382e342e313100080000003b2d2f5b6c4d5c3200fff7ff0200ffdf15000000000000000000006c0a6b1d5c7e24464d2e6a5e0063616368696e675f736861325f70617373776f726400";

/// Packets of the row of the check.
fn row_of(values: &[&str]) -> Vec<u8> {
    let column = |number: u8| join(number, b"\x03def\0\0\0\x01a\0\x0c\x2d\0\0\x01\0\0\xfd\0\0\x1f\0\0").unwrap();
    let count = u8::try_from(values.len()).unwrap();
    let text: Vec<u8> =
        values.iter().flat_map(|value| [&[u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()).collect();
    let mut packets = join(1, &[count]).unwrap();
    packets.extend((2..2 + count).flat_map(column));
    packets.extend(join(count + 2, &[0xfe, 0, 0, 2, 0]).unwrap());
    packets.extend(join(count + 3, &text).unwrap());
    packets.extend(join(count + 4, &[0xfe, 0, 0, 2, 0]).unwrap());
    packets
}

/// DET-36: servers below the row's version are rejected; at it they are used.
#[tokio::test]
async fn an_old_server_is_rejected() {
    for (version, code) in
        [("10.5.9-MariaDB", EvidenceCode::VersionUnsupported), ("10.6.1-MariaDB-log", EvidenceCode::CredentialAccepted)]
    {
        let mut steps = packets(MARIADB_GREETING, &[OK]);
        steps.extend([Step::Hear, Step::Say(join(1, OK).unwrap())]);
        steps.extend([Step::Hear, Step::Say(row_of(&["shop@%", "shop", "0", version]))]);
        let script = Script::open(steps).await;
        let report = asked("mariadb", script.port, rustix::process::geteuid().as_raw(), &manifest(shop())).await;
        assert_eq!(codes(&report).last(), Some(&code), "{report:?}");
    }
}

/// DET-14: greetings of real servers are read whole or not at all; a refusal before any greeting tells its product.
#[test]
fn greetings_are_read_whole_or_not_at_all() {
    for (greeting, brand, version, plugin) in [
        (MARIADB_GREETING, Brand::MariaDb, "10.11.19", "mysql_native_password"),
        (MYSQL_GREETING, Brand::MySql, "8.4.11", "caching_sha2_password"),
    ] {
        let bytes = bytes(greeting);
        let (number, body, length) = split(&bytes).unwrap().unwrap();
        assert_eq!((number, length), (0, bytes.len()));
        let First::Greeting(read) = first(body).unwrap() else { panic!("{greeting}") };
        assert_eq!((read.brand, read.version.as_str(), read.plugin.as_str()), (brand, version, plugin));
        assert_eq!(read.challenge.len(), 20);
        for end in 0..bytes.len() {
            assert_eq!(split(&bytes[..end]), Ok(None), "{end}");
        }
    }
    let blocked =
        b"\xff\x69\x04Host '127.0.0.2' is blocked because of many connection errors; unblock with 'mariadb-admin flush-hosts'";
    assert_eq!(first(blocked).unwrap(), First::Refusal(1129, Some(Brand::MariaDb)));
    assert_eq!(first(b"\xff\x10\x04Too many connections").unwrap(), First::Refusal(1040, None));
    assert!(first(b"\xff\x00\x00").is_err() && first(b"\x0a").is_err() && first(b"").is_err());
    assert_eq!(split(b"HTTP/1.1 400"), Err(TooLong));
    assert_eq!(numbers("9.7.4-1+b1"), "9.7.4");
}

/// DET-20: answers to challenges as real servers take them: recorded from version 10.11.19, and by the documents of MySQL.
#[test]
fn answers_to_challenges_are_right() {
    let challenge = b"01234567890123456789";
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let answer = |method: Method| hex(method.answer(Some("secret"), challenge).unwrap());
    assert_eq!(answer(Method::Native), "7abe1a8776b59e931059451f81e596a60dbbf7a8");
    assert_eq!(answer(Method::CachingSha2), "1a2da2573c2faa367e2afddb54cdfd11a95ed22eef0167151196a6fc8e3d3813");
    assert_eq!(Method::Clear.answer(Some("secret"), challenge), None);
    assert_eq!(Method::Native.answer(None, challenge), Some(Vec::new()));
}

proptest::proptest! {
    /// P6: whatever a server sends, reading it ends without a fault and without a byte of what follows.
    #[test]
    fn p6_any_bytes_are_read(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
        let whole = Arc::<[u8]>::from(bytes.as_slice());
        if let Ok(Some((_number, body, length))) = split(&whole) {
            proptest::prop_assert!(length <= whole.len() && body.len() + 4 == length);
        }
        let _first = first(&bytes);
        let _count = columns(&bytes);
        for count in 0..4 {
            let _row = row(&bytes, count);
        }
        let mut pieces = Pieces(&bytes);
        while pieces.value().is_some() {}
        proptest::prop_assert!(pieces.0.len() <= bytes.len());
    }

    /// P6: a packet that was joined is split again.
    #[test]
    fn p6_packets_round_trip(body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300), number in proptest::prelude::any::<u8>()) {
        let packet = join(number, &body).unwrap();
        proptest::prop_assert_eq!(split(&packet), Ok(Some((number, body.as_slice(), packet.len()))));
    }
}
